"""Evidence: what proves a contradiction, what does not yet, and what is no evidence at all."""

import base64
import json

import pytest

from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.cosignature import add_lines, announce_cosigner, cosign
from shared_schema.errors import ContractError
from shared_schema.head_evidence import TwoHeads, TwoStatements, judge, pair_heads, parse_evidence
from shared_schema.keys import SigningKey
from shared_schema.merkle import consistency_proof
from shared_schema.statement import Kind
from tests.shared_schema import builders
from tests.shared_schema.test_witness import FORKED, HONEST, KEY, LOG, Log

NOW = "2026-11-22T09:00:00Z"
COSIGNER = SigningKey.from_seed(b"c" * 32)


def note(log: Log, size: int, time: int | None = None) -> str:
    checkpoint = log.checkpoint(size)
    lines = [] if time is None else [cosign(checkpoint.to_text(), LOG.name, COSIGNER, time)]
    return add_lines(checkpoint.sign(KEY), lines)


def test_two_roots_of_one_size_prove_a_fork() -> None:
    verdict = judge(pair_heads(LOG, note(HONEST, 20), note(FORKED, 20), found_at=NOW))
    assert verdict.proven and "two different logs of 20 entries" in verdict.sentence


def test_a_proof_of_the_larger_tree_proves_that_it_does_not_begin_with_the_smaller() -> None:
    proof = tuple(consistency_proof(21, 40, FORKED.read))
    for one, other in ((note(HONEST, 21), note(FORKED, 40)), (note(FORKED, 40), note(HONEST, 21))):
        verdict = judge(pair_heads(LOG, one, other, proof=proof, found_at=NOW))
        assert verdict.proven and "does not begin with" in verdict.sentence


def test_two_heads_of_an_honest_log_prove_nothing() -> None:
    proof = tuple(consistency_proof(21, 40, HONEST.read))
    assert not judge(pair_heads(LOG, note(HONEST, 21), note(HONEST, 40), proof=proof, found_at=NOW)).proven
    assert not judge(pair_heads(LOG, note(HONEST, 21), note(HONEST, 21), found_at=NOW)).proven


def test_without_a_proof_two_sizes_are_open() -> None:
    verdict = judge(pair_heads(LOG, note(HONEST, 21), note(FORKED, 40), found_at=NOW))
    assert not verdict.proven and "open" in verdict.sentence


def test_a_proof_that_was_made_up_is_no_evidence() -> None:
    evidence = pair_heads(LOG, note(HONEST, 21), note(HONEST, 40), found_at=NOW)
    forged = evidence.model_copy(update={"prefix": base64.b64encode(b"x" * 32).decode(), "proof": ()})
    with pytest.raises(ContractError):
        judge(forged)


def test_a_shorter_log_at_a_later_time_proves_a_rewind() -> None:
    announcement = announce_cosigner(LOG.name, KEY, COSIGNER)
    later, earlier = note(HONEST, 21, 2000), note(HONEST, 40, 1000)
    verdict = judge(pair_heads(LOG, later, earlier, cosigner=announcement, found_at=NOW))
    assert verdict.proven and "21 entries after it had signed one of 40" in verdict.sentence
    grown = pair_heads(LOG, note(HONEST, 21, 1000), note(HONEST, 40, 2000), cosigner=announcement, found_at=NOW)
    assert not judge(grown).proven


def test_heads_that_another_key_has_signed_are_no_evidence_against_this_one() -> None:
    stranger = SigningKey.from_seed(b"s" * 32)
    with pytest.raises(ContractError):
        pair_heads(LOG, note(HONEST, 20), FORKED.checkpoint(20).sign(stranger), found_at=NOW)
    evidence = pair_heads(LOG, note(HONEST, 20), note(FORKED, 20), found_at=NOW)
    with pytest.raises(ContractError):
        judge(evidence, NoteVerifier(LOG.name, stranger.public).vkey)


