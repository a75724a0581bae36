"""A backup of a hub, on both databases: whole or not there, checked and not changed, never put over another."""

import base64
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

from regional_hub import backup, recovery
from regional_hub import sealed_store as store
from regional_hub.app import open_hub
from regional_hub.cli import cli
from regional_hub.orm import EntryRow
from regional_hub.sealed_arrivals import take_share
from regional_hub.sealed_rows import Step
from regional_hub.sealed_shares import read_shares
from regional_hub.settings import write_settings
from shared_schema.errors import BatchError
from shared_schema.sealed import leader as leader_steps
from shared_schema.sealed.hub import secrets_of, voided
from shared_schema.sealed.states import BatchState
from shared_schema.service.backup import DATABASE, MANIFEST, Archive, list_backups, read_archive
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from shared_schema.service.key_file import write_key
from tests import postgres
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, key_of
from tests.regional_hub.sealed_hubs import KeptWorld
from tests.regional_hub.sealed_runs import find_secrets
from tests.shared_schema.sealed_world import NOW


@pytest.fixture
def filled(hub: RunningHub) -> RunningHub:
    """A hub with its files and three statements."""
    values: dict[str, str | int] = {
        "name": hub.hub.name, "level": "region", "area_scheme": "NUTS", "area_version": "2024", "area_code": "DED",
        "public_url": hub.url, "port": 8700,
    }  # fmt: skip
    if hub.hub.settings.database_url and not hub.hub.settings.database_url.startswith("sqlite"):
        values["database_url"] = hub.hub.settings.database_url
    write_settings(hub.hub.data_dir, values)
    write_key(hub.hub.data_dir, hub.hub.key)
    city = hub.enrol("leipzig.sn.de")
    kept, taken_back = city.sign(), city.sign()
    for body in (kept, taken_back, city.withdrawal(taken_back)):
        hub.accept(body)
    return hub


def make(hub: RunningHub, target: Path, **params: Any) -> Archive:
    return read_archive(Path(hub.verb("backup", target=str(target), **params)["backup"]), "regional-hub")


def test_a_backup_is_whole_secret_and_true(filled: RunningHub, tmp_path: Path) -> None:
    archive = make(filled, tmp_path / "backups")
    assert sorted(archive.files) == ["cosigner.key", DATABASE, "hub.toml", "signing.key"]
    assert {path.stat().st_mode & 0o777 for path in archive.folder.iterdir()} == {0o600}
    assert archive.folder.stat().st_mode & 0o777 == 0o700
    assert archive.facts["log_size"] == filled.log_size()
    assert backup.check_archive(archive) == []
    assert sorted(path.name for path in archive.folder.iterdir()) == sorted([*archive.files, MANIFEST])
    without = make_later(filled, tmp_path / "backups", keys=False)
    assert sorted(without.files) == [DATABASE, "hub.toml"] and backup.check_archive(without) == []


def test_a_key_that_is_announced_is_in_the_backup_or_named_as_what_was_left_out(
    filled: RunningHub, tmp_path: Path
) -> None:
    filled.verb("keys.announce")
    archive = make(filled, tmp_path / "backups")
    keys = ["cosigner.key", "signing.key", "signing.next.key"]
    assert sorted(archive.files) == sorted([*keys, DATABASE, "hub.toml"])
    assert backup.check_archive(archive) == []
    without = make_later(filled, tmp_path / "backups", keys=False)
    assert (sorted(without.files), list(without.left_out)) == ([DATABASE, "hub.toml"], keys)
    assert without.next_step("serve") == f"copy the key files there, with mode 600: {', '.join(keys)}; then: serve"
    assert archive.next_step("serve") == "serve"
    backup.restore(archive, tmp_path / "again", "sqlite", filled.clock())
    open_hub(tmp_path / "again").close()


def test_a_backup_without_a_key_that_its_log_names_is_not_made_and_is_found(filled: RunningHub, tmp_path: Path) -> None:
    filled.verb("keys.announce")
    archive = make(filled, tmp_path / "backups")
    (archive.folder / "signing.next.key").unlink()
    manifest = json.loads((archive.folder / MANIFEST).read_text())
    del manifest["files"]["signing.next.key"]
    (archive.folder / MANIFEST).write_text(json.dumps(manifest))
    assert backup.check_archive(read_archive(archive.folder, "regional-hub")) == [
        "signing.next.key: expected the other key that signs this log"
    ]
    (filled.hub.data_dir / "signing.next.key").rename(tmp_path / "elsewhere")
    with pytest.raises(VerbError, match="make the backup again"):
        make_later(filled, tmp_path / "more")
    assert list((tmp_path / "more").iterdir()) == []


