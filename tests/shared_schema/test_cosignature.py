"""Cosignatures: the published one is read, a changed one is none, and no key stands for another."""

import base64
import hashlib

import pytest

from shared_schema.checkpoint import (
    MAX_NOTE_SIGNATURES,
    Checkpoint,
    NoteVerifier,
    parse_signature_line,
    sign_note,
    verify_checkpoint,
)
from shared_schema.cosignature import (
    add_lines,
    announce_cosigner,
    cosign,
    cosigned_at,
    cosigner,
    lines_of,
    parse_cosigner,
    verify_announcement,
    verify_cosignature,
)
from shared_schema.errors import ContractError, MalformedError, VerificationError
from shared_schema.keys import SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))
OTHER = SigningKey.from_seed(bytes(32))
CHECKPOINT = Checkpoint("sachsen.de", 17, bytes(range(32)))
TEXT = CHECKPOINT.to_text()
TIME = 1679315147
PUBLISHED = (
    "— witness.example.com/w1 "
    "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
)
"""The example of C2SP tlog-cosignature; its key is not published, its message names the time."""


def test_the_published_example_has_the_form_that_is_written_here() -> None:
    name, material = parse_signature_line(PUBLISHED)
    own_name, own_material = parse_signature_line(cosign(TEXT, name, KEY, TIME).rstrip("\n"))
    assert (own_name, len(own_material)) == (name, len(material))
    assert own_material[4:12] == material[4:12]  # `time 1679315147` in the published message


def test_the_message_and_the_key_hash_are_those_of_the_specification() -> None:
    """Written out by hand, so that the code is not measured with itself."""
    _, material = parse_signature_line(cosign(TEXT, "w1", KEY, TIME).rstrip("\n"))
    assert material[:4] == hashlib.sha256(b"w1\n\x04" + KEY.public.raw).digest()[:4]
    message = b"cosignature/v1\ntime 1679315147\nsachsen.de\n17\n" + base64.b64encode(bytes(range(32))) + b"\n"
    KEY.public.verify(material[12:], message)


def test_a_cosignature_gives_back_its_time() -> None:
    line = cosign(TEXT, "w1", KEY, TIME)
    assert verify_cosignature(TEXT, line, cosigner("w1", KEY)) == TIME


@pytest.mark.parametrize("place", range(4 + 8 + 64))
def test_one_flipped_bit_in_any_byte_is_refused(place: int) -> None:
    name, material = parse_signature_line(cosign(TEXT, "w1", KEY, TIME).rstrip("\n"))
    changed = bytearray(material)
    changed[place] ^= 1
    line = f"— {name} {base64.b64encode(changed).decode()}"
    with pytest.raises(ContractError):
        verify_cosignature(TEXT, line, cosigner("w1", KEY))


def test_a_cosignature_holds_for_no_other_head() -> None:
    other = Checkpoint("sachsen.de", 18, bytes(range(32)))
    with pytest.raises(VerificationError):
        verify_cosignature(other.to_text(), cosign(TEXT, "w1", KEY, TIME), cosigner("w1", KEY))


def test_a_time_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(MalformedError, match="10000"):
        verify_cosignature(TEXT, cosign(TEXT, "w1", KEY, 2**62), cosigner("w1", KEY))


@pytest.mark.parametrize("material", [b"", b"x" * 71, b"x" * 73])
def test_a_cosignature_of_another_length_is_refused(material: bytes) -> None:
    line = f"— w1 {base64.b64encode(cosigner('w1', KEY).key_hash + material + b'.').decode()}"
    with pytest.raises(MalformedError):
        verify_cosignature(TEXT, line, cosigner("w1", KEY))


def test_the_key_of_a_log_is_not_taken_for_that_of_a_cosigner_nor_the_other_way() -> None:
    with pytest.raises(MalformedError):
        parse_cosigner(NoteVerifier("w1", KEY.public).vkey)
    with pytest.raises(MalformedError):
        NoteVerifier.from_vkey(cosigner("w1", KEY).vkey)
    assert parse_cosigner(cosigner("w1", KEY).vkey) == cosigner("w1", KEY)


def test_a_plain_signature_under_a_cosigner_s_name_is_none() -> None:
    note = CHECKPOINT.sign(OTHER)
    plain = base64.b64encode(cosigner("w1", KEY).key_hash + KEY.sign(TEXT.encode())).decode()
    with pytest.raises(MalformedError):
        cosigned_at(f"{note}— w1 {plain}\n", cosigner("w1", KEY))


def test_a_note_with_cosignatures_is_still_the_log_s_note() -> None:
    note = add_lines(CHECKPOINT.sign(KEY), [cosign(TEXT, "sachsen.de", OTHER, TIME), cosign(TEXT, "w2", OTHER, 5)])
    assert verify_checkpoint(note, NoteVerifier("sachsen.de", KEY.public)) == CHECKPOINT
    assert cosigned_at(note, cosigner("sachsen.de", OTHER)) == TIME
    assert cosigned_at(note, cosigner("w2", OTHER)) == 5
    assert cosigned_at(note, cosigner("w3", OTHER)) is None
    assert len(lines_of(note)) == 3


def test_the_latest_of_several_times_counts() -> None:
    note = add_lines(CHECKPOINT.sign(KEY), [cosign(TEXT, "w1", OTHER, TIME), cosign(TEXT, "w1", OTHER, TIME - 9)])
    assert cosigned_at(note, cosigner("w1", OTHER)) == TIME


def test_no_more_lines_are_added_than_a_reader_takes() -> None:
    note = add_lines(CHECKPOINT.sign(KEY), [cosign(TEXT, f"w{number}", OTHER, TIME) for number in range(40)])
    assert len(lines_of(note)) == MAX_NOTE_SIGNATURES
    verify_checkpoint(note, NoteVerifier("sachsen.de", KEY.public))


# --- the announcement ----------------------------------------------------------------------------------------------

LOG = NoteVerifier("sachsen.de", KEY.public)


def test_the_log_key_says_which_key_cosigns() -> None:
    assert verify_announcement(announce_cosigner("sachsen.de", KEY, OTHER), LOG) == cosigner("sachsen.de", OTHER)


@pytest.mark.parametrize(
    "note",
    [
        announce_cosigner("sachsen.de", OTHER, KEY),
        announce_cosigner("sachsen.de", KEY, KEY),
        sign_note(f"prevention-exchange cosigner/v1\n{cosigner('other.de', OTHER).vkey}\n", "sachsen.de", KEY),
        sign_note(f"prevention-exchange cosigner/v2\n{cosigner('sachsen.de', OTHER).vkey}\n", "sachsen.de", KEY),
        sign_note("prevention-exchange cosigner/v1\n", "sachsen.de", KEY),
        sign_note("prevention-exchange cosigner/v1\na\nb\n", "sachsen.de", KEY),
        CHECKPOINT.sign(KEY),
        "",
    ],
    ids=["by itself", "the log's key", "other name", "other title", "no key", "two keys", "a checkpoint", "nothing"],
)
def test_another_announcement_is_refused(note: str) -> None:
    with pytest.raises(ContractError):
        verify_announcement(note, LOG)


def test_an_announcement_is_no_checkpoint() -> None:
    with pytest.raises(ContractError):
        verify_checkpoint(announce_cosigner("sachsen.de", KEY, OTHER), LOG)
