"""First sync and daily delta of a node, beside a plain download of the same bytes.

The node reads pages, verifies proofs and every origin's signature, and stores. The floor asks for the same pages with
the same signed requests and throws them away.
"""

import secrets
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from deploy.demo.federation import Program, free_ports
from regional_hub.app import Hub
from regional_hub.intake import check_submission, commit_submissions
from shared_schema.checkpoint import NoteVerifier
from shared_schema.feed import FeedState, parse_page, verify_page
from shared_schema.keys import SigningKey
from shared_schema.service.hub_api import HubApi
from tests.bench.bench_intake import City, make_hub
from tests.bench.figures import Figure, measured

FIRST = 70_000
DELTA = 10
ROUNDS = 5
GROUP = 250
CITIES = 20


def measure() -> Iterator[Figure]:
    """Seconds, requests and bytes of a first sync of 70,000 entries and of a delta of 10.

    Requests are those for pages of the feed; a round asks the hub one question more.
    """
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name:
        directory = Path(name)
        cities = [City(place) for place in range(CITIES)]
        port, node_port = free_ports(2)
        hub_data, node_data = directory / "hub", directory / "node"
        hub_data.mkdir()
        node_data.mkdir()
        reader = SigningKey.from_seed(secrets.token_bytes(32))
        own = City(CITIES, reader)
        hub = make_hub(hub_data, port, [*cities, own])
        _submit(hub, cities, FIRST)
        verifier = hub.verifier
        hub.close()
        server = Program("regional_hub", "bench.de", hub_data, port)
        node = Program("local_node", "reader.bench.de", node_data, node_port)
        try:
            server.start()
            server.wait_until_ready()
            yield from _measure(server, node, reader, verifier, cities)
        finally:
            node.stop()
            server.stop()


def _measure(
    server: Program, node: Program, reader: SigningKey, verifier: NoteVerifier, cities: list[City]
) -> Iterator[Figure]:
    node.command(
        "init", "--name", node.name, "--display-name", "Reader", "--lau", "14713000", "--port", str(node.port),
        "--coordinator", "anna", "--reviewer", "ben", "--agencies", "1",
    )  # fmt: skip
    node.start()
    node.wait_until_ready()
    code = server.ask("enrol.code", name=node.name)["code"]
    node.ask("hub.add", url=server.url, fingerprint=verifier.key.fingerprint)
    node.ask("hub.enrol", hub=verifier.name, code=code)
    server.ask("enrol.approve", name=node.name, fingerprint=node.ask("status")["fingerprint"])
    with HubApi(server.url, reader, lambda: datetime.now(UTC)) as api:
        state, pages = _walk(api, FeedState(verifier))  # which pages there are, verified once outside the clock
        download, size = _download(api, pages)
        begun = time.perf_counter()
        read = node.ask("sync")["pulled"]
        first = time.perf_counter() - begun
        yield measured("first_sync_seconds", first, sample_size=read)
        yield measured("first_sync_entries_per_second", read / first, sample_size=read)
        yield measured("first_sync_requests", len(pages), sample_size=read)
        yield measured("first_sync_bytes", size, sample_size=read)
        yield measured("plain_download_seconds", download, sample_size=read)
        yield measured("first_sync_per_plain_download", first / download, sample_size=read)
        yield from _measure_deltas(server, node, api, state, cities)


def _measure_deltas(
    server: Program, node: Program, api: HubApi, state: FeedState, cities: list[City]
) -> Iterator[Figure]:
    syncs, downloads, sizes, requests = [], [], [], []
    for _ in range(ROUNDS):
        for place in range(DELTA):
            api.submit(cities[place].sign_next())
        before = state
        state, pages = _walk(api, before)
        download, size = _download(api, pages)
        begun = time.perf_counter()
        node.ask("sync")
        syncs.append(time.perf_counter() - begun)
        downloads.append(download)
        sizes.append(size)
        requests.append(len(pages))
    sync, download = sorted(syncs)[ROUNDS // 2], sorted(downloads)[ROUNDS // 2]
    yield measured("daily_delta_seconds_median", sync, sample_size=ROUNDS)
    yield measured("daily_delta_requests", sum(requests) / ROUNDS, sample_size=ROUNDS)
    yield measured("daily_delta_bytes", sum(sizes) / ROUNDS, sample_size=ROUNDS)
    yield measured("daily_delta_plain_download_seconds_median", download, sample_size=ROUNDS)
    yield measured("daily_delta_per_plain_download", sync / download, sample_size=ROUNDS)


def _walk(api: HubApi, state: FeedState) -> tuple[FeedState, list[tuple[int, int]]]:
    """Read to the end; returns the state and the (from, seen) of every page."""
    pages = []
    while True:
        pages.append((state.next_index, state.seen_size))
        state, _ = verify_page(state, parse_page(api.feed(*pages[-1])))
        if state.next_index == state.seen_size:
            return state, pages


def _download(api: HubApi, pages: list[tuple[int, int]]) -> tuple[float, int]:
    begun = time.perf_counter()
    size = sum(len(api.feed(first, seen)) for first, seen in pages)
    return time.perf_counter() - begun, size


def _submit(hub: Hub, cities: list[City], count: int) -> None:
    for start in range(0, count, GROUP):
        size = min(GROUP, count - start)
        bodies = [cities[(start + place) % len(cities)].sign_next() for place in range(size)]
        checked = [check_submission(body, hub.trust, datetime.now(UTC)) for body in bodies]
        with hub.database.write() as session:
            commit_submissions(session, checked, name=hub.name, key=hub.key, now=datetime.now(UTC))