def make_later(hub: RunningHub, target: Path, **params: Any) -> Archive:
    hub.clock.advance(hours=1)
    return make(hub, target, **params)


def test_only_the_newest_backups_are_kept(filled: RunningHub, tmp_path: Path) -> None:
    (tmp_path / "backups" / "somebody-elses").mkdir(parents=True)
    made = [make_later(filled, tmp_path / "backups", keep=2).folder for _ in range(4)]
    assert [archive.folder for archive in list_backups(tmp_path / "backups", "regional-hub", "sachsen.de")] == made[-2:]
    assert (tmp_path / "backups" / "somebody-elses").exists()


def test_a_clock_that_was_wrong_never_costs_the_backup_that_was_just_made(filled: RunningHub, tmp_path: Path) -> None:
    filled.clock.advance(days=400)
    ahead = make(filled, tmp_path / "backups").folder
    filled.clock.advance(days=-400)
    made = [make_later(filled, tmp_path / "backups", keep=keep).folder for keep in (2, 1)]
    assert made[1].exists() and not made[0].exists() and not ahead.exists()


def test_what_was_changed_in_a_backup_is_found_and_the_backup_stays_as_it_is(
    filled: RunningHub, tmp_path: Path
) -> None:
    archive = make(filled, tmp_path / "backups")
    good = (archive.folder / DATABASE).read_bytes()
    (archive.folder / DATABASE).write_bytes(good[:5000] + bytes([good[5000] ^ 1]) + good[5001:])
    assert backup.check_archive(archive) == [f"{DATABASE}: expected the SHA-256 that the manifest names"]
    (archive.folder / DATABASE).write_bytes(good)
    (archive.folder / "more").write_text("")
    assert backup.check_archive(archive) == ["more: expected no file that the manifest does not name"]
    (archive.folder / "more").unlink()
    assert backup.check_archive(archive) == []
    assert (archive.folder / DATABASE).read_bytes() == good


def test_a_backup_whose_manifest_was_made_to_fit_is_found_by_the_log_itself(filled: RunningHub, tmp_path: Path) -> None:
    archive = make(filled, tmp_path / "backups")
    connection = sqlite3.connect(archive.folder / DATABASE)
    connection.execute("UPDATE entries SET time = '2020-01-01T00:00:00Z' WHERE \"index\" = 2")
    connection.commit()
    connection.close()
    manifest = json.loads((archive.folder / MANIFEST).read_text())
    manifest["files"][DATABASE] = backup_hash(archive)
    (archive.folder / MANIFEST).write_text(json.dumps(manifest))
    assert any("root" in finding for finding in backup.check_archive(read_archive(archive.folder, "regional-hub")))


def spoil(archive: Archive, data: bytes) -> Archive:
    """Another database in the archive, and a manifest that fits it."""
    (archive.folder / DATABASE).write_bytes(data)
    manifest = json.loads((archive.folder / MANIFEST).read_text())
    manifest["files"][DATABASE] = backup_hash(archive)
    (archive.folder / MANIFEST).write_text(json.dumps(manifest))
    return read_archive(archive.folder, "regional-hub")


