"""A file of signed releases, checked by somebody who trusts nobody: signatures first, then what they add up to.

Needs no node and no network. One DSSE envelope a line, or a JSON list of them; a first line {"key": "<base64>"} may
bring the public key along, so that a person only has to compare its fingerprint. Where a city has rotated its key, more
lines {"key": {…}} carry the rotations, each signed with the old key and the new one.

    releases = read_releases(data, "a1b2 c3d4 …")
    check_releases(releases, read_policy(policy_bytes)).findings        () when all is well
"""

import base64
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from local_node.errors import NodeError
from shared_schema.canonical import JsonObject, parse_strict
from shared_schema.envelope import Envelope, envelope_from_object, parse_envelope, verify_envelope
from shared_schema.errors import ContractError, ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.keys import PublicKey, same_fingerprint
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import check_trend
from shared_schema.rotation import read_rotation, rotation_from_object, trace_back
from shared_schema.sealed.bodies import ShareBody
from shared_schema.spending import SpendAudit, audit_spending
from shared_schema.statement import read_statement
from shared_schema.trend import TrendBody

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""A city's releases of a hundred years."""
KEY: Final = "key"


class SpendFileError(NodeError):
    """The file, the policy or the key cannot be read, or a signature does not hold."""

    code = "unreadable"


@dataclass(frozen=True, slots=True)
class SignedReleases:
    """Releases of one origin whose signatures hold. Only `read_releases` and `verify_releases` make one."""

    origin: str | None
    bodies: tuple[TrendBody | ShareBody, ...]


def read_releases(data: bytes, key: str) -> SignedReleases:
    """Read and verify a file. `key` is a public key in base64, or the fingerprint of the one in the file.

    Raises SpendFileError naming the place of what is wrong.
    """
    values = _values(data)
    carried = [value[KEY] for value in values if set(value) == {KEY}]
    keys = _all_keys(key, carried)
    envelopes = []
    for number, value in enumerate(values, 1):
        if set(value) == {KEY}:
            continue
        try:
            envelopes.append(envelope_from_object(value))
        except ContractError as error:
            raise SpendFileError(f"release {number}: {error.message}") from None
    return verify_releases(envelopes, keys)


def _all_keys(key: str, carried: Sequence[Any]) -> list[PublicKey]:
    """The key that the reader knows, and the ones before it: the file shows how each has handed over to the next.

    Raises SpendFileError.
    """
    rotations = [text for text in carried if isinstance(text, dict)]
    public = find_key(key, [text for text in carried if not isinstance(text, dict)])
    try:
        names = {read_rotation(rotation_from_object(value)).name for value in rotations}
        earlier = [old for name in names for old in trace_back(rotations, name=name, key=public)]
    except ContractError as error:
        raise SpendFileError(f"rotation: {error.message}") from None
    return [*earlier, public]


def verify_releases(envelopes: Iterable[Envelope], keys: Sequence[PublicKey]) -> SignedReleases:
    """Verify every signature with one of a city's keys; the same release twice counts once. Raises SpendFileError."""
    by_keyid = {key.keyid: key for key in keys}
    bodies: dict[str, TrendBody | ShareBody] = {}
    origins: set[str] = set()
    for number, envelope in enumerate(envelopes, 1):
        try:
            verified = read_statement(verify_envelope(envelope, by_keyid.get(envelope.keyid, keys[-1])))
        except ContractError as error:
            raise SpendFileError(f"release {number}: {error.message}") from None
        body = verified.statement.body
        if not isinstance(body, TrendBody | ShareBody):
            raise SpendFileError(f"release {number}: expected figures of a city")
        origins.add(verified.statement.origin)
        bodies[verified.digest] = body
    if len(origins) > 1:
        raise SpendFileError(f"expected releases of one city, got {len(origins)}")
    return SignedReleases(next(iter(origins), None), tuple(bodies.values()))


def _values(data: bytes) -> list[JsonObject]:
    """The objects of a file, each read as strictly as a hub would read it."""
    wrong = SpendFileError("expected a JSON list of envelopes, or one envelope on every line")
    try:
        text = data.decode()
        if text.lstrip().startswith("["):
            parts = [json.dumps(value).encode() for value in json.loads(text)]
        else:
            parts = [line.encode() for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise wrong from None
    try:
        return [parse_strict(part) for part in parts]
    except ContractError:
        raise wrong from None


def find_key(key: str, carried: Sequence[Any] = ()) -> PublicKey:
    """The public key that `key` is, or whose fingerprint it is among those that a file carries.

    Raises SpendFileError.
    """
    for text in (key, *carried):
        public = _parse_key(text)
        if public is not None and (text == key or same_fingerprint(key, public)):
            return public
    raise SpendFileError("expected a public key in base64, or the fingerprint of the key in the file")


def _parse_key(text: Any) -> PublicKey | None:
    try:
        return PublicKey(base64.b64decode(str(text), validate=True))
    except (ValueError, ContractError):
        return None


def read_policy(data: bytes) -> PolicyBody:
    """A policy from its JSON, as `regional-hub policy show` prints it, or from the envelope of a hub.

    Raises SpendFileError.

    Whoever checks has got the policy from somebody: its signature proves nothing without the hub's key, so compare
    the policy's fingerprint instead.
    """
    data = data.strip()
    try:
        try:
            envelope = parse_envelope(data)
        except ContractError:
            return PolicyBody.from_object(parse_strict(data))
        return PolicyBody.from_object(parse_strict(envelope.payload)["body"])
    except ContractError as error:
        raise SpendFileError(f"policy: {error.message}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SpendFileError("policy: expected a policy in JSON, or a hub's envelope with one") from None


def check_releases(
    releases: SignedReleases, policy: PolicyBody, uncounted: Collection[str] = frozenset()
) -> SpendAudit:
    """What the releases have spent, whether each costs what it says, and whether together they may.

    `uncounted` are the batches that have ended without the city's sealed share, as the hubs' log says: for one of
    these it may have sent again.
    """
    audit = audit_spending(releases.bodies, policy, uncounted=uncounted)
    findings: list[str] = []
    figures = [body for body in releases.bodies if isinstance(body, TrendBody)]
    for body in sorted(figures, key=lambda each: each.ledger.seq):
        try:
            check_trend(body, policy)
        except ReleaseRuleError as error:
            if error.code is not ProblemCode.UNKNOWN_TABLE:  # that one is among the audit's own
                findings.append(f"entry {body.ledger.seq}, {body.table.id} {body.period.label}: {error.message}")
    return replace(audit, findings=(*findings, *audit.findings))
