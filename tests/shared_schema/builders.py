"""Valid objects of the contract, the path of a submission in four gates, and a small honest log.

Each builder gives something that every gate accepts; a test changes only what it is about.
"""

import base64
import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from shared_schema import canonical, laplace
from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.content import PracticeBody
from shared_schema.entry import LogEntry, Receipt
from shared_schema.envelope import Envelope, parse_envelope, sign_payload, verify_envelope
from shared_schema.errors import SchemaError
from shared_schema.governance import PolicyBody
from shared_schema.keys import PublicKey, SigningKey
from shared_schema.merkle import EMPTY_ROOT, completed_nodes, consistency_proof, inclusion_proof, range_hash
from shared_schema.problem import ProblemCode
from shared_schema.relay import RelayContent, RelayRequest, make_request
from shared_schema.release_rules import check_releasable
from shared_schema.rotation import KeyRotation, SignedRotation, sign_rotation
from shared_schema.sealed.hpke import PrivateKey
from shared_schema.service.problems import STATUS
from shared_schema.statement import Audience, Kind, VerifiedStatement, read_statement
from shared_schema.trend import TableDefinition
from shared_schema.vdaf.sum_vec import best_chunk_length

VECTORS: Mapping[str, Any] = json.loads(
    (Path(__file__).resolve().parents[1] / "vectors" / "published.json").read_text(encoding="utf-8")
)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NOW_TEXT = "2026-11-22T09:00:00Z"
CITY = "leipzig.sn.de"
HUB = "sachsen.de"
NATION = "bund.de"
DIGEST = "ab" * 32
CITY_KEY = SigningKey.from_seed(b"city" * 8)
OTHER_KEY = SigningKey.from_seed(b"else" * 8)
HUB_KEY = SigningKey.from_seed(b"hubs" * 8)
HUB_VERIFIER = NoteVerifier(HUB, HUB_KEY.public)

LEIPZIG = {"scheme": "LAU", "version": "2024", "code": "DE_14713000"}
REVIEW = {"role": "reviewer", "detector": "narrative 1", "findings": 0}
SAXONY = {"scheme": "NUTS", "version": "2024", "code": "DED"}
GERMANY = {"scheme": "ISO3166", "version": "2020", "code": "DE"}
RELAYED_REVIEW = {"role": "reviewer", "detector": "relayed", "findings": 0}
MONTH = {"start": "2026-10-01", "end": "2026-10-31", "granularity": "month", "basis": "recorded"}
GRID = ("verbal", "property", "assault")

TABLE = TableDefinition.from_object(
    {
        "id": "bias_incidents.by_offence",
        "version": 1,
        "measure": "bias_incidents",
        "title": "Bias incidents by offence",
        "unit": "record",
        "dimension": "offence",
        "cells": list(GRID),
        "source_kinds": ["police_recorded", "agency_return"],
        "granularities": ["month", "quarter"],
        "epsilon_milli": 1000,
    }
)
POLICY = PolicyBody.from_object(
    {
        "version": 1,
        "vocabulary_version": 1,
        "tables": [TABLE.to_object()],
        "epsilon_milli_per_measure": 2000,
        "epsilon_milli_total": 4000,
        "min_contributors": 3,
    }
)

SEALED_TABLE: dict[str, Any] = {
    "table": TABLE.id,
    "version": TABLE.version,
    "granularity": "month",
    "helper": "bund.de",
    "maximum": 100,
    "min_batch": 5,
    "open_days": 21,
}
"""How POLICY would have TABLE collected as a sealed total."""


def trend_body(**changes: object) -> dict[str, Any]:
    """A city's release of TABLE, at the largest epsilon that POLICY allows."""
    body = {
        "table": TABLE.reference.to_object(),
        "area": LEIPZIG,
        "period": MONTH,
        "source_kind": "police_recorded",
        "mechanism": mechanism(Fraction(1)),
        "privacy": {
            "unit": "record",
            "window": "period",
            "epsilon_milli": 1000,
            "composition": "parallel over periods, sum over tables",
        },
        "ledger": {"seq": 1, "head": DIGEST},
        "coverage": {"reporting": 3, "expected": 4},
        "review": REVIEW,
        "cells": [
            {"dims": {"offence": code}, "status": "A", "value": value}
            for code, value in zip(GRID, (17, -1, 0), strict=True)
        ],
    }
    return body | changes


