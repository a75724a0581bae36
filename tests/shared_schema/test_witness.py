"""The rules of a witness: every status of C2SP tlog-witness, and no two heads that do not fit together."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.errors import ContractError
from shared_schema.keys import SigningKey
from shared_schema.merkle import completed_nodes, consistency_proof, leaf_hash, prefix_root, range_hash
from shared_schema.problem import ProblemCode
from shared_schema.witness import (
    MAX_PROOF_LINES,
    MAX_REQUEST_BYTES,
    Contradiction,
    NotTheSizeKnown,
    Seen,
    WitnessRefusal,
    advance,
    parse_request,
    write_request,
)

KEY = SigningKey.from_seed(b"l" * 32)
LOG = NoteVerifier("thueringen.de", KEY.public)


class Log:
    """A log of numbered leaves; `fork` is where another one begins."""

    def __init__(self, size: int, fork: int | None = None) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        leaves = [
            leaf_hash(f"{'b' if fork is not None and number >= fork else 'a'} {number}".encode())
            for number in range(size)
        ]
        for level, index, value in completed_nodes(0, leaves, self.read):
            self.nodes[level, index] = value

    def read(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]

    def checkpoint(self, size: int) -> Checkpoint:
        return Checkpoint(LOG.name, size, range_hash(0, size, self.read) if size else Seen().root)

    def request(self, old: int, new: int) -> bytes:
        return write_request(old, consistency_proof(old, new, self.read), self.checkpoint(new).sign(KEY))

    def seen(self, size: int) -> Seen:
        return Seen(size, self.checkpoint(size).root)


HONEST, FORKED = Log(40), Log(40, fork=5)


def ask(seen: Seen, body: bytes) -> Checkpoint:
    return advance(seen, parse_request(body), LOG)


@pytest.mark.parametrize("old", range(20))
@pytest.mark.parametrize("new", [20, 21, 32, 40])
def test_a_head_that_continues_is_cosigned(old: int, new: int) -> None:
    assert ask(HONEST.seen(old), HONEST.request(old, new)) == HONEST.checkpoint(new)


def test_the_same_head_again_is_cosigned_again() -> None:
    assert ask(HONEST.seen(17), HONEST.request(17, 17)) == HONEST.checkpoint(17)


def test_the_empty_log_is_cosigned() -> None:
    assert ask(Seen(), HONEST.request(0, 0)) == HONEST.checkpoint(0)


@pytest.mark.parametrize("old", [6, 7, 9, 20, 31])
def test_a_fork_is_a_contradiction_with_a_proof_of_it(old: int) -> None:
    with pytest.raises(Contradiction) as refused:
        ask(HONEST.seen(old), FORKED.request(old, 40))
    request = refused.value.request
    assert (refused.value.code, refused.value.same_size) == (ProblemCode.WITNESS_PROOF, False)
    assert prefix_root(old, 40, FORKED.checkpoint(40).root, request.proof) == FORKED.checkpoint(old).root


def test_two_roots_of_one_size_are_a_contradiction() -> None:
    with pytest.raises(Contradiction) as refused:
        ask(HONEST.seen(20), FORKED.request(20, 20))
    assert refused.value.same_size


def test_a_rewound_log_is_not_cosigned() -> None:
    for old in (0, 10):
        with pytest.raises(NotTheSizeKnown) as refused:
            ask(HONEST.seen(20), HONEST.request(old, 10))
        assert refused.value.known == 20
    with pytest.raises(WitnessRefusal) as malformed:
        ask(HONEST.seen(20), write_request(20, [], HONEST.checkpoint(10).sign(KEY)))
    assert malformed.value.code is ProblemCode.WITNESS_REQUEST


def test_whoever_does_not_know_the_size_is_told() -> None:
    with pytest.raises(NotTheSizeKnown) as refused:
        ask(HONEST.seen(17), HONEST.request(0, 20))
    assert refused.value.known == 17


def test_a_head_that_another_key_has_signed_is_refused_before_anything_else() -> None:
    note = HONEST.checkpoint(20).sign(SigningKey.from_seed(b"x" * 32))
    with pytest.raises(WitnessRefusal) as refused:
        ask(HONEST.seen(30), write_request(0, [], note))
    assert refused.value.code is ProblemCode.WITNESS_SIGNATURE


@pytest.mark.parametrize("proof", [[], [b"x" * 32], [b"x" * 32] * MAX_PROOF_LINES])
def test_a_proof_that_leads_nowhere_is_refused(proof: list[bytes]) -> None:
    with pytest.raises(Contradiction):
        ask(HONEST.seen(17), write_request(17, proof, HONEST.checkpoint(20).sign(KEY)))


def test_a_proof_from_nothing_must_be_empty() -> None:
    with pytest.raises(Contradiction):
        ask(Seen(), write_request(0, [b"x" * 32], HONEST.checkpoint(20).sign(KEY)))


NOTE = HONEST.checkpoint(20).sign(KEY).encode()
HASH = base64.b64encode(b"x" * 32)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 0\n" + NOTE,
        b"old -1\n\n" + NOTE,
        b"old 01\n\n" + NOTE,
        b"old  1\n\n" + NOTE,
        b"Old 1\n\n" + NOTE,
        b"old 1 \n\n" + NOTE,
        b"old \xd9\xa1\n\n" + NOTE,
        b"old 99999999999999999999\n\n" + NOTE,
        b"old 1\r\n\r\n" + NOTE,
        b"old 1\nnot base64\n\n" + NOTE,
        b"old 1\n" + base64.b64encode(b"x" * 31) + b"\n\n" + NOTE,
        b"old 1\n" + (HASH + b"\n") * (MAX_PROOF_LINES + 1) + b"\n" + NOTE,
        b"old 1\n\n" + NOTE[:-1],
        b"old 1\n\n" + NOTE.replace(b"\n20\n", b"\n020\n"),
        b"old 1\n\nnothing\n",
        b"old 1\n\n\xff" + NOTE,
    ],
)
def test_a_request_of_another_form_is_malformed(body: bytes) -> None:
    with pytest.raises(WitnessRefusal) as refused:
        parse_request(body)
    assert refused.value.code is ProblemCode.WITNESS_REQUEST


def test_the_largest_request_fits_the_limit() -> None:
    assert len(write_request(2**62, [b"x" * 32] * MAX_PROOF_LINES, "n" * 16 * 1024)) <= MAX_REQUEST_BYTES


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40)), max_size=12))
def test_an_honest_witness_never_cosigns_two_heads_that_do_not_fit_together(
    steps: list[tuple[bool, int, int]],
) -> None:
    """Whatever a log that keeps two versions asks for, in whatever order."""
    seen, signed = Seen(), []
    for forked, old, new in steps:
        log = FORKED if forked else HONEST
        try:
            checkpoint = ask(seen, log.request(min(old, new), new))
        except ContractError:
            continue
        assert checkpoint.size >= seen.size
        seen = Seen(checkpoint.size, checkpoint.root)
        signed.append(checkpoint)
    beyond = [item for item in signed if item.size > 5]  # up to there both logs are one
    assert any(all(item == log.checkpoint(item.size) for item in beyond) for log in (HONEST, FORKED))
