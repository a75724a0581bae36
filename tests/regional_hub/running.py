"""A hub that runs in this process: the real application with its lifespan, reached over httpx without a socket.

All hubs share one event loop in a thread of its own, so that tests, verbs and hubs that follow each other are plain
synchronous callers, as they are in production.

    with EventLoop() as loop, RunningHub.start(loop, tmp_path, url) as hub:
        city = hub.enrol("leipzig.sn.de")
        receipt = hub.post(city.practice())
"""

import asyncio
import atexit
import base64
import json
import secrets
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from fastapi import FastAPI
from sqlalchemy.engine import URL, make_url

from regional_hub import verbs
from regional_hub.app import MIGRATIONS, Hub
from regional_hub.member_keys import Hand
from regional_hub.members import membership_of
from regional_hub.orm import MemberRow
from regional_hub.serving import create_app
from regional_hub.settings import HubSettings
from shared_schema.envelope import parse_envelope, sign_payload
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest, Level, PolicyBody
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.relay import REQUEST_TYPE, RelayContent
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi
from shared_schema.service.problems import MEDIA_TYPE, STATUS
from shared_schema.service.signed_reads import sign_request
from shared_schema.statement import Kind
from tests.shared_schema import builders

Result = TypeVar("Result")
MAX_PROBLEM_BYTES = 2 * 1024
ANSWER_SECONDS = 60
CANARY = "kanarienvogel"
"""A word that tests hide in what they send; no answer may repeat it."""
SAXONY = Area(scheme="NUTS", version="2024", code="DED")
LEIPZIG = Area(scheme="LAU", version="2024", code="DE_14713000")


class Clock:
    """The time as a test wants it."""

    def __init__(self, now: datetime = builders.NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **parts: float) -> None:
        self.now += timedelta(**parts)


class EventLoop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of `work`, awaited on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(ANSWER_SECONDS)


@contextmanager
def lifespan(loop: EventLoop, app: FastAPI) -> Iterator[None]:
    """Run the application's lifespan, from one task as a server does."""
    ready, over = threading.Event(), asyncio.Event()
    failed: list[BaseException] = []

    async def live() -> None:
        try:
            async with app.router.lifespan_context(app):
                ready.set()
                await over.wait()
        except BaseException as error:
            failed.append(error)
            raise
        finally:
            ready.set()

    async def begin() -> "asyncio.Task[None]":
        return asyncio.create_task(live())

    async def end(task: "asyncio.Task[None]") -> None:
        over.set()
        await task

    task = loop.run(begin())
    assert ready.wait(ANSWER_SECONDS)
    if failed:
        raise failed[0]
    try:
        yield
    finally:
        loop.run(end(task))


class Network(httpx.BaseTransport):
    """Leads requests to the applications of this process by scheme, host and port; nothing else exists."""

    def __init__(self, loop: EventLoop) -> None:
        self._loop = loop
        self.apps: dict[str, FastAPI] = {}
        self.answers: dict[str, bytes] = {}
        """Bodies that a test gives in place of what the application of that address would answer to a feed read."""
        self.others: dict[str, httpx.BaseTransport] = {}
        """Programs that are no applications, such as simulated hubs, by their addresses."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        address = f"{request.url.scheme}://{request.url.netloc.decode()}"
        if address in self.answers and request.url.path == "/v1/feed":
            return httpx.Response(200, stream=httpx.ByteStream(self.answers[address]))
        if address in self.others:
            return self.others[address].handle_request(request)
        if address not in self.apps:
            raise httpx.ConnectError("nobody is there", request=request)
        return self._loop.run(self._ask(self.apps[address], request, request.read()))

    async def _ask(self, app: FastAPI, request: httpx.Request, body: bytes) -> httpx.Response:
        inner = httpx.Request(request.method, request.url, headers=request.headers.raw, content=body)
        async with httpx.ASGITransport(app) as transport:
            response = await transport.handle_async_request(inner)
            content = await response.aread()
        return httpx.Response(response.status_code, headers=response.headers.raw, stream=httpx.ByteStream(content))


@dataclass
class City:
    """A member of a hub: its key, and the seq of its last statement."""

    name: str
    key: SigningKey
    hub: "RunningHub"
    seq: int = 0

    def sign(self, kind: Kind = Kind.PRACTICE, body: Mapping[str, object] | None = None, **changes: object) -> bytes:
        """The next statement, signed; `changes` go into the statement."""
        seq = changes.pop("seq", None)
        if seq is None:
            self.seq += 1
            seq = self.seq
        return builders.signed_statement(kind, body, key=self.key, origin=self.name, seq=seq, **changes)

    def trend(self, *values: int, period: Mapping[str, str] = builders.MONTH, **changes: object) -> bytes:
        cells = [
            {"dims": {"offence": code}, "status": "A", "value": value}
            for code, value in zip(builders.GRID, values or (17, -1, 0), strict=True)
        ]
        return self.sign(Kind.TREND, builders.trend_body(**{"cells": cells, "period": period} | changes))

    def withdrawal(self, envelope: bytes, to: str | None = None) -> bytes:
        """The withdrawal of what is in an envelope; with `to` from those beyond it alone."""
        body = {"digest": parse_envelope(envelope).digest, "reason": "consent"} | ({"to": to} if to else {})
        return self.sign(Kind.WITHDRAWAL, body)

    def confide(self, content: RelayContent | None = None, **changes: Any) -> bytes:
        """A signed relay request: the builders' practice, unless another content is given."""
        fields = {"origin": self.name, "hub": self.hub.hub.name, "nonce": secrets.token_urlsafe(18)}
        payload = builders.relay_request(content, **fields | changes).to_bytes()
        return sign_payload(REQUEST_TYPE, payload, self.key).to_bytes()

    def standing(self) -> dict[str, Any]:
        """What the hub knows of this member in confidence."""
        response = self.read("/v1/relay")
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def read(self, target: str, *, now: datetime | None = None, hub: "RunningHub | None" = None) -> httpx.Response:
        """A signed GET of `target` at the home hub, or at another hub."""
        where = hub or self.hub
        headers = sign_request("GET", where.url + target, self.key, now or where.clock())
        return where.client.get(target, headers=headers)

    def feed(self, first: int = 0, seen: int = 0) -> dict[str, Any]:
        response = self.read(f"/v1/feed?from={first}&seen={seen}")
        assert response.status_code == 200, response.text
        page: dict[str, Any] = response.json()
        return page

    def api(self) -> HubApi:
        return HubApi(self.hub.url, self.key, self.hub.clock, self.hub.network)


