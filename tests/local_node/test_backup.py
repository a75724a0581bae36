"""A backup of a node: whole or not there, checked without being changed, and never put over another."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_node import backup, verbs
from local_node.app import Node
from local_node.key_ring import KeyRing
from local_node.settings import load_settings
from shared_schema.service.backup import DATABASE, MANIFEST, Archive, list_backups, read_archive
from shared_schema.service.control import VerbError
from shared_schema.service.key_file import load_key
from tests.hub_simulator import HubSimulator, MovableClock
from tests.local_node.test_rounds import approve_practice


def make(node: Node, target: Path, **params: Any) -> Archive:
    made = verbs.run(node, "backup", {"target": str(target), **params})
    return read_archive(Path(made["backup"]), "local-node")


def test_a_backup_is_whole_secret_and_true(member: Node, tmp_path: Path) -> None:
    (member.data_dir / "unit.key").write_text("00" * 32)
    archive = make(member, tmp_path / "backups")
    assert sorted(archive.files) == [DATABASE, "node.toml", "signing.key", "unit.key"]
    assert {path.stat().st_mode & 0o777 for path in archive.folder.iterdir()} == {0o600}
    assert backup.check_archive(archive) == []
    assert sorted(path.name for path in archive.folder.iterdir()) == sorted([*archive.files, MANIFEST])


def test_keys_stay_out_when_they_are_not_wanted_and_old_backups_go(
    member: Node, clock: MovableClock, tmp_path: Path
) -> None:
    folders = []
    for _ in range(3):
        clock.advance(hours=1)
        folders.append(make(member, tmp_path / "backups", keep=2, keys=False).folder)
    assert [archive.folder for archive in list_backups(tmp_path / "backups", "local-node", member.name)] == folders[1:]
    assert not (folders[-1] / "signing.key").exists()


def test_a_key_that_waits_for_the_hubs_is_in_the_backup_too(member: Node, tmp_path: Path) -> None:
    member.ring.make_next()
    archive = make(member, tmp_path / "backups")
    assert {"signing.key", "signing.next.key"} <= set(archive.files)
    backup.restore(archive, tmp_path / "again")
    assert KeyRing(tmp_path / "again", member.key).find_next() is not None
    assert backup.check_archive(archive) == []


def test_a_changed_backup_is_found(member: Node, tmp_path: Path) -> None:
    archive = make(member, tmp_path / "backups")
    (archive.folder / "node.toml").unlink()
    assert backup.check_archive(archive) == ["node.toml: expected this file"]
    with pytest.raises(VerbError, match="regional-hub"):
        read_archive(archive.folder, "regional-hub")


def test_a_restored_node_uses_no_number_twice(
    member: Node, hub: HubSimulator, clock: MovableClock, tmp_path: Path
) -> None:
    archive = make(member, tmp_path / "backups")
    approve_practice(member)
    assert member.rounds.run().pushed == 1
    with pytest.raises(VerbError, match="empty"):
        backup.restore(archive, member.data_dir)
    backup.restore(archive, tmp_path / "again")
    again = Node(tmp_path / "again", load_settings(tmp_path / "again"), load_key(tmp_path / "again"), clock, hub)
    approve_practice(again)
    assert again.rounds.run().signed == 0  # the very same words are out already, and count as signed
    ask = {"kind": "question", "file": write_question(tmp_path), "by": "anna"}
    shown = verbs.run(again, "release.words", ask)
    accept = {str(finding["number"]): "no person is meant" for finding in shown["findings"]}
    verbs.run(again, "release.approve", {"request": shown["request"], "by": "ben", "accept": accept})
    assert again.rounds.run().pushed == 1
    assert [seq for seq in hub_seqs(hub) if seq] == [1, 2]
    again.close()


def write_question(folder: Path) -> str:
    file = folder / "question.json"
    draft = {"title": "Workshops", "text": "Who has tried a bicycle workshop?", "phenomenon": ["RWE"]}
    file.write_text(json.dumps(draft))
    return str(file)


def hub_seqs(hub: HubSimulator) -> list[int]:
    from shared_schema.canonical import parse_strict

    return [
        parse_strict(envelope.payload)["seq"]
        for envelope in hub.envelopes.values()
        if parse_strict(envelope.payload)["origin"] == "leipzig.sn.de"
    ]
