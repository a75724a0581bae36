"""Every published value of draft-irtf-cfrg-vdaf-20 for Prio3SumVec, byte for byte.

`docs/sealed_totals.md` has the table of which function is checked by which value.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shared_schema.vdaf import xof
from shared_schema.vdaf.field128 import encode_vec
from shared_schema.vdaf.messages import (
    VerifierMessage,
    VerifierShare,
    VerifyState,
    encode_agg_share,
    parse_agg_share,
    parse_input_share,
    parse_public_share,
    parse_verifier_message,
    parse_verifier_share,
)
from shared_schema.vdaf.prio3 import Prio3SumVec
from shared_schema.vdaf.sum_vec import SumVec

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "vdaf.json").read_text("utf-8"))
SUM_VECS = ["Prio3SumVec_0", "Prio3SumVec_1"]


class Case(NamedTuple):
    """One report of a vector file."""

    vdaf: Prio3SumVec
    ctx: bytes
    verify_key: bytes
    report: dict[str, Any]

    @property
    def nonce(self) -> bytes:
        return bytes.fromhex(self.report["nonce"])

    def verified(self) -> list[tuple[VerifyState, VerifierShare]]:
        """What each aggregator makes of the published shares."""
        public_share = parse_public_share(bytes.fromhex(self.report["public_share"]), self.vdaf.shares)
        shares = [
            parse_input_share(bytes.fromhex(encoded), agg_id, self.vdaf.circuit)
            for agg_id, encoded in enumerate(self.report["input_shares"])
        ]
        return [
            self.vdaf.verify_init(self.verify_key, self.ctx, agg_id, self.nonce, public_share, share)
            for agg_id, share in enumerate(shares)
        ]

    def message(self) -> VerifierMessage:
        return parse_verifier_message(bytes.fromhex(self.report["verifier_messages"][0]))


def vdaf_of(file: dict[str, Any]) -> Prio3SumVec:
    circuit = SumVec(file["length"], file["max_measurement"], file["chunk_length"])
    return Prio3SumVec(file["shares"], circuit)


def cases() -> list[Any]:
    return [
        pytest.param(
            Case(vdaf_of(file), bytes.fromhex(file["ctx"]), bytes.fromhex(file["verify_key"]), report),
            id=f"{name}-{number}",
        )
        for name, file in ((name, VECTORS[name]) for name in SUM_VECS)
        for number, report in enumerate(file["reports"])
    ]


each_report = pytest.mark.parametrize("case", cases())


def test_a_seed_is_derived_as_published() -> None:
    vector = VECTORS["XofTurboShake128"]
    seed, dst, binder = (bytes.fromhex(vector[name]) for name in ("seed", "dst", "binder"))
    assert xof.derive_seed(seed, dst, binder).hex() == vector["derived_seed"]


def test_field_elements_are_expanded_as_published() -> None:
    vector = VECTORS["XofTurboShake128"]
    seed, dst, binder = (bytes.fromhex(vector[name]) for name in ("seed", "dst", "binder"))
    expanded = xof.expand_into_vec(seed, dst, binder, vector["length"])
    assert encode_vec(expanded).hex() == vector["expanded_vec_field128"]


@each_report
def test_shard_makes_the_published_shares(case: Case) -> None:
    public_share, input_shares = case.vdaf.shard(
        case.ctx, case.report["measurement"], case.nonce, bytes.fromhex(case.report["rand"])
    )
    assert public_share.encode().hex() == case.report["public_share"]
    assert [share.encode().hex() for share in input_shares] == case.report["input_shares"]


@each_report
def test_verify_init_makes_the_published_verifier_shares(case: Case) -> None:
    assert [share.encode().hex() for _, share in case.verified()] == case.report["verifier_shares"][0]


@each_report
def test_the_published_verifier_shares_make_the_published_message(case: Case) -> None:
    published = [
        parse_verifier_share(bytes.fromhex(encoded), case.vdaf.circuit) for encoded in case.report["verifier_shares"][0]
    ]
    message = case.vdaf.verifier_shares_to_message(case.ctx, published)
    assert message.encode().hex() == case.report["verifier_messages"][0]


@each_report
def test_verify_next_makes_the_published_output_shares(case: Case) -> None:
    out_shares = [case.vdaf.verify_next(state, case.message()) for state, _ in case.verified()]
    assert [encode_agg_share(share).hex() for share in out_shares] == case.report["out_shares"]


@pytest.mark.parametrize("name", SUM_VECS)
def test_the_published_output_shares_add_up_to_the_published_result(name: str) -> None:
    file = VECTORS[name]
    vdaf = vdaf_of(file)
    agg_shares = []
    for agg_id in range(vdaf.shares):
        agg_share = vdaf.agg_init()
        for report in file["reports"]:
            out_share = parse_agg_share(bytes.fromhex(report["out_shares"][agg_id]), vdaf.circuit)
            agg_share = vdaf.agg_update(agg_share, out_share)
        agg_shares.append(agg_share)
    assert [encode_agg_share(share).hex() for share in agg_shares] == file["agg_shares"]
    assert vdaf.unshard(agg_shares, len(file["reports"])) == file["agg_result"]


def test_no_published_value_is_left_out() -> None:
    """A newer edition of the vectors with a field more would pass unseen."""
    of_report = {
        *("input_shares", "measurement", "nonce", "out_shares", "public_share", "rand"),
        *("verifier_messages", "verifier_shares"),
    }
    of_file = {*("agg_param", "agg_result", "agg_shares", "chunk_length", "ctx", "length", "max_measurement")}
    for name in SUM_VECS:
        file = VECTORS[name]
        assert set(file) == of_file | {"reports", "shares", "verify_key"}
        assert file["agg_param"] == ""  # Prio3 has none
        assert [set(report) for report in file["reports"]] == [of_report] * 3
        assert all(
            len(report["verifier_messages"]) == len(report["verifier_shares"]) == 1 for report in file["reports"]
        )
