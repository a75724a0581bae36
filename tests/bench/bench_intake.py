"""Durable signed submissions a second on one core, beside what the two floors allow together.

Floors, in the same run, on the same core, with the same bodies: a bare FastAPI endpoint that answers 201, and a loop
that verifies and inserts without HTTP, committing as many at once as there are clients. A request that must do both
can at best take the sum of their times; the bar is 65 % of that rate. Every submission is committed with an fsync
before its 201, and every one counts only if it was answered 201.
"""

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import insert

from regional_hub import members
from regional_hub.app import Hub
from regional_hub.intake import check_submission
from regional_hub.orm import ContentRow, EntryRow
from regional_hub.publication import publish
from regional_hub.settings import load_settings, write_settings
from regional_hub.verbs import publish_policy
from shared_schema.envelope import sign_payload
from shared_schema.governance import EnrolmentRequest, PolicyBody
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.period import Area
from shared_schema.service.key_file import load_key, write_key
from shared_schema.statement import Audience, Kind
from tests.bench.figures import Figure, at_least, measured
from tests.bench.load import LoadResult, pin, post, run_load

CLIENTS = (1, 32, 128)
BATCH = 50
SUBMISSIONS = {1: 300, 32: 2_048, 128: 2_560}
BATCHED = {1: 1_000, 32: 3_200, 128: 6_400}
ROUNDS = 5
BAR = 0.65
SERVER_CORE, CLIENT_CORE = 0, 1
START_SECONDS = 30
ROOT = Path(__file__).parent.parent.parent
PRACTICE = {
    "title": "Evening talks in youth centres",
    "summary": "Youth workers and teachers met young people for open evening talks. " * 5,
    "phenomenon": ["RWE", "POL"],
    "prevention_level": "primary",
    "agencies": [{"type": "youth", "role": "deliver"}, {"type": "edu_sec", "role": "refer"}],
    "outcome": "mixed",
    "evidence_level": "2",
    "lessons": "Begin earlier in the school year, and let young people choose the subjects. " * 6,
    "language": "en",
    "attribution": "city",
    "area": {"scheme": "LAU", "version": "2019", "code": "14713000"},
    "review": {"role": "reviewer", "detector": "narrative/1", "findings": 0},
}


class City:
    """A member with its key; makes signed practices with rising seq."""

    def __init__(self, place: int, key: SigningKey | None = None) -> None:
        self.name = f"city{place}.bench.de"
        self.key = key or SigningKey.from_seed(secrets.token_bytes(32))
        self._seq = 0

    def sign_next(self) -> bytes:
        self._seq += 1
        statement = {
            "audience": "europe",
            "body": PRACTICE,
            "issued_at": "2026-01-01T00:00:00Z",
            "kind": "practice",
            "nonce": secrets.token_urlsafe(18),
            "origin": self.name,
            "seq": self._seq,
            "v": 1,
        }
        payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
        return sign_payload("practice", payload, self.key).to_bytes()


def measure() -> Iterator[Figure]:
    """Figures for 1, 32 and 128 clients, one statement and 50 statements a request."""
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name:
        directory = Path(name)
        cities = [City(place) for place in range(max(CLIENTS))]
        port = _free_port()
        hub = make_hub(directory, port, cities)
        for batch in (1, BATCH):
            for clients in CLIENTS:
                yield from _measure_one(directory, hub, port, cities[:clients], batch)
        hub.close()


