"""What a third party can check: signatures, one city, one ledger, and that no more was spent than the policy allows."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from local_node import verbs
from local_node.app import Node
from local_node.spend_file import SpendFileError, check_releases, find_key, read_policy, read_releases
from shared_schema.envelope import parse_envelope
from shared_schema.keys import SigningKey
from shared_schema.period import parse_period
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from tests.hub_simulator import HubSimulator
from tests.local_node import test_spending
from tests.shared_schema import builders

city = test_spending.city
CANARY = 41_984
KEY = base64.b64encode(builders.CITY_KEY.public.raw).decode()
FINGERPRINT = builders.CITY_KEY.public.fingerprint
POLICY = builders.POLICY.to_bytes()


def signed(seq: int = 1, label: str = "2026-10", key: SigningKey = builders.CITY_KEY, **changes: Any) -> bytes:
    """A signed release; its cells carry a figure that no message may repeat."""
    origin = changes.pop("origin", builders.CITY)
    body = builders.trend_body(period=parse_period(label).to_object(), ledger={"seq": seq, "head": f"{seq:064x}"})
    body["cells"][0]["value"] = CANARY
    return builders.signed_statement(Kind.TREND, body | changes, key=key, seq=seq, origin=origin)


def lines(*envelopes: bytes, key: str | None = KEY) -> bytes:
    head = [] if key is None else [json.dumps({"key": key}).encode()]
    return b"\n".join([*head, *envelopes]) + b"\n"


def findings(*envelopes: bytes) -> tuple[str, ...]:
    return check_releases(read_releases(lines(*envelopes), KEY), read_policy(POLICY)).findings


# --- what cannot be read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"\xff\xfe",
        b"[1]",
        b'"text"',
        b"[" * 100_000,
        b'{"payload":"x"}',
        lines(signed()[:-2]),
        signed().replace(b'"payloadType":"', b'"payloadType":"\\ud800'),
        b"[" + signed().replace(b'"payloadType":"', b'"payloadType":"\\ud800') + b"]",
        b'{"key":"\\udfff"}\n' + signed(),
        lines(signed(key=builders.OTHER_KEY)),
        lines(builders.signed_statement()),
        lines(signed(1), signed(2, "2026-09", origin="dresden.sn.de")),
    ],
)
def test_a_file_that_proves_nothing_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(SpendFileError) as caught:
        read_releases(data, KEY)
    assert "\n" not in caught.value.message and str(CANARY) not in caught.value.message


def test_a_changed_figure_breaks_the_signature() -> None:
    value = json.loads(signed())
    payload = base64.b64decode(value["payload"]).replace(str(CANARY).encode(), str(CANARY + 1).encode())
    value["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(SpendFileError):
        read_releases(lines(json.dumps(value).encode()), KEY)


@pytest.mark.parametrize("key", ["", "zzz", "00" * 20, base64.b64encode(bytes(32)).decode()])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(SpendFileError):
        find_key(key, [KEY])


def test_a_fingerprint_needs_the_key_in_the_file_and_must_be_its_own() -> None:
    with pytest.raises(SpendFileError):
        read_releases(lines(signed(), key=None), FINGERPRINT)
    with pytest.raises(SpendFileError):
        read_releases(lines(signed()), builders.OTHER_KEY.public.fingerprint)
    assert len(read_releases(lines(signed()), FINGERPRINT).bodies) == 1


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"\\ud800":1}', b'{"payload":"e30=","payloadType":"x","signatures":[]}']
)
def test_a_policy_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(SpendFileError):
        read_policy(data)


def test_a_policy_is_read_as_the_hub_prints_it() -> None:
    printed = json.dumps(builders.POLICY.to_object(), indent=1).encode()
    assert read_policy(printed) == builders.POLICY


# --- what does not hold --------------------------------------------------------------------------------------------


def test_an_overspend_is_found_and_named_without_a_figure() -> None:
    found = findings(signed(1, "2026-05"), signed(2, "2026-Q2"))
    assert len(found) == 1 and found[0].startswith("entry 2, bias_incidents.by_offence 2026-Q2")
    assert str(CANARY) not in " ".join(found)


def test_a_release_that_spends_more_than_it_says_is_found() -> None:
    cheap = builders.trend_body()["privacy"] | {"epsilon_milli": 100}
    assert any("scale" in finding for finding in findings(signed(privacy=cheap)))


def test_two_entries_in_one_place_are_found() -> None:
    head = {"seq": 1, "head": "ab" * 32}
    assert any("two" in finding for finding in findings(signed(1), signed(2, "2026-09", ledger=head)))


def test_a_table_that_the_policy_does_not_have_is_found_once() -> None:
    table = builders.TABLE.reference.to_object() | {"version": 2}
    assert len(findings(signed(table=table))) == 1


def test_honest_releases_have_no_findings_and_count_once_however_they_are_written() -> None:
    one, two = signed(1), signed(3, "2026-09")
    releases = read_releases(b"[" + b",".join([one, two, one]) + b"]", KEY)
    policy = builders.signed_statement(
        Kind.POLICY, builders.POLICY.to_object(), key=builders.HUB_KEY, origin=builders.HUB
    )
    audit = check_releases(releases, read_policy(policy))
    assert (audit.findings, audit.releases, audit.unseen, audit.total_milli) == ((), 2, 1, 1000)


# --- the command ---------------------------------------------------------------------------------------------------


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The real command in a process of its own, in a directory without a node."""
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "local_node", "verify-spend", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )


