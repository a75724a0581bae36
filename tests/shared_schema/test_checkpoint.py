"""Signed notes and checkpoints: the published ones hold, every change of them does not."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.checkpoint import (
    ED25519_LOG_SIGNATURE,
    MAX_NOTE_BYTES,
    MAX_NOTE_SIGNATURES,
    Checkpoint,
    NoteVerifier,
    keep_signatures,
    parse_checkpoint,
    sign_note,
    verify_checkpoint,
    verify_note,
)
from shared_schema.errors import ContractError, MalformedError, VerificationError
from shared_schema.keys import SigningKey
from shared_schema.merkle import EMPTY_ROOT
from shared_schema.problem import ProblemCode
from tests.shared_schema.builders import HUB, HUB_KEY, HUB_VERIFIER, OTHER_KEY, VECTORS

C2SP, GO = VECTORS["signed_note"]
TESSERA = VECTORS["tessera_testdata_log"]
ROOT = bytes(range(32))
NOTE = Checkpoint(HUB, 17, ROOT).sign(HUB_KEY)


# --- published notes -------------------------------------------------------------------------------------------


def published_notes() -> list[tuple[str, str, str]]:
    """(vkey, text, note) of every published note."""
    tessera_name = TESSERA["vkey"].partition("+")[0]
    tessera_text = f"{tessera_name}\n15\n{TESSERA['roots_b64']['15']}\n"
    return [
        (C2SP["vkey"], C2SP["text"], f"{C2SP['text']}\n{C2SP['line']}\n"),
        (GO["vkey"], GO["text"], f"{GO['text']}\n— PeterNeumann {GO['sig_b64']}\n"),
        (TESSERA["vkey"], tessera_text, f"{tessera_text}\n— {tessera_name} {TESSERA['sig_at_15_b64']}\n"),
    ]


@pytest.mark.parametrize(("vkey", "text", "note"), published_notes())
def test_a_published_note_verifies_with_its_published_key(vkey: str, text: str, note: str) -> None:
    verifier = NoteVerifier.from_vkey(vkey)
    assert verifier.vkey == vkey
    assert verify_note(note, verifier) == text


def test_the_published_checkpoint_at_15_is_read() -> None:
    vkey, _, note = published_notes()[2]
    checkpoint = verify_checkpoint(note, NoteVerifier.from_vkey(vkey))
    assert checkpoint == Checkpoint("example.com/log/testdata", 15, base64.b64decode(TESSERA["roots_b64"]["15"]))


@pytest.mark.parametrize(("vkey", "text", "note"), published_notes())
def test_a_published_note_with_any_changed_character_is_refused(vkey: str, text: str, note: str) -> None:
    verifier = NoteVerifier.from_vkey(vkey)
    for place, character in enumerate(note):
        changed = note[:place] + chr(ord(character) ^ 1) + note[place + 1 :]
        with pytest.raises(ContractError):
            verify_note(changed, verifier)


@pytest.mark.parametrize(("vkey", "text", "note"), published_notes())
def test_the_key_id_is_the_hash_of_name_type_and_key(vkey: str, text: str, note: str) -> None:
    name, key_hash, encoded = vkey.split("+", 2)
    material = base64.b64decode(encoded)
    assert material[0] == ED25519_LOG_SIGNATURE == 0x01
    assert hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8] == key_hash
    assert NoteVerifier.from_vkey(vkey).key_hash.hex() == key_hash


# --- keys ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        C2SP["vkey"].replace("530d903a", "530d903b"),
        C2SP["vkey"].replace("530d903a", "530D903A"),
        C2SP["vkey"].replace("example.com/foo", "example.com/bar"),
        C2SP["vkey"].replace("example.com/foo", ""),
        C2SP["vkey"].replace("example.com/foo", "example com"),
        C2SP["vkey"].replace("+Aeky", "+Beky"),
        C2SP["vkey"] + "=",
        C2SP["vkey"][:-1],
        C2SP["vkey"][:-4],
        HUB_VERIFIER.vkey.replace("sachsen", "sachsen\n"),
    ],
)
def test_a_verifier_key_that_does_not_fit_itself_is_refused(vkey: str) -> None:
    with pytest.raises((MalformedError, VerificationError)):
        NoteVerifier.from_vkey(vkey)


def test_a_verifier_key_of_small_order_is_refused() -> None:
    material = bytes([ED25519_LOG_SIGNATURE]) + bytes(32)
    key_hash = hashlib.sha256(b"weak\n" + material).hexdigest()[:8]
    with pytest.raises(VerificationError) as caught:
        NoteVerifier.from_vkey(f"weak+{key_hash}+{base64.b64encode(material).decode()}")
    assert caught.value.code is ProblemCode.WEAK_KEY


# --- notes -----------------------------------------------------------------------------------------------------


def test_a_note_of_another_key_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify_note(Checkpoint(HUB, 17, ROOT).sign(OTHER_KEY), HUB_VERIFIER)


def test_a_note_of_another_name_with_the_same_key_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify_note(sign_note(f"{HUB}\n17\nx\n", "thueringen.de", HUB_KEY), HUB_VERIFIER)


def test_a_false_signature_that_bears_the_right_key_id_is_refused_even_beside_a_true_one() -> None:
    false = base64.b64encode(HUB_VERIFIER.key_hash + bytes(64)).decode()
    for note in (NOTE + f"— {HUB} {false}\n", NOTE.replace("\n\n", f"\n\n— {HUB} {false}\n")):
        with pytest.raises(VerificationError) as caught:
            verify_note(note, HUB_VERIFIER)
        assert caught.value.code is ProblemCode.BAD_SIGNATURE


def test_signatures_of_others_are_passed_over() -> None:
    witness = sign_note(NOTE.partition("\n\n")[0] + "\n", "witness.example.org", OTHER_KEY).partition("\n\n")[2]
    assert verify_note(NOTE + witness, HUB_VERIFIER) == verify_note(NOTE, HUB_VERIFIER)


def spare_bits_set(note: str) -> str:
    """The same signature bytes with the spare bits of the last digit set: 68 bytes leave two of them."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    head, last = note[:-3], note[-3]
    assert note.endswith("=\n")
    return head + digits[digits.index(last) + 1] + "=\n"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n",
        "\n\n",
        "no signature\n",
        "no signature\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE + "text\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("— ", "—"),
        NOTE.replace(f"— {HUB} ", f"— {HUB}  "),
        NOTE.replace(f"— {HUB} ", "—  "),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("17", "17\x00"),
        NOTE.replace("17", "1\t7"),
        NOTE.replace("=\n", "\n"),
        NOTE[:-8] + "\n",
        spare_bits_set(NOTE),
        f"text\n\n— {HUB} AAAA\n",
        f"text\n\n— {HUB} {base64.b64encode(HUB_VERIFIER.key_hash).decode()}\n",
        NOTE + f"— a {base64.b64encode(bytes(68)).decode()}\n" * MAX_NOTE_SIGNATURES,
        "x" * MAX_NOTE_BYTES + NOTE,
    ],
)
def test_a_note_of_a_wrong_form_is_refused(note: str) -> None:
    with pytest.raises((MalformedError, VerificationError)):
        verify_note(note, HUB_VERIFIER)