def mechanism(scale: Fraction) -> dict[str, Any]:
    """Discrete Laplace noise of `scale` with the variance that belongs to it."""
    return {
        "name": "discrete-laplace",
        "scale": {"numerator": scale.numerator, "denominator": scale.denominator},
        "variance_milli": laplace.variance_milli(scale),
        "library": "opendp 0.14",
    }


def aggregate_body(**changes: object) -> dict[str, Any]:
    body = {
        "table": TABLE.reference.to_object(),
        "area": {"scheme": "NUTS", "version": "2024", "code": "DED"},
        "period": MONTH,
        "source_kind": "police_recorded",
        "complete": False,
        "revision": 1,
        "scale": {"numerator": 1, "denominator": 1},
        "coverage": {"reporting": 3, "expected": 3},
        "agencies": {"reporting": 9, "expected": 12},
        "cells": [
            aggregate_cell("verbal", contributors=3, estimate=41, variance_milli=5524, low=36, high=46),
            aggregate_cell("property", contributors=2, status="Q"),
            aggregate_cell("assault", contributors=0, status="L"),
        ],
    }
    return body | changes


def aggregate_cell(code: str, *, contributors: int, status: str = "A", **figures: int) -> dict[str, Any]:
    return {"dims": {"offence": code}, "status": status, "contributors": contributors, **figures}


def practice_body(**changes: object) -> dict[str, Any]:
    body = {
        "title": "Debate nights at the university",
        "summary": "Students and practitioners met once a month.",
        "phenomenon": ["RWE"],
        "prevention_level": "primary",
        "agencies": [{"type": "edu_ter", "role": "deliver"}],
        "outcome": "no_effect",
        "lessons": "We would ask the students first.",
        "area": LEIPZIG,
        "review": REVIEW,
    }
    return body | changes


def experience_body(**changes: object) -> dict[str, Any]:
    body = {
        "practice": DIGEST,
        "changes": "We met every week.",
        "outcome": "worked",
        "lessons": "Keep the group small.",
        "area": LEIPZIG,
        "review": REVIEW,
    }
    return body | changes


def question_body(**changes: object) -> dict[str, Any]:
    body = {
        "title": "Who works with fan projects?",
        "text": "We look for cities that do.",
        "phenomenon": ["RWE"],
        "review": REVIEW,
    }
    return body | changes


def membership_body(**changes: object) -> dict[str, Any]:
    body = {
        "member": CITY,
        "role": "node",
        "key": base64.b64encode(CITY_KEY.public.raw).decode(),
        "status": "active",
        "area": LEIPZIG,
    }
    return body | changes


def rotation(
    old: SigningKey = CITY_KEY, new: SigningKey = OTHER_KEY, *, name: str = CITY, **changes: object
) -> SignedRotation:
    """A member's word that `new` takes the place of `old`, signed with both."""
    fields = {"v": 1, "name": name, "made_at": NOW_TEXT, "nonce": "A" * 22}
    keys = {
        "old_key": base64.b64encode(old.public.raw).decode(),
        "new_key": base64.b64encode(new.public.raw).decode(),
    }
    return sign_rotation(KeyRotation.from_object(fields | keys | changes), old=old, new=new)


def enrolment_request(**changes: object) -> dict[str, Any]:
    request = {
        "v": 1,
        "name": CITY,
        "role": "node",
        "key": base64.b64encode(CITY_KEY.public.raw).decode(),
        "area": LEIPZIG,
        "code": "ABCD-2345-WXYZ-7QRS",
    }
    return request | changes


def relayed_practice(**changes: object) -> dict[str, Any]:
    """A practice as a hub publishes it in place of a city."""
    return practice_body(attribution="country", area=GERMANY, review=RELAYED_REVIEW) | changes


def hub_part(name: str, operator: str, **changes: object) -> dict[str, Any]:
    key = PrivateKey.from_seed(hashlib.sha256(name.encode()).digest())
    part = {
        "name": name,
        "operator": operator,
        "hpke_key": base64.b64encode(key.public).decode(),
        "noise_seed": hashlib.sha256(f"noise of {name}".encode()).hexdigest(),
    }
    return part | changes