def test_whatever_is_wrong_with_a_database_in_a_backup_is_said_in_words(filled: RunningHub, tmp_path: Path) -> None:
    archive = make(filled, tmp_path / "backups")
    good = (archive.folder / DATABASE).read_bytes()
    for data in (
        b"",
        b"no database" * 500,
        good[:5000],
        good[: len(good) // 2],
        good.replace(b"log_head", b"log_hand"),
    ):
        findings = backup.check_archive(spoil(archive, data))
        assert len(findings) >= 1 and all("expected" in finding for finding in findings), findings
    for sql in ("UPDATE alembic_version SET version_num = 'newer'", "UPDATE log_head SET frontier = 'x', size = 'y'"):
        (archive.folder / DATABASE).write_bytes(good)
        connection = sqlite3.connect(archive.folder / DATABASE)
        connection.execute(sql)
        connection.commit()
        connection.close()
        assert backup.check_archive(spoil(archive, (archive.folder / DATABASE).read_bytes())) != []


def test_a_restore_that_cannot_be_done_says_so_and_leaves_an_empty_place(filled: RunningHub, tmp_path: Path) -> None:
    archive = make(filled, tmp_path / "backups")
    for url in ("nonsense", "oracle://x/y", "postgresql+psycopg://geheim:geheim@127.0.0.1:1/x"):
        with pytest.raises(VerbError, match="expected") as refused:
            backup.restore(archive, tmp_path / "again", url, filled.clock())
        assert "geheim" not in refused.value.message
    (tmp_path / "file").write_text("")
    with pytest.raises(VerbError, match="directory that can be written"):
        backup.restore(archive, tmp_path / "file" / "again", "sqlite", filled.clock())
    data = (archive.folder / DATABASE).read_bytes().replace(b"log_head", b"log_hand")
    with pytest.raises(VerbError, match="expected"):
        backup.restore(spoil(archive, data), tmp_path / "again", "sqlite", filled.clock())
    assert list((tmp_path / "again").iterdir()) == []


def backup_hash(archive: Archive) -> str:
    from shared_schema.service.backup import hash_file

    return hash_file(archive.folder / DATABASE)


def test_a_backup_is_restored_into_an_empty_place_only_and_holds_its_log(
    filled: RunningHub, tmp_path: Path, network: Network, loop: EventLoop, request: pytest.FixtureRequest
) -> None:
    archive = make(filled, tmp_path / "backups")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("")
    with pytest.raises(VerbError, match="empty"):
        backup.restore(archive, tmp_path / "full", "sqlite", filled.clock())
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["a"]
    backup.restore(archive, tmp_path / "again", "sqlite", filled.clock())
    assert "database_url" not in (tmp_path / "again" / "hub.toml").read_text()
    check_held(tmp_path / "again", None, filled, network, loop)


def test_a_copy_that_is_written_over_the_database_by_hand_is_held_too(
    tmp_path: Path, network: Network, loop: EventLoop
) -> None:
    place = tmp_path / "hub"
    with RunningHub.start(network, loop, place) as hub:
        archive = make(hub, tmp_path / "backups")
        hub.enrol("leipzig.sn.de")
    number = (place / "hub.db").stat().st_ino
    for rest in place.glob("hub.db-*"):
        rest.unlink()
    (place / "hub.db").write_bytes((archive.folder / DATABASE).read_bytes())
    assert (place / "hub.db").stat().st_ino == number
    with RunningHub.start(network, loop, place) as hub:
        assert hub.verb("recover.status")["state"] == "restored"


@pytest.mark.postgres
def test_a_backup_goes_from_one_database_to_the_other(
    filled: RunningHub, tmp_path: Path, network: Network, loop: EventLoop, postgres_url: str
) -> None:
    archive = make(filled, tmp_path / "backups")
    with postgres.fresh_database(make_url(postgres_url)) as address:
        url = address.render_as_string(hide_password=False)
        backup.restore(archive, tmp_path / "again", url, filled.clock())
        assert f'database_url = "{url}"' in (tmp_path / "again" / "hub.toml").read_text()
        check_held(tmp_path / "again", url, filled, network, loop)
        with pytest.raises(VerbError, match="without a log"):
            backup.restore(archive, tmp_path / "third", url, filled.clock())
        assert not (tmp_path / "third").exists()


def check_held(place: Path, url: str | None, filled: RunningHub, network: Network, loop: EventLoop) -> None:
    """It has the same entries, signs nothing, and serves again when its member has come."""
    with filled.hub.database.read() as session:
        entries = session.scalars(select(EntryRow.digest).order_by(EntryRow.index)).all()
    with RunningHub.start(network, loop, place, url, port=8760) as hub:
        with hub.hub.database.read() as session:
            assert session.scalars(select(EntryRow.digest).order_by(EntryRow.index)).all() == entries
        city = City("leipzig.sn.de", key_of("leipzig.sn.de"), hub, seq=3)
        body = city.sign()
        assert hub.post(body).json()["code"] == "log-behind"
        assert hub.verb("recover")["waiting_for"] == ["leipzig.sn.de"]
        with city.api() as api:
            assert api.recovery_state(len(entries), done=True).state == "serving"
        hub.accept(body)
        assert hub.verb("verify")["findings"] == []


def test_a_backup_that_cannot_be_made_leaves_nothing(filled: RunningHub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VerbError, match="folder"):
        filled.verb("backup", target=str(tmp_path / "file"))
    with pytest.raises(VerbError, match="absolute"):
        filled.verb("backup", target="backups")
    with pytest.raises(VerbError, match="keep"):
        filled.verb("backup", target=str(tmp_path / "backups"), keep=0)
    assert not (tmp_path / "backups").exists()


def test_the_command_says_in_one_line_what_is_no_backup(tmp_path: Path) -> None:
    assert {command.callback.__name__ for command in cli.registered_commands if command.callback} >= {
        "backup",
        "restore",
        "recover",
    }
    with pytest.raises(VerbError, match=r"manifest\.json"):
        read_archive(tmp_path, "regional-hub")
    (tmp_path / MANIFEST).write_text(
        json.dumps({"format": 1, "program": "local-node", "files": {DATABASE: ""}, "facts": {}, "made_at": ""})
    )
    with pytest.raises(VerbError, match="backup of regional-hub"):
        read_archive(tmp_path, "regional-hub")


def test_a_hub_whose_database_is_gone_begins_no_second_log(filled: RunningHub, tmp_path: Path) -> None:
    archive = make(filled, tmp_path / "backups")
    backup.restore(archive, tmp_path / "again", "sqlite", filled.clock())
    open_hub(tmp_path / "again").close()
    (tmp_path / "again" / "hub.db").unlink()
    with pytest.raises(VerbError, match="restore a backup"):
        open_hub(tmp_path / "again")


# --- sealed totals --------------------------------------------------------------------------------------------------


@pytest.fixture
def sealed(filled: RunningHub) -> KeptWorld:
    """The batch that this hub leads, open, with the share of one city; and everything that opens shares of it."""
    world = KeptWorld()
    world.agree()
    world.send(world.cities[0], world.counts())
    with filled.hub.database.write() as session:
        batch_id = store.propose(session, world.leader, now=NOW)
        take_share(session, batch_id, world.verified[0], at=NOW)
    return world


def test_a_backup_has_nothing_that_opens_a_sealed_share_and_what_comes_of_it_ends_void(
    filled: RunningHub, sealed: KeptWorld, tmp_path: Path
) -> None:
    secrets, verify_key = secrets_of(sealed.leader)
    body = sealed.shares[0].body
    needles = [secrets.key.raw, verify_key, base64.b64decode(body.leader_half), base64.b64decode(body.helper_half)]
    if filled.hub.database.dialect == "sqlite":
        assert find_secrets(tmp_path, needles) == {0, 1, 2, 3}
    archive = make(filled, tmp_path / "backups")
    assert find_secrets(archive.folder, needles) == set()
    assert find_secrets(archive.folder, [secrets.noise_seed]) == {0}
    assert backup.check_archive(archive) == []
    backup.restore(archive, tmp_path / "again", "sqlite", filled.clock())
    again = Database(f"sqlite:///{tmp_path / 'again' / backup.DATABASE_FILE}")
    with again.write() as session:
        (batch_id,) = store.list_batches(session, "leader")
        restored = store.read_leader(session, batch_id)
        assert (restored.batch.state, restored.batch.secrets) == (BatchState.OPEN, None)
        with pytest.raises(BatchError, match="keys"):
            secrets_of(restored.batch)
        terms = leader_steps.give_up(restored.batch)
        assert store.ask_once(session, restored, Step.GIVEN_UP, terms.to_bytes()) == terms.to_bytes()
        store.change(session, restored, voided(restored.batch))
        assert store.list_batches(session, "leader") == []
    again.close()


def test_a_hub_that_may_have_gone_back_erases_what_opens_sealed_shares(filled: RunningHub, sealed: KeptWorld) -> None:
    with filled.hub.database.write() as session:
        recovery.hold(session, recovery.RESTORED, filled.clock())
    with filled.hub.database.read() as session:
        (batch_id,) = store.list_batches(session, "leader")
        assert store.read_leader(session, batch_id).batch == replace(sealed.leader, secrets=None, verify_key=None)
        assert read_shares(session, batch_id) == []