@dataclass
class RunningHub:
    """One hub with its application; `close` and `start` again on the same directory is a restart."""

    hub: Hub
    app: FastAPI
    network: Network
    clock: Clock
    client: httpx.Client
    loop: EventLoop
    cities: list[City] = field(default_factory=list)

    @classmethod
    @contextmanager
    def start(
        cls,
        network: Network,
        loop: EventLoop,
        data_dir: Path,
        database_url: str | None = None,
        *,
        name: str = "sachsen.de",
        level: Level = "region",
        port: int = 8700,
        clock: Clock | None = None,
        policy: PolicyBody | None = builders.POLICY,
        seed: bytes | None = None,
        cable: httpx.BaseTransport | None = None,
        static_dir: Path | None = None,
        area: Area = SAXONY,
        more: Mapping[str, Any] | None = None,
    ) -> Iterator["RunningHub"]:
        """`more` are further settings."""
        data_dir.mkdir(exist_ok=True)
        copy_schema(make_url(database_url or f"sqlite:///{data_dir / 'hub.db'}"))
        clock = clock or Clock()
        settings = HubSettings(
            name=name,
            level=level,
            area_scheme=area.scheme,
            area_version=area.version,
            area_code=area.code,
            public_url=f"http://127.0.0.1:{port}",
            port=port,
            database_url=database_url,
            work_interval_seconds=0,
            static_dir=None if static_dir is None else str(static_dir),
            **more or {},
        )
        key = key_of(name) if seed is None else SigningKey.from_seed(seed)
        hub = Hub(data_dir, settings, key, clock, cable or network)
        try:
            if policy is not None and verbs.show_status(hub, {})["log_size"] == 0:
                verbs.publish_policy(hub, policy)
            app = create_app(hub, lambda verb, params: verbs.run(hub, verb, params))
            network.apps[settings.public_url] = app
            with lifespan(loop, app), httpx.Client(transport=network, base_url=settings.public_url) as client:
                yield cls(hub, app, network, clock, client, loop)
            del network.apps[settings.public_url]
        finally:
            hub.close()

    @property
    def url(self) -> str:
        return self.hub.settings.public_url

    def verb(self, verb: str, /, **params: object) -> dict[str, Any]:
        return verbs.run(self.hub, verb, params)

    def post(self, body: bytes, path: str = "/v1/submissions", **headers: str) -> httpx.Response:
        return self.client.post(path, content=body, headers={"Content-Type": "application/json"} | headers)

    def accept(self, body: bytes) -> dict[str, Any]:
        """Hand in what must be taken as new; return the receipt."""
        response = self.post(body)
        assert response.status_code == 201, response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    def accept_many(self, bodies: Sequence[bytes]) -> list[dict[str, Any]]:
        """Hand in many that must be taken as new; return the receipts."""
        response = self.post(b'{"submissions":[' + b",".join(bodies) + b"]}", "/v1/submissions/batch")
        results = response.json()["results"]
        assert [result["status"] for result in results] == [201] * len(bodies), results
        return [result["receipt"] for result in results]

    def enrol(self, name: str, **changes: object) -> City:
        """Admit a city by the whole ceremony: code, signed request, typed fingerprint."""
        city = City(name, key_of(name), self)
        code = self.verb("enrol.code", name=name)["code"]
        response = self.post(enrolment(name, city.key, code, **changes), "/v1/enrolments")
        assert response.status_code == 202, response.text
        self.verb("enrol.approve", name=name, fingerprint=city.key.public.fingerprint)
        self.cities.append(city)
        return city

    def rotate(self, city: City, new: SigningKey) -> httpx.Response:
        """A city asks for a new key, and uses it from then on when the hub has agreed."""
        signed = builders.rotation(city.key, new, name=city.name)
        response = self.post(signed.to_bytes(), "/v1/rotations")
        if response.status_code == 201:
            city.key = new
        return response

    def replace(self, city: City, new: SigningKey) -> None:
        """The whole ceremony for a key that was lost or stolen."""
        code = self.verb("members.replace-key", name=city.name)["code"]
        response = self.post(enrolment(city.name, new, code), "/v1/enrolments")
        assert response.status_code == 202, response.text
        self.verb("enrol.approve", name=city.name, fingerprint=new.public.fingerprint)
        city.key = new

    def say_of(self, name: str, **changes: object) -> None:
        """Publish a membership that no verb makes: what the hub says of a member now, with `changes`."""
        with self.hub.database.write() as session:
            body = membership_of(session.get_one(MemberRow, name)).model_copy(update=changes)
            Hand(self.hub.name, self.hub.key, self.clock()).publish(session, body)
        self.hub.reload_trust()

    @contextmanager
    def another_process(self) -> Iterator[Hub]:
        """A second process of the same hub, on the same database."""
        seed = SigningKey.from_seed(self.hub.key.seed)
        other = Hub(self.hub.data_dir, self.hub.settings, seed, self.clock, self.network)
        try:
            yield other
        finally:
            other.close()

    def log_size(self) -> int:
        size: int = self.verb("status")["log_size"]
        return size