def batch_plan(**changes: object) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "table": TABLE.reference.to_object(),
        "period": MONTH,
        "dimension": "offence",
        "cells": list(GRID),
        "maximum": 1_000,
        "min_batch": 5,
        "epsilon_milli": 500,
        "members": sorted(["bautzen.sn.de", "dresden.sn.de", CITY, "plauen.sn.de", "zwickau.sn.de", "torgau.sn.de"]),
        "log_size": 40,
        "opens": "2026-11-20T09:00:00Z",
        "closes": "2026-11-27T09:00:00Z",
    }
    plan |= changes
    with contextlib.suppress(SchemaError):  # a test may want more cells than there can be
        plan["chunk_length"] = best_chunk_length(len(plan["cells"]), plan["maximum"])
    return {"chunk_length": 1} | plan | changes


def batch_terms(plan: Mapping[str, object] | None = None, **changes: object) -> dict[str, Any]:
    terms = {
        "v": 1,
        "vdaf": "draft-irtf-cfrg-vdaf-20 Prio3SumVec, version 18",
        "plan": batch_plan() if plan is None else dict(plan),
        "leader": hub_part(HUB, "Freistaat Sachsen"),
        "helper": hub_part(NATION, "Bund"),
        "verify_key": hashlib.sha256(b"verify key").hexdigest(),
    }
    return terms | changes


COUNTERSIGNATURE = {"keyid": DIGEST, "sig": base64.b64encode(bytes(64)).decode()}
ATTENDANCE = {
    "accepted": sorted(f"{city:02x}" * 32 for city in range(4)),
    "refused": [{"origin": "plauen.sn.de", "reason": "range"}],
    "absent": ["zwickau.sn.de"],
}


def share_body(**changes: object) -> dict[str, Any]:
    body = {
        "batch": DIGEST,
        "table": TABLE.reference.to_object(),
        "period": MONTH,
        "source_kind": "police_recorded",
        "coverage": {"reporting": 3, "expected": 4},
        "review": REVIEW,
        "privacy": {
            "unit": "record",
            "window": "period",
            "epsilon_milli": 500,
            "composition": "parallel over periods, sum over tables",
        },
        "ledger": {"seq": 4, "head": DIGEST, "prev": DIGEST},
        "nonce": base64.b64encode(bytes(16)).decode(),
        "public_share": base64.b64encode(bytes(64)).decode(),
        "leader_half": base64.b64encode(bytes(800)).decode(),
        "helper_half": base64.b64encode(bytes(112)).decode(),
    }
    return body | changes


BODIES: dict[Kind, dict[str, Any]] = {
    Kind.TREND: trend_body(),
    Kind.AGGREGATE: aggregate_body(),
    Kind.PRACTICE: practice_body(),
    Kind.EXPERIENCE: experience_body(),
    Kind.BULLETIN: question_body(area=LEIPZIG, tension="2"),
    Kind.QUESTION: question_body(),
    Kind.ANSWER: {"question": DIGEST, "text": "Ask us.", "review": REVIEW},
    Kind.WITHDRAWAL: {"digest": DIGEST, "reason": "consent"},
    Kind.MEMBERSHIP: membership_body(),
    Kind.POLICY: POLICY.to_object(),
    Kind.RELAYED: {"attribution": "country", "practice": relayed_practice()},
    Kind.BATCH: {"terms": batch_terms(), "helper": COUNTERSIGNATURE},
    Kind.SHARE: share_body(),
    Kind.ROSTER: {
        "terms": {"v": 1, "batch": DIGEST, "attendance": ATTENDANCE, "leader_sum": DIGEST, "helper_sum": DIGEST},
        "helper": COUNTERSIGNATURE,
    },
    Kind.AGGREGATE_SHARE: {
        "batch": DIGEST,
        "roster": DIGEST,
        "role": "leader",
        "vector": base64.b64encode(bytes(48)).decode(),
    },
    Kind.VOID: {"terms": {"v": 1, "batch": DIGEST, "reason": "given-up"}, "helper": COUNTERSIGNATURE},
}


def audience_of(kind: Kind) -> Audience:
    """The usual one."""
    return Audience.HUB if kind in (Kind.TREND, Kind.SHARE) else Audience.EUROPE


def statement(
    kind: Kind = Kind.PRACTICE, body: Mapping[str, object] | None = None, **changes: object
) -> dict[str, Any]:
    """A statement as plain values, for tests that need to break it before it is signed."""
    value = {
        "v": 1,
        "kind": kind.value,
        "origin": CITY,
        "seq": 17,
        "issued_at": NOW_TEXT,
        "nonce": "AAAAAAAAAAAAAAAAAAAAAA",
        "audience": audience_of(kind).value,
        "body": dict(BODIES[kind] if body is None else body),
    }
    return value | changes