def given(folder: Path, envelopes: Sequence[bytes]) -> list[str]:
    (folder / "releases.jsonl").write_bytes(lines(*envelopes))
    (folder / "policy.json").write_bytes(POLICY)
    return ["releases.jsonl", "--policy", "policy.json", "--key", FINGERPRINT]


@pytest.mark.long
def test_a_third_party_needs_no_node_and_learns_by_the_exit_code(tmp_path: Path) -> None:
    well = run(*given(tmp_path, [signed()]), "--json", cwd=tmp_path)
    assert (well.returncode, json.loads(well.stdout)["ok"], well.stderr) == (0, True, "")
    over = run(*given(tmp_path, [signed(1, "2026-05"), signed(2, "2026-Q2")]), cwd=tmp_path)
    assert over.returncode == 1 and "entry 2" in over.stdout and str(CANARY) not in over.stdout
    broken = run(*given(tmp_path, [b"{"]), cwd=tmp_path)
    assert broken.returncode == 2 and broken.stderr.count("\n") == 1 and "Traceback" not in broken.stderr
    half = run("releases.jsonl", cwd=tmp_path)
    assert half.returncode == 2 and half.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.json", "releases.jsonl"]


# --- a node's own --------------------------------------------------------------------------------------------------


def test_a_node_exports_what_a_third_party_can_check(city: Node, hub: HubSimulator, tmp_path: Path) -> None:
    test_spending.release(city, "2026-01", "2026-02")
    target = tmp_path / "releases.jsonl"
    written = verbs.run(city, "outbox.export", {"file": str(target)})
    assert written["releases"] == 2
    (policy,) = [envelope for envelope in hub.envelopes.values() if envelope.kind == Kind.POLICY.value]
    releases = read_releases(target.read_bytes(), written["fingerprint"])
    audit = check_releases(releases, read_policy(policy.stored_bytes))
    assert (audit.findings, audit.releases, audit.spent_milli) == ((), 2, {"bias_incidents": 1000})
    assert verbs.run(city, "spend.verify", {})["ok"]
    with pytest.raises(VerbError):
        verbs.run(city, "outbox.export", {"file": str(target)})
    assert parse_envelope(target.read_bytes().splitlines()[1]).kind == Kind.TREND.value


def test_a_release_that_the_ledger_does_not_hold_is_found(city: Node) -> None:
    test_spending.release(city, "2026-01")
    with city.database.write() as session:
        session.connection().exec_driver_sql("DROP TRIGGER ledger_no_delete")
        session.connection().exec_driver_sql("DELETE FROM ledger")
    result = verbs.run(city, "spend.verify", {})
    assert (result["ok"], result["findings"]) == (False, ["entry 1: expected it in the ledger"])
