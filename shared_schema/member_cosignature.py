"""What a member hands to its hub when it vouches for the hub's newest head: its cosigner's announcement, and the note.

A node signs its statements with one key and cosigns with another, as hubs do (`cosignature`). Its signing key, which
the hub knows, announces the cosigner. Both stand in one text: the announcement (a signed note of one signature), an
empty line, and the checkpoint's three lines with the cosignature as their only signature.

    body = write_cosigned(name, signing_key, cosigner_key, checkpoint_text, time)
    found = parse_cosigned(body)
    line, time = verify_cosigned(found, member_key)
"""

from dataclasses import dataclass

from shared_schema.checkpoint import Checkpoint, NoteVerifier, parse_checkpoint, split_note
from shared_schema.cosignature import announce_cosigner, cosign, lines_of, verify_announcement, verify_cosignature
from shared_schema.errors import MalformedError
from shared_schema.keys import PublicKey, SigningKey

MAX_COSIGNED_BYTES = 4 * 1024
"""Two signatures, a key, a root and three times a name have less than 1,500 bytes."""
ANNOUNCEMENT_LINES = 4
"""The title, the key, an empty line, one signature."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """What came, in form but not in truth checked. `text` is the checkpoint's body, `line` the one signature."""

    name: str
    announcement: str
    text: str
    checkpoint: Checkpoint
    line: str


def write_cosigned(name: str, key: SigningKey, cosigner_key: SigningKey, text: str, time: int) -> bytes:
    """Vouch at `time` for the checkpoint body `text`; `key` is the one with which `name` is a member."""
    announcement = announce_cosigner(name, SigningKey(key.private), cosigner_key)
    return f"{announcement}\n{text}\n{cosign(text, name, cosigner_key, time)}".encode()


def parse_cosigned(body: bytes) -> Cosigned:
    """Read what a member sends. Raises MalformedError."""
    try:
        lines = [f"{line}\n" for line in body.decode("utf-8").removesuffix("\n").split("\n")]
    except UnicodeDecodeError:
        raise MalformedError("expected a text in UTF-8") from None
    announcement, note = "".join(lines[:ANNOUNCEMENT_LINES]), "".join(lines[ANNOUNCEMENT_LINES + 1 :])
    if lines[ANNOUNCEMENT_LINES : ANNOUNCEMENT_LINES + 1] != ["\n"]:
        raise MalformedError("expected the announcement of a cosigner, an empty line, and a cosigned checkpoint")
    (text, signatures), (_, announcers) = split_note(note), split_note(announcement)
    if len(signatures) != 1 or len(announcers) != 1:
        raise MalformedError("expected one signature of the member, and one of its cosigner")
    return Cosigned(announcers[0][0], announcement, text, parse_checkpoint(text), lines_of(note)[0])


def verify_cosigned(found: Cosigned, key: PublicKey) -> tuple[NoteVerifier, int]:
    """The cosigner that the member with this signing key announces, and the time at which it vouched.

    Raises MalformedError or VerificationError when one of the two signatures is another's or false.
    """
    verifier = verify_announcement(found.announcement, NoteVerifier(found.name, key))
    return verifier, verify_cosignature(found.text, found.line, verifier)