def relay_request(content: RelayContent | None = None, **changes: Any) -> RelayRequest:
    """What a city says to its hub in confidence."""
    fields: dict[str, Any] = {
        "hub": HUB,
        "origin": CITY,
        "issued_at": NOW,
        "nonce": "A" * 22,
        "audience": Audience.EUROPE,
    }
    return make_request(content or PracticeBody.from_object(practice_body(attribution="region")), **fields | changes)


def raw_json(value: object) -> bytes:
    """JSON in the canonical layout, without the checks: for what `canonical.encode` would rightly refuse."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(errors="surrogatepass")


def signed(payload: bytes, kind: Kind | str = Kind.PRACTICE, key: SigningKey = CITY_KEY) -> bytes:
    """An envelope whose signature holds, whatever the payload is."""
    return sign_payload(str(kind), payload, key).to_bytes()


def signed_statement(
    kind: Kind = Kind.PRACTICE,
    body: Mapping[str, object] | None = None,
    *,
    key: SigningKey = CITY_KEY,
    **changes: object,
) -> bytes:
    return signed(canonical.encode(statement(kind, body, **changes)), kind, key)


def receive(body: bytes, *, key: PublicKey = CITY_KEY.public, policy: PolicyBody = POLICY) -> VerifiedStatement:
    """The four gates of the contract in the order in which a hub passes them."""
    verified = read_statement(verify_envelope(parse_envelope(body), key))
    check_releasable(verified.statement, policy)
    return verified


def status_of(code: ProblemCode) -> int:
    """The HTTP status that belongs to a code."""
    return STATUS[code]


class Log:
    """An honest log in memory: entries with envelopes, every node of the tree, pages and receipts for any size."""

    def __init__(self, key: SigningKey = HUB_KEY, name: str = HUB) -> None:
        self.key, self.name = key, name
        self.items: list[tuple[LogEntry, Envelope]] = []
        self._nodes: dict[tuple[int, int], bytes] = {}

    def append(self, envelope: Envelope, *, kind: Kind | None = None, audience: Audience = Audience.EUROPE) -> None:
        entry = LogEntry(
            kind=kind or Kind(envelope.kind),
            digest=envelope.digest,
            audience=audience,
            time="2026-11-22T09:00:00Z",
        )
        for level, index, value in completed_nodes(len(self.items), [entry.leaf], self.read):
            self._nodes[level, index] = value
        self.items.append((entry, envelope))

    def read(self, level: int, index: int) -> bytes:
        return self._nodes[level, index]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = len(self.items) if size is None else size
        return Checkpoint(self.name, size, range_hash(0, size, self.read) if size else EMPTY_ROOT)

    def page(self, first: int, count: int, *, seen: int = 0, size: int | None = None) -> dict[str, Any]:
        """Entries first .. first + count as plain values; the reader knows a checkpoint of `seen`."""
        checkpoint = self.checkpoint(size)
        return {
            "v": 1,
            "hub": self.name,
            "first": first,
            "entries": [
                {"entry": entry.to_object(), "envelope": json.loads(envelope.to_bytes())}
                for entry, envelope in self.items[first : first + count]
            ],
            "checkpoint": checkpoint.sign(self.key),
            "proof": texts(consistency_proof(first + count, checkpoint.size, self.read)),
            "seen_proof": texts(consistency_proof(seen, checkpoint.size, self.read)),
        }

    def receipt(self, index: int, *, size: int | None = None) -> Receipt:
        checkpoint = self.checkpoint(size)
        return Receipt(
            index=index,
            entry=self.items[index][0],
            proof=tuple(texts(inclusion_proof(index, checkpoint.size, self.read))),
            checkpoint=checkpoint.sign(self.key),
        )


def texts(hashes: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(value).decode() for value in hashes]


def question_envelope(number: int) -> Envelope:
    """A small envelope that differs from every other number's."""
    return parse_envelope(signed_statement(Kind.QUESTION, question_body(text=f"Question {number}"), seq=number + 1))


def filled_log(size: int, *, key: SigningKey = HUB_KEY) -> Log:
    log = Log(key)
    for number in range(size):
        log.append(question_envelope(number))
    return log