def test_a_file_is_read_back_and_says_the_same() -> None:
    evidence = pair_heads(LOG, note(HONEST, 20), note(FORKED, 20), found_at=NOW)
    read = parse_evidence(evidence.to_bytes())
    assert isinstance(read, TwoHeads) and judge(read, LOG.vkey) == judge(evidence)


def two_statements(first_seq: int, second_seq: int, *, other_key: bool = False) -> TwoStatements:
    keys = [KEY, SigningKey.from_seed(b"s" * 32) if other_key else KEY]
    envelopes = [
        json.loads(
            builders.signed_statement(
                Kind.PRACTICE, builders.practice_body(title=title), key=key, origin="leipzig.sn.de", seq=seq
            )
        )
        for title, key, seq in zip(("Evenings", "Mornings"), keys, (first_seq, second_seq), strict=True)
    ]
    key_text = base64.b64encode(KEY.public.raw).decode()
    return TwoStatements(origin="leipzig.sn.de", key=key_text, envelopes=tuple(envelopes), found_at=NOW)


def test_two_contents_under_one_number_prove_it() -> None:
    verdict = judge(two_statements(7, 7))
    assert verdict.proven and "two contents under the number 7" in verdict.sentence


def test_two_numbers_prove_nothing_and_a_stranger_s_signature_is_no_evidence() -> None:
    assert not judge(two_statements(7, 8)).proven
    with pytest.raises(ContractError):
        judge(two_statements(7, 7, other_key=True))


@pytest.mark.parametrize("data", [b"", b"{}", b'{"kind":"two-heads"}', b'{"kind":"other"}', b"[1]"])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ContractError):
        parse_evidence(data)


@pytest.mark.parametrize("name", ["halle.st.de", "a\u202egro.doog", "a\x9b2J"])
def test_evidence_about_one_name_with_the_key_of_another_is_refused(name: str) -> None:
    other = NoteVerifier(name, KEY.public)
    notes = [Checkpoint(name, 20, log.checkpoint(20).root).sign(KEY) for log in (HONEST, FORKED)]
    file = pair_heads(LOG, note(HONEST, 20), note(FORKED, 20), found_at=NOW).to_object()
    file |= {"vkey": other.vkey, "first": notes[0], "second": notes[1]}
    with pytest.raises(ContractError):
        judge(parse_evidence(json.dumps(file).encode()))


def two_releases(*ledgers: dict[str, object]) -> TwoStatements:
    envelopes = [
        json.loads(
            builders.signed_statement(
                Kind.TREND, builders.trend_body(ledger=ledger), key=KEY, origin="leipzig.sn.de", seq=seq, audience="hub"
            )
        )
        for seq, ledger in enumerate(ledgers, start=7)
    ]
    key_text = base64.b64encode(KEY.public.raw).decode()
    return TwoStatements(origin="leipzig.sn.de", key=key_text, envelopes=tuple(envelopes), found_at=NOW)


ONE, TWO, THREE = ("ab" * 32, "cd" * 32, "ef" * 32)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"seq": 4, "head": ONE}, {"seq": 4, "head": TWO}),
        ({"seq": 4, "head": ONE}, {"seq": 5, "head": TWO, "prev": THREE}),
        ({"seq": 5, "head": TWO, "prev": THREE}, {"seq": 4, "head": ONE}),
    ],
    ids=["one place", "a chain that breaks", "in the other order"],
)
def test_two_releases_that_contradict_each_other_about_the_ledger_prove_it(
    first: dict[str, object], second: dict[str, object]
) -> None:
    verdict = judge(two_releases(first, second))
    assert verdict.proven and "about entry 4 of its ledger" in verdict.sentence


@pytest.mark.parametrize(
    "second",
    [
        {"seq": 4, "head": ONE},
        {"seq": 5, "head": TWO, "prev": ONE},
        {"seq": 5, "head": TWO},
        {"seq": 6, "head": TWO, "prev": THREE},
    ],
)
def test_two_releases_of_one_honest_ledger_prove_nothing(second: dict[str, object]) -> None:
    assert not judge(two_releases({"seq": 4, "head": ONE}, second)).proven