def adopt(database: Path) -> None:
    """Let a copied file pass for the database that the hub has always had, so that its log is not held."""
    connection = sqlite3.connect(database)
    connection.execute("UPDATE log_head SET place = NULL, held = NULL")
    connection.commit()
    connection.close()


def copy_schema(url: URL) -> None:
    """Put a migrated, empty database in the place of a SQLite file that is not there: migrating takes ten times longer.

    `test_migrations.py` and every test on PostgreSQL start without this.
    """
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        shutil.copy(migrated_file(), url.database)


@cache
def migrated_file() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    database = Database(f"sqlite:///{folder / 'schema.db'}")
    database.migrate(MIGRATIONS)
    database.close()
    return folder / "schema.db"


def key_of(name: str) -> SigningKey:
    """The key of a name: always the same one."""
    return SigningKey.from_seed(name.encode().ljust(32, b".")[:32])


def enrolment(name: str, key: SigningKey, code: str, **changes: object) -> bytes:
    """A signed enrolment request."""
    fields = {
        "name": name,
        "role": MemberRole.NODE,
        "key": base64.b64encode(key.public.raw).decode(),
        "area": LEIPZIG,
        "code": code,
    }
    request = EnrolmentRequest(**fields | changes)  # type: ignore[arg-type]
    return sign_payload(ENROLMENT_KIND, request.to_bytes(), key).to_bytes()


class RollBackError(Exception):
    """Ends a transaction whose changes nobody wants."""


def join(child: RunningHub, parent: RunningHub) -> None:
    """Make `child` a member of `parent`, by both operators' steps."""
    code = parent.verb("enrol.code", name=child.hub.name)["code"]
    fingerprint = parent.hub.key.public.fingerprint
    child.verb("parent.add", url=parent.url, fingerprint=fingerprint, code=code)
    parent.verb("enrol.approve", name=child.hub.name, fingerprint=child.hub.key.public.fingerprint)


def check_problem(response: httpx.Response, code: ProblemCode, status: int | None = None) -> dict[str, Any]:
    """Check that a response is the problem document of `code`, small and without a word of what was sent."""
    assert response.headers["content-type"] == MEDIA_TYPE, response.text
    assert len(response.content) <= MAX_PROBLEM_BYTES
    assert CANARY not in response.text and "Traceback" not in response.text
    document: dict[str, Any] = json.loads(response.content)
    status = STATUS[code] if status is None else status
    assert (document["code"], document["status"], response.status_code) == (code.value, status, status), document
    assert document["type"].endswith(f"/{code.value}") and document["detail"]
    return document


def utc_now() -> datetime:
    return datetime.now(UTC)
