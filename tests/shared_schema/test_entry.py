"""The leaf of the log: small, canonical, without content, and exactly one for each statement."""

import hashlib
from typing import Any

import pytest

from shared_schema.entry import LogEntry, Receipt, digest_of
from shared_schema.envelope import parse_envelope
from shared_schema.errors import SchemaError
from shared_schema.statement import Kind
from tests.shared_schema.builders import DIGEST, NOW_TEXT, filled_log, signed_statement

ENTRY = {"v": 1, "kind": "practice", "digest": DIGEST, "audience": "europe", "time": NOW_TEXT}


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"kind": "Gossip"},
        {"kind": "gossip-that-is-far-too-long"},
        {"digest": "AB" * 32},
        {"digest": "ab" * 31},
        {"digest": "ab" * 32 + "\n"},
        {"audience": "all"},
        {"time": "yesterday"},
        {"time": "2026-13-01T00:00:00Z"},
        {"title": "x"},
        {"origin": "leipzig.sn.de"},
    ],
)
def test_an_entry_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        LogEntry.from_object(ENTRY | change)


def test_an_entry_of_a_later_release_keeps_its_leaf_and_its_kind_as_a_text() -> None:
    entry = LogEntry.from_object(ENTRY | {"kind": "gossip"})
    assert entry.kind == "gossip" and not isinstance(entry.kind, Kind)
    assert b'"kind":"gossip"' in entry.to_bytes()
    assert LogEntry.from_object(ENTRY).kind is Kind.PRACTICE


def test_the_leaf_is_the_hash_of_the_canonical_entry() -> None:
    entry = LogEntry.from_object(ENTRY)
    canonical = (
        b'{"audience":"europe","digest":"%b","kind":"practice","time":"2026-11-22T09:00:00Z","v":1}' % DIGEST.encode()
    )
    assert entry.to_bytes() == canonical
    assert entry.leaf == hashlib.sha256(b"\x00" + canonical).digest()


@pytest.mark.parametrize(
    "change",
    [{"kind": "question"}, {"digest": "cd" * 32}, {"audience": "nation"}, {"time": "2026-11-22T09:00:01Z"}],
)
def test_every_field_changes_the_leaf(change: dict[str, Any]) -> None:
    assert LogEntry.from_object(ENTRY | change).leaf != LogEntry.from_object(ENTRY).leaf


def test_the_digest_is_that_of_the_stored_bytes() -> None:
    body = signed_statement()
    assert digest_of(body) == parse_envelope(body).digest == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    "change",
    [{"index": -1}, {"index": True}, {"proof": ["AAAA"]}, {"proof": "x"}, {"entry": {}}, {"more": 1}, {"v": 2}],
)
def test_a_receipt_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Receipt.from_object(filled_log(3).receipt(1).to_object() | change)
