"""`c2sp.org/tlog-proof@v1`: one text, one spelling, and nothing that does not hold is believed."""

from dataclasses import replace

import pytest

from shared_schema.errors import MalformedError, VerificationError
from shared_schema.problem import ProblemCode
from shared_schema.tiles import CHECKPOINT_PATH, VerifiedLog
from shared_schema.tlog_proof import MAX_PROOF_BYTES, TlogProof, parse_tlog_proof, verify_tlog_proof
from tests.shared_schema.memory_log import MemoryLog

LOG = MemoryLog.build(300)
NOTE = LOG.files[CHECKPOINT_PATH].decode()
INDEX = 41


def proof_of(index: int = INDEX) -> TlogProof:
    return TlogProof(index, tuple(VerifiedLog(LOG.fetch, LOG.checkpoint).inclusion_proof(index)), NOTE)


GOOD = proof_of().to_text()
LINES = GOOD.split("\n")


def test_the_text_is_the_one_that_the_specification_shows() -> None:
    head, _, note = GOOD.partition("\n\n")
    lines = head.split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "index 41"
    assert all(len(line) == 44 and line.endswith("=") for line in lines[2:]) and len(lines) == 2 + 9
    assert note == NOTE


@pytest.mark.parametrize("extra", [b"", b"\x00", b"age-v1.2.1"])
def test_what_is_written_is_read_again(extra: bytes) -> None:
    proof = replace(proof_of(), extra=extra)
    assert parse_tlog_proof(proof.to_text().encode()) == proof
    assert (
        verify_tlog_proof(parse_tlog_proof(proof.to_text().encode()), LOG.entries[INDEX], LOG.verifier)
        == LOG.checkpoint
    )


def test_a_log_of_one_entry_needs_no_hashes() -> None:
    log = MemoryLog.build(1)
    text = f"c2sp.org/tlog-proof@v1\nindex 0\n\n{log.files[CHECKPOINT_PATH].decode()}"
    assert TlogProof(0, (), log.files[CHECKPOINT_PATH].decode()).to_text() == text
    verify_tlog_proof(parse_tlog_proof(text.encode()), log.entries[0], log.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        GOOD.replace("@v1", "@v2", 1),
        " " + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.replace("index 41", "index 041"),
        GOOD.replace("index 41", "index -1"),
        GOOD.replace("index 41", "index +41"),
        GOOD.replace("index 41", "index ٤١"),
        GOOD.replace("index 41", "index  41"),
        GOOD.replace("index 41", "index 41 "),
        GOOD.replace("index 41", "index " + "9" * 20),
        GOOD.replace("index 41", "Index 41"),
        GOOD.replace("index 41\n", ""),
        GOOD.replace("index 41\n", "extra \nindex 41\n"),
        GOOD.replace("index 41\n", "extra AA\nindex 41\n"),
        GOOD.replace("index 41\n", "extra AAAA\nextra AAAA\nindex 41\n"),
        GOOD.replace("index 41\n", "index 41\nextra AAAA\n"),
        GOOD.replace("index 41\n", "index 41\nindex 41\n"),
        GOOD.replace(LINES[2], LINES[2][:-1]),
        GOOD.replace(LINES[2], LINES[2][:40]),
        GOOD.replace(LINES[2], LINES[2][:-2] + ("B=" if LINES[2][-2] != "B" else "C=")),
        GOOD.replace(LINES[2], LINES[2].replace("=", "-")),
        GOOD.replace("index 41\n", "index 41\n" + (LINES[2] + "\n") * 60),
        GOOD + "x" * MAX_PROOF_BYTES,
        GOOD.replace("index 41", "index 41\x00"),
        "c2sp.org/tlog-proof@v1\n\n" + NOTE,
        "c2sp.org/tlog-proof@v1",
        "\ud800",
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_tlog_proof(text.encode(errors="surrogatepass"))


@pytest.mark.parametrize(
    "proof",
    [
        replace(proof_of(), index=INDEX + 1),
        replace(proof_of(), index=300),
        replace(proof_of(), hashes=proof_of().hashes[:-1]),
        replace(proof_of(), hashes=(*proof_of().hashes, bytes(32))),
        replace(proof_of(), hashes=proof_of().hashes[::-1]),
        replace(proof_of(), hashes=()),
        replace(proof_of(), checkpoint=NOTE.replace("\n300\n", "\n299\n")),
        replace(proof_of(), checkpoint=NOTE.partition("\n\n")[0] + "\n"),
        replace(proof_of(), checkpoint=""),
        replace(proof_of(), checkpoint=MemoryLog.build(299).files[CHECKPOINT_PATH].decode()),
    ],
)
def test_a_proof_that_does_not_hold_is_refused(proof: TlogProof) -> None:
    with pytest.raises(VerificationError) as refused:
        verify_tlog_proof(proof, LOG.entries[INDEX], LOG.verifier)
    assert refused.value.code is ProblemCode.RECEIPT


def test_a_proof_is_of_its_entry_and_its_log_alone() -> None:
    with pytest.raises(VerificationError):
        verify_tlog_proof(proof_of(), LOG.entries[INDEX + 1], LOG.verifier)
    with pytest.raises(VerificationError):
        verify_tlog_proof(proof_of(), LOG.entries[INDEX], replace(LOG.verifier, name="bayern.de"))


def test_one_flipped_bit_anywhere_is_refused() -> None:
    data = GOOD.encode()
    for bit in range(0, len(data) * 8, 3):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((VerificationError, MalformedError)):
            verify_tlog_proof(parse_tlog_proof(bytes(changed)), LOG.entries[INDEX], LOG.verifier)