@pytest.mark.parametrize("size", [0, 3, 4, 5, 63, 67])
def test_a_truncated_signature_is_refused(size: int) -> None:
    material = base64.b64decode(NOTE.split(" ")[-1])[:size]
    with pytest.raises((MalformedError, VerificationError)):
        verify_note(NOTE[: NOTE.rindex(" ") + 1] + base64.b64encode(material).decode() + "\n", HUB_VERIFIER)


@given(st.text(max_size=80))
def test_arbitrary_text_raises_nothing_but_our_errors(text: str) -> None:
    for note in (text, text + NOTE, NOTE.replace("\n\n", f"\n{text}\n"), NOTE[:40] + text + NOTE[40:]):
        try:
            verify_checkpoint(note, HUB_VERIFIER)
        except ContractError as error:
            assert len(str(error)) < 500
        else:
            assert note == NOTE


# --- checkpoints -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{HUB}\n17\n",
        f"{HUB}\n17\nAAAA\n",
        f"\n17\n{base64.b64encode(ROOT).decode()}\n",
        f"{HUB}\n17\n{base64.b64encode(ROOT).decode()}",
        f"{HUB}\n17\n{base64.b64encode(ROOT).decode()[:-1]}\n",
        f"{HUB}\n17\n{base64.b64encode(ROOT + b'x').decode()}\n",
        f"{HUB}\n17\n{base64.b64encode(ROOT).decode()[:-2]}9=\n",
        f"{HUB}\n0\n{base64.b64encode(ROOT).decode()}\n",
        *(
            f"{HUB}\n{size}\n{base64.b64encode(ROOT).decode()}\n"
            for size in ("", "-1", "+1", "017", "1.0", "1e3", " 1", "١٧", "1_7", "9" * 20, "9" * 5000)
        ),
    ],
)
def test_a_checkpoint_of_a_wrong_form_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_checkpoint(text)


def test_a_checkpoint_about_another_log_is_refused() -> None:
    note = sign_note(Checkpoint("thueringen.de", 17, ROOT).to_text(), HUB, HUB_KEY)
    with pytest.raises(VerificationError) as caught:
        verify_checkpoint(note, HUB_VERIFIER)
    assert caught.value.code is ProblemCode.FEED_CHECKPOINT


@pytest.mark.parametrize("checkpoint", [Checkpoint(HUB, 17, ROOT), Checkpoint(HUB, 0, EMPTY_ROOT)])
def test_a_signed_checkpoint_is_read_back(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint(checkpoint.to_text()) == checkpoint
    assert verify_checkpoint(checkpoint.sign(HUB_KEY), HUB_VERIFIER) == checkpoint


def test_extension_lines_are_allowed_and_signed() -> None:
    text = Checkpoint(HUB, 17, ROOT).to_text() + "extension 1\n"
    note = sign_note(text, HUB, HUB_KEY)
    assert verify_checkpoint(note, HUB_VERIFIER) == Checkpoint(HUB, 17, ROOT)
    with pytest.raises(VerificationError):
        verify_checkpoint(note.replace("extension 1", "extension 2"), HUB_VERIFIER)


def test_of_a_note_only_the_signatures_of_the_given_keys_are_kept_each_once() -> None:
    both = SigningKey(HUB_KEY.private, (SigningKey(OTHER_KEY.private),))
    note = Checkpoint(HUB, 3, EMPTY_ROOT).sign(both)
    text, own, beside = note.rpartition("\n\n")[0], *note.rpartition("\n\n")[2].splitlines()
    other = NoteVerifier(HUB, OTHER_KEY.public)
    false = base64.b64encode(other.key_hash + bytes(64)).decode()
    crowded = "\n".join([f"{text}\n", f"— {HUB} {false}", "— witness.example AAAAAAAA", own, own, beside, ""])
    assert keep_signatures(crowded, (HUB_VERIFIER, other)) == note
    assert keep_signatures(crowded, (HUB_VERIFIER,)) == Checkpoint(HUB, 3, EMPTY_ROOT).sign(HUB_KEY)
