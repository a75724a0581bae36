"""kill -9 of a hub while cities push, and two hub processes on one database.

What was acknowledged is there after the restart, a retry gets the same bytes, and the log verifies.
"""

import base64
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy.engine import make_url

from deploy.demo.federation import Program, free_ports
from shared_schema.checkpoint import NoteVerifier
from shared_schema.entry import Receipt
from shared_schema.envelope import parse_envelope, sign_payload
from shared_schema.feed import FeedState, parse_page, verify_page, verify_receipt
from shared_schema.governance import ENROLMENT_KIND, EnrolmentRequest
from shared_schema.keys import MemberRole, SigningKey
from shared_schema.period import Area
from shared_schema.service.hub_api import HubApi
from shared_schema.service.signed_reads import sign_request
from shared_schema.statement import Kind
from tests import postgres
from tests.regional_hub.running import utc_now
from tests.shared_schema import builders

NAME = "sachsen.de"
SENDERS = 4
ACKNOWLEDGED_AT_MOST = 60
"""Before the kill: few enough for a quick test, enough that many a commit is under way."""
SECONDS = 60


@dataclass
class Sender:
    """A city that pushes one statement after the other, and remembers every receipt it was given."""

    name: str
    key: SigningKey
    seq: int = 0
    waiting: bytes | None = None
    receipts: dict[bytes, bytes] = field(default_factory=dict)

    def next_statement(self) -> bytes:
        """The one without an answer, or a new one."""
        if self.waiting is None:
            self.seq += 1
            self.waiting = builders.signed_statement(
                Kind.QUESTION,
                builders.question_body(text=f"Question {self.seq} of {self.name}"),
                key=self.key,
                origin=self.name,
                seq=self.seq,
            )
        return self.waiting

    def push(self, client: httpx.Client, hub: Program) -> int:
        """Push until it is acknowledged once. Raises httpx.HTTPError when the hub is gone."""
        body = self.next_statement()
        response = post(client, hub, body)
        assert response.status_code in (200, 201), response.text
        self.receipts[body] = response.content
        self.waiting = None
        return response.status_code


def post(client: httpx.Client, hub: Program, body: bytes) -> httpx.Response:
    return client.post(f"{hub.url}/v1/submissions", content=body, headers={"Content-Type": "application/json"})


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """An empty PostgreSQL database; the hub's own SQLite lies in its data directory."""
    with postgres.fresh_database(make_url(postgres_url)) as address:
        yield address.render_as_string(hide_password=False)


@pytest.fixture(
    params=[
        pytest.param("sqlite", marks=pytest.mark.long),
        pytest.param("postgres", marks=pytest.mark.postgres),
    ]
)
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    """A hub that is a process of its own, on either database."""
    on_postgres = request.param == "postgres"
    options = ["--database-url", request.getfixturevalue("postgres_database")] if on_postgres else []
    with served(make_hub(tmp_path / "hub", *options)) as program:
        yield program


@contextmanager
def served(program: Program) -> Iterator[Program]:
    """Serve a hub until the end of the block, whatever happens to it in between."""
    try:
        program.start()
        program.wait_until_ready()
        yield program
    finally:
        program.stop()


def make_hub(data: Path, *options: str) -> Program:
    data.mkdir()
    program = Program("regional_hub", NAME, data, free_ports(1)[0])
    program.command(
        "init", "--name", NAME, "--level", "region", "--area", "NUTS:2024:DED", "--public-url", program.url,
        "--port", str(program.port), "--work-interval", "0", *options,
    )  # fmt: skip
    return program


def make_twin(hub: Program, data: Path) -> Program:
    """A second process of the same hub: its name, key and database, a port and a directory of its own."""
    shutil.copytree(hub.data, data)
    twin = Program("regional_hub", NAME, data, free_ports(1)[0])
    settings = data / "hub.toml"
    settings.write_text(settings.read_text().replace(f"port = {hub.port}\n", f"port = {twin.port}\n"))
    return twin


def enrol(hub: Program, number: int) -> Sender:
    sender = Sender(f"city-{number}.sn.de", SigningKey.from_seed(bytes([number]) * 32))
    code = hub.ask("enrol.code", name=sender.name)["code"]
    request = EnrolmentRequest(
        name=sender.name,
        role=MemberRole.NODE,
        key=base64.b64encode(sender.key.public.raw).decode(),
        area=Area(scheme="LAU", version="2024", code="DE_14713000"),
        code=code,
    )
    with api(hub, sender) as client:
        client.request_enrolment(sign_payload(ENROLMENT_KIND, request.to_bytes(), sender.key).to_bytes())
    hub.ask("enrol.approve", name=sender.name, fingerprint=sender.key.public.fingerprint)
    return sender


def api(hub: Program, sender: Sender) -> HubApi:
    return HubApi(hub.url, sender.key, utc_now)


