"""The hub's public log: proofs for receipts, tiles to the letter, and a reader that trusts only the checkpoint."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from regional_hub import log_files
from regional_hub.orm import EntryRow
from shared_schema.checkpoint import verify_checkpoint
from shared_schema.entry import Receipt
from shared_schema.envelope import parse_envelope
from shared_schema.merkle import HASH_BYTES, TILE_WIDTH, leaf_hash, verify_consistency, verify_inclusion
from shared_schema.problem import ProblemCode
from shared_schema.tiles import FileMissingError, LogFile, LogFileError, VerifiedLog, files_of, verify_files
from shared_schema.tlog_proof import parse_tlog_proof, verify_tlog_proof
from tests.regional_hub.running import City, EventLoop, Network, RunningHub

SIZES = (1, 255, 256, 257, 258, 259, 300)


def fetch_from(hub: RunningHub) -> Any:
    """The files of a hub over its own addresses."""

    def fetch(path: str) -> bytes:
        response = hub.client.get("/" + path)
        if response.status_code == 404:
            raise FileMissingError(path)
        assert response.status_code == 200
        return response.content

    return fetch


def open_log(hub: RunningHub) -> VerifiedLog:
    fetch = fetch_from(hub)
    return VerifiedLog(fetch, verify_checkpoint(fetch("checkpoint").decode(), hub.hub.verifier))


def grow_to(hub: RunningHub, city: City, size: int) -> None:
    missing = size - hub.log_size()
    if missing:
        hub.accept_many([city.sign() for _ in range(missing)])


@pytest.fixture(scope="module")
def grown(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningHub, dict[int, bytes]]]:
    """A hub whose log has had each of `SIZES`, with the checkpoint of each size."""
    notes = {}
    with RunningHub.start(Network(loop), loop, tmp_path_factory.mktemp("grown")) as hub:
        notes[hub.log_size()] = hub.client.get("/checkpoint").content
        city = hub.enrol("leipzig.sn.de")
        for size in SIZES[1:]:
            grow_to(hub, city, size)
            notes[size] = hub.client.get("/checkpoint").content
        yield hub, notes


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_of_every_size_is_proved_from_the_files_of_the_hub(
    grown: tuple[RunningHub, dict[int, bytes]], size: int
) -> None:
    hub, notes = grown
    checkpoint = verify_checkpoint(notes[size].decode(), hub.hub.verifier)
    assert checkpoint.size == size
    log = VerifiedLog(fetch_from(hub), checkpoint)
    for index in range(size):
        leaf = leaf_hash(log.entry(index))
        verify_inclusion(leaf, index, size, log.inclusion_proof(index), checkpoint.root)
    for old in notes:
        if old <= size:
            earlier = verify_checkpoint(notes[old].decode(), hub.hub.verifier)
            verify_consistency(old, earlier.root, size, checkpoint.root, log.consistency_proof(old))
    assert verify_files(fetch_from(hub), checkpoint).entries == size


def test_every_entry_has_a_proof_that_stands_alone(grown: tuple[RunningHub, dict[int, bytes]]) -> None:
    hub, _ = grown
    log = open_log(hub)
    with hub.hub.database.read() as session:
        found = [
            (row.receipt_size, log_files.find_proof(session, row.digest) or "")
            for row in session.scalars(select(EntryRow).order_by(EntryRow.index))
        ]
    assert len(found) == 300
    for index, (receipt_size, text) in enumerate(found):
        proof = parse_tlog_proof(text.encode())
        assert proof.index == index
        assert verify_tlog_proof(proof, log.entry(index), hub.hub.verifier).size == receipt_size


def test_a_receipts_proof_is_the_receipt_and_the_same_for_ever(hub: RunningHub, city: City) -> None:
    body = city.sign()
    receipt = Receipt.from_object(hub.accept(body))
    address = f"/receipt/{parse_envelope(body).digest}.tlog-proof"
    first = hub.client.get(address)
    assert first.headers["content-type"] == "text/plain; charset=utf-8"
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    proof = parse_tlog_proof(first.content)
    assert proof.checkpoint == receipt.checkpoint and proof.index == receipt.index and proof.extra == b""
    assert proof.hashes == tuple(base64.b64decode(text) for text in receipt.proof)
    verify_tlog_proof(proof, receipt.entry.to_bytes(), hub.hub.verifier)
    hub.accept_many([city.sign() for _ in range(20)])
    hub.accept(city.withdrawal(body))
    assert hub.client.get(address).content == first.content


def test_a_proof_holds_no_content(hub: RunningHub, city: City) -> None:
    body = city.sign()
    hub.accept(body)
    text = hub.client.get(f"/receipt/{parse_envelope(body).digest}.tlog-proof").text
    assert city.name not in text and "title" not in text


@pytest.mark.long
def test_every_width_within_the_tree_is_the_beginning_of_the_tile(grown: tuple[RunningHub, dict[int, bytes]]) -> None:
    hub, _ = grown
    for level, number, length in ((0, 0, 256), (0, 1, 44), (None, 0, 256), (None, 1, 44)):
        whole = hub.client.get("/" + LogFile(level, number, length).path).content
        for width in range(1, TILE_WIDTH):
            response = hub.client.get("/" + LogFile(level, number, width).path)
            if width > length:
                assert response.status_code == 404 and response.headers["cache-control"] == "no-store"
                assert response.json()["code"] == ProblemCode.NOT_FOUND
                continue
            assert response.status_code == 200 and whole.startswith(response.content)
            assert response.headers["content-type"] == "application/octet-stream"
            assert level is None or len(response.content) == width * HASH_BYTES


def test_no_file_beyond_the_tree_is_served(grown: tuple[RunningHub, dict[int, bytes]]) -> None:
    hub, _ = grown
    for file in (
        LogFile(0, 1),
        LogFile(0, 2, 1),
        LogFile(None, 1),
        LogFile(None, 2, 1),
        LogFile(1, 0),
        LogFile(1, 0, 2),
    ):
        assert hub.client.get("/" + file.path).status_code == 404
    for level in range(2, 64):
        assert hub.client.get("/" + LogFile(level, 0, 1).path).status_code == 404


def test_the_reader_refuses_one_flipped_bit_in_any_file_of_the_hub(
    grown: tuple[RunningHub, dict[int, bytes]],
) -> None:
    hub, notes = grown
    honest = fetch_from(hub)
    for size, note in notes.items():
        checkpoint = verify_checkpoint(note.decode(), hub.hub.verifier)
        for file in files_of(size):

            def lie(path: str, wrong: str = file.path) -> bytes:
                data = honest(path)
                return bytes([data[0], data[1] ^ 2, *data[2:]]) if path == wrong else data

            with pytest.raises(LogFileError, match=file.path):
                verify_files(lie, checkpoint)