def _measure_one(directory: Path, hub: Hub, port: int, cities: Sequence[City], batch: int) -> Iterator[Figure]:
    """Both floors and the hub, one after the other, `ROUNDS` times; medians, so that a busy moment hits all alike."""
    label = f"{len(cities)}_clients" + ("" if batch == 1 else f"_batch_{batch}")
    rounds = [_measure_round(directory, hub, port, cities, batch) for _ in range(ROUNDS)]
    sample = sum(each.submissions for each in rounds)
    yield measured(f"submissions_per_second_{label}", median(each.rate for each in rounds), sample_size=sample)
    yield measured(f"p99_ms_{label}", 1000 * median(each.p99 for each in rounds), sample_size=sample // batch)
    bare, loop = median(each.bare for each in rounds), median(each.loop for each in rounds)
    yield measured(f"floor_bare_endpoint_per_second_{label}", bare, sample_size=sample)
    yield measured(f"floor_verify_and_insert_per_second_{label}", loop, sample_size=sample)
    share = median(each.rate * (1 / each.bare + 1 / each.loop) for each in rounds)
    yield at_least(f"share_of_floors_{label}", share, bar=BAR, sample_size=sample)


@dataclass(frozen=True)
class _Round:
    """Rates in submissions a second; `p99` in seconds a request."""

    submissions: int
    bare: float
    loop: float
    rate: float
    p99: float


def _measure_round(directory: Path, hub: Hub, port: int, cities: Sequence[City], batch: int) -> _Round:
    count = (SUBMISSIONS if batch == 1 else BATCHED)[len(cities)]
    turns = max(1, count // (batch * len(cities)))
    envelopes = [[[city.sign_next() for _ in range(batch)] for _ in range(turns)] for city in cities]
    bodies = [[_body(group) for group in groups] for groups in envelopes]
    flat = [envelope for groups in envelopes for group in groups for envelope in group]
    bare = _load_server([sys.executable, "-m", "tests.bench.bare_endpoint", str(port)], port, "/v1/submissions", bodies)
    loop = _verify_and_insert(hub, flat, len(cities) * batch)
    serve = [sys.executable, "-m", "regional_hub", "serve", "--data", str(directory)]
    path = "/v1/submissions" if batch == 1 else "/v1/submissions/batch"
    real = _load_server(serve, port, path, bodies)
    if real.statuses != {201 if batch == 1 else 200: turns * len(cities)}:
        raise RuntimeError(f"expected every request to be answered with success, got {real.statuses}")
    return _Round(len(flat), bare.rate * batch, loop, len(flat) / real.seconds, real.percentile(0.99))


def _body(group: Sequence[bytes]) -> bytes:
    return group[0] if len(group) == 1 else b'{"submissions":[' + b",".join(group) + b"]}"


def _load_server(command: list[str], port: int, path: str, bodies: Sequence[Sequence[bytes]]) -> LoadResult:
    """Start a server on one core, load it from the other, end it."""
    requests = [[post(f"http://127.0.0.1:{port}{path}", body) for body in groups] for groups in bodies]
    before = os.sched_getaffinity(0)
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: pin(SERVER_CORE),
    )
    try:
        _wait(port, server)
        pin(CLIENT_CORE)
        return run_load(("127.0.0.1", port), requests)
    finally:
        os.sched_setaffinity(0, before)
        server.terminate()
        server.wait()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("expected the server to listen")


def _verify_and_insert(hub: Hub, bodies: Sequence[bytes], group: int) -> float:
    """Submissions a second of a loop that verifies and inserts, `group` in one commit; the rows are removed again."""
    before = os.sched_getaffinity(0)
    pin(SERVER_CORE)
    first = 10**9
    begun = time.perf_counter()
    for start in range(0, len(bodies), group):
        checked = [check_submission(body, hub.trust, datetime.now(UTC)) for body in bodies[start : start + group]]
        rows = [
            {
                "index": first + start + place, "digest": item.verified.digest, "kind": "practice",
                "audience": "europe", "time": "2026-01-01T00:00:00Z", "origin": item.verified.statement.origin,
                "seq": item.verified.statement.seq, "receipt_size": 1,
                "row_check": 0,
            }
            for place, item in enumerate(checked)
        ]  # fmt: skip
        contents = [
            {"digest": item.verified.digest, "envelope": item.verified.envelope.stored_bytes} for item in checked
        ]
        with hub.database.write() as session:
            session.execute(insert(EntryRow), rows)
            session.execute(insert(ContentRow), contents)
    seconds = time.perf_counter() - begun
    os.sched_setaffinity(0, before)
    with hub.database.write() as session:
        session.query(ContentRow).filter(
            ContentRow.digest.in_(session.query(EntryRow.digest).filter(EntryRow.index >= first))
        ).delete(synchronize_session=False)
        session.query(EntryRow).filter(EntryRow.index >= first).delete(synchronize_session=False)
    return len(bodies) / seconds


def make_hub(directory: Path, port: int, cities: Sequence[City]) -> Hub:
    write_settings(
        directory,
        {
            "name": "bench.de", "level": "region", "area_scheme": "NUTS", "area_version": "2024", "area_code": "DED",
            "public_url": f"http://127.0.0.1:{port}", "port": port, "work_interval_seconds": 0,
        },
    )  # fmt: skip
    write_key(directory, SigningKey.from_seed(secrets.token_bytes(32)))
    hub = Hub(directory, load_settings(directory), load_key(directory))
    policy = json.loads((ROOT / "regional_hub" / "starter_policy.json").read_text(encoding="utf-8"))
    publish_policy(hub, PolicyBody.from_object(policy))
    now = datetime.now(UTC)
    with hub.database.write() as session:
        for city in cities:
            request = EnrolmentRequest(
                name=city.name,
                role=MemberRole.NODE,
                key=b64encode(city.key.public.raw).decode(),
                area=Area(scheme="LAU", version="2019", code="14713000"),
                code="AAAA-AAAA-AAAA-AAAA",
            )
            body = members.admit(session, request, actor="operator", now=now)
            publish(session, Kind.MEMBERSHIP, body, Audience.EUROPE, name=hub.name, key=hub.key, now=now)
    hub.reload_trust()
    return hub


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