def push_until_killed(hub: Program, senders: Sequence[Sender], chance: random.Random) -> None:
    """All push side by side; after some answers the process is killed, in the middle of whatever it does."""
    left = threading.Semaphore(0)

    def work(sender: Sender) -> None:
        with httpx.Client(trust_env=False, timeout=SECONDS) as client:
            while True:
                try:
                    sender.push(client, hub)
                except httpx.HTTPError:
                    return
                left.release()

    threads = [threading.Thread(target=work, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for _ in range(chance.randrange(1, ACKNOWLEDGED_AT_MOST)):
        assert left.acquire(timeout=SECONDS)
    assert hub.process is not None
    hub.process.kill()
    hub.process.wait()
    for thread in threads:
        thread.join()


def check_nothing_is_lost(hub: Program, senders: Sequence[Sender], *, public: Program | None = None) -> None:
    """Everything acknowledged is in the log once, its retry gets the same bytes, and the log verifies.

    Signed reads go to `public`, the process behind the public address.
    """
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        for sender in senders:
            for body, receipt in sender.receipts.items():
                response = post(client, hub, body)
                assert (response.status_code, response.content) == (200, receipt)
            with api(public or hub, sender) as asking:
                verifier = state_of(asking).verifier
                assert sender.seq - asking.highest_seq() in (0, 1)  # at most the one without an answer is missing
            for body, receipt in sender.receipts.items():
                verify_receipt(Receipt.from_bytes(receipt), parse_envelope(body).digest, verifier)
    report = hub.ask("verify")
    assert report["ok"], report["findings"]


def state_of(asking: HubApi) -> FeedState:
    return FeedState(NoteVerifier.from_vkey(asking.identity().vkey))


def read_log(hub: Program, sender: Sender) -> list[str]:
    """The digests of the whole log, read and verified as a member does."""
    found: list[str] = []
    with api(hub, sender) as asking:
        state = state_of(asking)
        while True:
            state, items = verify_page(state, parse_page(asking.feed(state.next_index, state.seen_size)))
            found += [item.entry.digest for item in items]
            if state.next_index == state.seen_size:
                return found


def crash_often(hub: Program, times: int, seed: str) -> None:
    chance = random.Random(seed)
    senders = [enrol(hub, number) for number in range(SENDERS)]
    for _ in range(times):
        push_until_killed(hub, senders, chance)
        hub.start()
        hub.wait_until_ready()
        check_nothing_is_lost(hub, senders)
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        for sender in senders:
            sender.push(client, hub)
    pushed = sum(len(sender.receipts) for sender in senders)
    log = read_log(hub, senders[0])
    assert len(log) == len(set(log)) == 1 + SENDERS + pushed  # the policy, the memberships, and each statement once


def test_63_a_hub_that_is_killed_while_cities_push_loses_nothing(hub: Program) -> None:
    crash_often(hub, 5, "short")


@pytest.mark.long
def test_63_a_hub_that_is_killed_25_times_loses_nothing(hub: Program) -> None:
    crash_often(hub, 25, "long")


def push_to_both(hubs: Sequence[Program], sender: Sender, count: int, statuses: list[list[int]]) -> None:
    """Push every statement to both processes at once."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(trust_env=False, timeout=SECONDS)) for _ in hubs]
        pool = stack.enter_context(ThreadPoolExecutor(len(hubs)))
        for _ in range(count):
            body = sender.next_statement()
            jobs = [pool.submit(post, client, hub, body) for client, hub in zip(clients, hubs, strict=True)]
            answers = [job.result(SECONDS) for job in jobs]
            assert answers[0].content == answers[1].content
            statuses.append([answer.status_code for answer in answers])
            sender.receipts[body], sender.waiting = answers[0].content, None


@pytest.mark.long
@pytest.mark.postgres
def test_two_hub_processes_on_one_database_keep_one_log(postgres_database: str, tmp_path: Path) -> None:
    first = make_hub(tmp_path / "first", "--database-url", postgres_database)
    second = make_twin(first, tmp_path / "second")
    with served(first), served(second), httpx.Client(trust_env=False, timeout=SECONDS) as client:
        senders = [enrol(first, number) for number in range(SENDERS)]  # the second has not been told of them
        statuses: list[list[int]] = []
        threads = [
            threading.Thread(target=push_to_both, args=((first, second), sender, 40, statuses)) for sender in senders
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(statuses) == SENDERS * 40 and all(sorted(pair) == [200, 201] for pair in statuses)
        log = read_log(first, senders[0])
        assert len(set(log)) == len(log) == 1 + SENDERS + len(statuses)
        for hub in (first, second):
            check_nothing_is_lost(hub, senders, public=first)
        second.ask("members.set", name=senders[0].name, status="revoked")
        assert post(client, first, senders[0].next_statement()).status_code == 401  # nobody has told the first


@pytest.mark.long
@pytest.mark.postgres
def test_a_feed_that_is_read_from_two_processes_in_turn_is_one_feed(postgres_database: str, tmp_path: Path) -> None:
    first = make_hub(tmp_path / "first", "--database-url", postgres_database)
    second = make_twin(first, tmp_path / "second")
    with served(first), served(second), httpx.Client(trust_env=False, timeout=SECONDS) as client:
        sender = enrol(first, 0)
        # A signed read is bound to the public address, which both stand behind; a load balancer would choose.
        with api(first, sender) as asking:
            state = state_of(asking)
        for number in range(10):
            sender.push(client, (first, second)[number % 2])
            headers = sign_request(
                "GET", f"{first.url}/v1/feed?from={state.next_index}&seen={state.seen_size}", sender.key, utc_now()
            )
            page = client.get(
                f"{(second, first)[number % 2].url}/v1/feed?from={state.next_index}&seen={state.seen_size}",
                headers=headers,
            )
            state, _ = verify_page(state, parse_page(page.content))
        assert state.next_index == 2 + 10
