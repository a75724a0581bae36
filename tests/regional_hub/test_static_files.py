"""The folder of static files: the bytes of the hub, whatever happens in between, and never a smaller log."""

import errno
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from deploy.demo.federation import DemoError, Program
from regional_hub import static_files
from regional_hub.orm import HeadRow
from regional_hub.static_files import FAULT_POINTS, LOCK_FILE, StaticFiles, StaticFilesError
from shared_schema.checkpoint import Checkpoint, NoteVerifier, verify_checkpoint
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi
from shared_schema.service.log_source import open_folder
from shared_schema.tiles import CHECKPOINT_PATH, LogFile, files_of, verify_files
from tests.regional_hub.running import City, EventLoop, Network, RunningHub, adopt, enrolment, key_of

NAME = "sachsen.de"
VERIFIER = NoteVerifier(NAME, key_of(NAME).public)
STEPS = (2, 3, 250, 256, 257, 300, 530)
"""Sizes of which there is a database; in between a tile becomes full, twice."""


class KilledError(BaseException):
    """The process ends here; nothing of it runs any more."""


class Killer:
    """Ends `publish` at its n-th fault point, and looks at the folder at each one before."""

    def __init__(self, folder: Path, at: int, *, tear: bool = False) -> None:
        self.folder, self.at, self.tear = folder, at, tear
        self.calls = 0
        self.points: set[str] = set()

    def __call__(self, point: str, path: str) -> None:
        self.points.add(point)
        check_present(self.folder)
        self.calls += 1
        if self.calls == self.at:
            check_complete(self.folder)
            if self.tear and point == "fsync":  # not all of it has reached the disk
                fresh = (self.folder / path).with_name(f".{Path(path).name}.new")
                os.truncate(fresh, fresh.stat().st_size // 2)
            raise KilledError(f"{point} {path}")


def check_present(folder: Path) -> Checkpoint | None:
    """Whoever fetches the checkpoint now finds every file it needs; return it."""
    if not (folder / CHECKPOINT_PATH).exists():
        return None
    checkpoint = verify_checkpoint((folder / CHECKPOINT_PATH).read_text(), VERIFIER)
    for file in files_of(checkpoint.size):
        place = folder / (file if (folder / file.path).exists() else file.whole).path
        assert place.exists(), f"the checkpoint needs {file.path}, which is not there"
    return checkpoint


def check_complete(folder: Path) -> int:
    """As `check_present`, and every file holds; return the size."""
    checkpoint = check_present(folder)
    if checkpoint is None:
        return 0
    with open_folder(folder) as fetch:
        return verify_files(fetch, checkpoint).entries


def contents_of(folder: Path) -> dict[str, bytes]:
    """Every file but the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != LOCK_FILE
    }


def copy_database(hub: RunningHub, place: Path) -> Path:
    """A backup of the hub's database: its state at one moment."""
    with closing(sqlite3.connect(hub.hub.data_dir / "hub.db")) as now, closing(sqlite3.connect(place)) as then:
        now.backup(then)
    return place


@contextmanager
def files_from(database: Path, folder: Path) -> Iterator[StaticFiles]:
    """The publisher of a hub whose database is this file."""
    opened = Database(f"sqlite:///{database}")
    try:
        yield StaticFiles(opened, NAME, folder)
    finally:
        opened.close()


def publish(database: Path, folder: Path, *, thorough: bool = False) -> static_files.Published:
    with files_from(database, folder) as files:
        return files.publish(thorough=thorough)


@pytest.fixture
def few_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partial files go as soon as the full one is there, so that small logs show it."""
    monkeypatch.setattr(static_files, "KEPT_TILES", 0)


@pytest.fixture(scope="module")
def copies(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The database of one hub as it was at each of `STEPS`."""
    folder, taken = tmp_path_factory.mktemp("copies"), {}
    with RunningHub.start(Network(loop), loop, folder / "hub") as hub:
        city = hub.enrol("leipzig.sn.de")
        for size in STEPS:
            if size > hub.log_size():
                hub.accept_many([city.sign() for _ in range(size - hub.log_size())])
            taken[size] = copy_database(hub, folder / f"{size}.db")
    return taken


# --- the same bytes ------------------------------------------------------------------------------------------------


def test_the_folder_has_the_bytes_of_the_hub_after_every_commit(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    folder = tmp_path / "public"
    with RunningHub.start(network, loop, tmp_path / "hub", hub_database_url, static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        for count in (1, 3, 252, 5):
            hub.accept_many([city.sign() for _ in range(count)])
            assert check_complete(folder) == hub.log_size()
            for path, data in contents_of(folder).items():
                response = hub.client.get("/" + path)
                assert response.status_code == 200 and response.content == data, path
        assert {file.path for file in files_of(hub.log_size())} <= set(contents_of(folder))
        report = hub.verb("verify")
        assert report["ok"] and report["static_files"] == len(contents_of(folder))


def test_a_hub_without_a_folder_writes_none(hub: RunningHub, city: City, tmp_path: Path) -> None:
    hub.accept(city.sign())
    assert hub.verb("log.publish") == {"static_files": False}
    assert not list(tmp_path.rglob(CHECKPOINT_PATH))


def test_a_folder_that_was_added_later_gets_everything(copies: dict[int, Path], tmp_path: Path) -> None:
    assert publish(copies[300], tmp_path / "public").size == 300
    assert check_complete(tmp_path / "public") == 300
    assert publish(copies[300], tmp_path / "public").written == 0


def test_files_are_readable_for_a_web_server_and_nothing_else_is_left(copies: dict[int, Path], tmp_path: Path) -> None:
    folder = tmp_path / "public"
    publish(copies[300], folder)
    assert set(contents_of(folder)) == {file.path for file in files_of(300)} | {CHECKPOINT_PATH}


# --- partial files -------------------------------------------------------------------------------------------------


def test_partial_files_of_the_newest_full_tiles_stay(copies: dict[int, Path], tmp_path: Path) -> None:
    folder = tmp_path / "public"
    for size in STEPS:
        publish(copies[size], folder)
    for size in STEPS:  # whoever fetched an earlier checkpoint finds all of its files
        assert {file.path for file in files_of(size)} <= set(contents_of(folder))


@pytest.mark.usefixtures("few_kept")
def test_a_partial_file_goes_only_when_the_full_one_is_there(copies: dict[int, Path], tmp_path: Path) -> None:
    folder = tmp_path / "public"
    publish(copies[250], folder)
    assert (folder / LogFile(0, 0, 250).path).exists()
    assert publish(copies[300], folder).removed == 2
    assert not (folder / LogFile(0, 0, 250).path).exists() and (folder / LogFile(0, 0).path).exists()
    assert (folder / LogFile(1, 0, 1).path).exists()
    assert check_complete(folder) == 300


# --- crashes -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("few_kept")
@pytest.mark.parametrize("tear", [pytest.param(False, marks=pytest.mark.long), True], ids=["killed", "killed-and-torn"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (0, 2),
        (250, 300),
        *(pytest.param(*steps, marks=pytest.mark.long) for steps in ((2, 3), (250, 256), (256, 257), (300, 530))),
    ],
)
def test_a_crash_at_any_point_is_repaired_by_publishing_again(
    copies: dict[int, Path], tmp_path: Path, before: int, after: int, tear: bool
) -> None:
    started = tmp_path / "started"
    if before:
        publish(copies[before], started)
    else:
        started.mkdir()
    publish(copies[after], expected_folder := shutil.copytree(started, tmp_path / "expected"))
    expected, at = contents_of(expected_folder), 0
    points: set[str] = set()
    with files_from(copies[after], started) as files:
        while True:
            at += 1
            files = StaticFiles(files._database, NAME, shutil.copytree(started, tmp_path / f"{at}"))
            files.fault = killer = Killer(files.folder, at, tear=tear)
            try:
                files.publish()
            except KilledError:
                assert check_complete(files.folder) in (before, after)
            else:
                break
            points |= killer.points
            again = StaticFiles(files._database, NAME, files.folder)  # as the next start does
            again.fault = Killer(files.folder, 0)
            again.publish(clean=True)
            assert contents_of(files.folder) == expected, at
            shutil.rmtree(files.folder)
    assert at > 15
    if (before, after) == (250, 300):
        assert points == set(FAULT_POINTS)


@pytest.mark.long
@pytest.mark.usefixtures("few_kept")
def test_a_crash_is_repaired_when_the_log_has_grown_meanwhile(copies: dict[int, Path], tmp_path: Path) -> None:
    # Another process of the hub goes on: it knows nothing of the crash, and its publish is the ordinary one.
    at, alive = 0, True
    while alive:
        at += 1
        folder = tmp_path / f"{at}"
        publish(copies[3], folder)
        with files_from(copies[300], folder) as files:
            files.fault = Killer(folder, at)
            try:
                files.publish()
                alive = False
            except KilledError:
                pass
        publish(copies[530], folder)
        assert check_complete(folder) == 530
        assert publish(copies[530], folder, thorough=True).written == 0
        left_over = set(contents_of(folder)) - {file.path for file in files_of(530)}
        assert left_over <= {CHECKPOINT_PATH, LogFile(1, 0, 1).path}  # that tile is not full yet
        shutil.rmtree(folder)
    assert at > 15


@pytest.mark.parametrize("point", [point for point in FAULT_POINTS if point not in ("remove", "removed")])
def test_a_hub_that_is_killed_between_commit_and_files_heals_at_its_start(
    network: Network, loop: EventLoop, tmp_path: Path, point: str
) -> None:
    folder = tmp_path / "public"

    def kill(here: str, _path: str) -> None:
        check_complete(folder)
        if here == point:
            raise KilledError(point)

    with RunningHub.start(network, loop, tmp_path / "hub", static_dir=folder) as hub:
        hub.enrol("leipzig.sn.de")
        size = hub.log_size()
        code = hub.verb("enrol.code", name="dresden.sn.de")
        assert code and hub.hub.files is not None
        hub.hub.files.fault = kill
        with pytest.raises(KilledError):
            hub.verb("members.set", name="leipzig.sn.de", status="suspended")
        assert check_complete(folder) in (size, size + 1)
    with RunningHub.start(network, loop, tmp_path / "hub", static_dir=folder) as hub:
        assert hub.log_size() == size + 1 == check_complete(folder)
        assert hub.verb("verify")["ok"] and not hub.verb("status")["alarms"]


# --- the disk ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", ["fsync", "folder-fsync"])
def test_nobody_gets_success_after_a_failed_fsync(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str, point: str
) -> None:
    folder, ended = tmp_path / "public", []

    def fail(here: str, _path: str) -> None:
        if here == point:
            raise OSError(errno.EIO, "Input/output error")

    with RunningHub.start(network, loop, tmp_path / "hub", hub_database_url, static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        before, bodies = check_complete(folder), [city.sign(), city.sign()]
        assert hub.hub.files is not None
        hub.hub.files.fault = fail
        hub.hub.end_process = lambda: ended.append("ended")
        first = hub.post(bodies[0])
        assert first.status_code == 503 and first.json()["code"] == ProblemCode.LOG_DAMAGED
        assert ended == ["ended"]
        hub.hub.files.fault = static_files.no_fault  # the disk says it is well again; it is not believed
        assert hub.post(bodies[1]).status_code == 503
        with pytest.raises(VerbError, match="disk"):
            hub.verb("members.set", name="leipzig.sn.de", status="suspended")
        assert check_complete(folder) == before
        assert hub.client.get("/checkpoint").status_code == 200
        assert [alarm["code"] for alarm in hub.verb("status")["alarms"]] == [ProblemCode.LOG_DAMAGED]
    with RunningHub.start(network, loop, tmp_path / "hub", hub_database_url, static_dir=folder) as hub:
        assert hub.post(bodies[0]).status_code == 200  # it was committed; nobody had been told
        assert hub.post(bodies[1]).status_code == 201
        assert check_complete(folder) == hub.log_size() == before + 2
        assert not hub.verb("status")["alarms"]


def test_a_hub_does_not_start_when_the_disk_does_not_confirm(
    network: Network, loop: EventLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunningHub.start(network, loop, tmp_path / "hub"):
        pass

    def fail(_handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with (
        pytest.raises(VerbError, match="expected the disk to confirm"),
        RunningHub.start(network, loop, tmp_path / "hub", static_dir=tmp_path / "public"),
    ):
        pass
    assert not (tmp_path / "public" / CHECKPOINT_PATH).exists()


@pytest.mark.parametrize("point", ["write", "rename"])
def test_a_full_disk_delays_the_files_and_nothing_else(
    network: Network, loop: EventLoop, tmp_path: Path, point: str
) -> None:
    folder = tmp_path / "public"

    def fail(here: str, _path: str) -> None:
        if here == point:
            raise OSError(errno.ENOSPC, "No space left on device")

    with RunningHub.start(network, loop, tmp_path / "hub", static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        before = check_complete(folder)
        assert hub.hub.files is not None
        hub.hub.files.fault = fail
        hub.accept(city.sign())
        hub.accept(city.sign())
        assert check_complete(folder) == before
        assert [alarm["code"] for alarm in hub.verb("status")["alarms"]] == [ProblemCode.STORAGE_FULL]
        hub.hub.files.fault = static_files.no_fault
        assert hub.verb("log.publish")["size"] == before + 2 == check_complete(folder)
        assert not hub.verb("status")["alarms"]


# --- a database that was restored ----------------------------------------------------------------------------------


def test_a_larger_checkpoint_is_never_replaced_by_a_smaller_one(copies: dict[int, Path], tmp_path: Path) -> None:
    folder = tmp_path / "public"
    publish(copies[300], folder)
    before = contents_of(folder)
    for size in (2, 250, 257):
        for thorough in (False, True):
            with pytest.raises(StaticFilesError, match=f"at least 300 entries, as its static files show, got {size}"):
                publish(copies[size], folder, thorough=thorough)
            assert contents_of(folder) == before


def test_a_hub_with_an_old_database_signs_nothing(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    folder, place = tmp_path / "public", tmp_path / "hub"
    with RunningHub.start(network, loop, place, static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        old = copy_database(hub, tmp_path / "old.db")
        hub.accept(city.sign())
        before = contents_of(folder)
    for file in place.glob("hub.db*"):
        file.unlink()
    shutil.copy(old, place / "hub.db")
    with RunningHub.start(network, loop, place, static_dir=folder) as hub:
        city.hub, size = hub, hub.log_size()
        refused = hub.post(city.sign())
        assert refused.status_code == 503 and refused.json()["code"] == ProblemCode.LOG_BEHIND
        with pytest.raises(VerbError, match="restored"):
            hub.verb("members.set", name="leipzig.sn.de", status="suspended")
        assert hub.log_size() == size and contents_of(folder) == before
        assert [alarm["code"] for alarm in hub.verb("status")["alarms"]] == [ProblemCode.LOG_BEHIND]
        assert hub.verb("recover.status")["entries"] == f"{size} of {size + 1} entries are here"  # the folder knows
        assert not hub.verb("verify")["ok"]


def test_an_old_database_that_went_on_is_a_fork_and_is_refused(
    network: Network, loop: EventLoop, copies: dict[int, Path], tmp_path: Path
) -> None:
    folder, place = tmp_path / "public", tmp_path / "hub"
    publish(copies[3], folder)
    before = contents_of(folder)
    place.mkdir()
    shutil.copy(copies[2], place / "hub.db")
    adopt(place / "hub.db")
    with RunningHub.start(network, loop, place) as hub:  # it did not know of the folder
        hub.enrol("dresden.sn.de")
        hub.enrol("chemnitz.sn.de")
    with RunningHub.start(network, loop, place, static_dir=folder) as hub:
        with pytest.raises(VerbError, match="begins with the 3 entries of its static files"):
            hub.verb("log.publish")
        with pytest.raises(VerbError, match="begins with"):
            hub.verb("members.set", name="dresden.sn.de", status="suspended")
        assert contents_of(folder) == before


@pytest.mark.parametrize("note", [b"", b"\xff\xfe", b"sachsen.de\n300\n", b"no note at all\n\n"])
def test_a_checkpoint_that_cannot_be_read_stops_the_publishing(
    copies: dict[int, Path], tmp_path: Path, note: bytes
) -> None:
    folder = tmp_path / "public"
    publish(copies[257], folder)
    (folder / CHECKPOINT_PATH).write_bytes(note)
    with pytest.raises(StaticFilesError, match="expected a checkpoint of"):
        publish(copies[300], folder)
    assert (folder / CHECKPOINT_PATH).read_bytes() == note


def test_the_folder_of_another_hub_is_left_alone(copies: dict[int, Path], tmp_path: Path) -> None:
    folder = tmp_path / "public"
    folder.mkdir()
    note = Checkpoint("bayern.de", 5, bytes(32)).sign(key_of("bayern.de"))
    (folder / CHECKPOINT_PATH).write_text(note)
    with pytest.raises(StaticFilesError):
        publish(copies[300], folder)
    assert contents_of(folder) == {CHECKPOINT_PATH: note.encode()}


# --- several processes ---------------------------------------------------------------------------------------------


def test_only_one_publishes_at_a_time(copies: dict[int, Path], tmp_path: Path) -> None:
    folder, seen = tmp_path / "public", []

    def try_lock(point: str, _path: str) -> None:
        with (folder / LOCK_FILE).open("rb+") as handle, pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        seen.append(point)

    with files_from(copies[300], folder) as files:
        files.fault = try_lock
        files.publish()
    assert seen[0] == "locked" and seen[-1] == "checkpoint-written"
    with (folder / LOCK_FILE).open("rb+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_processes_that_commit_side_by_side_leave_the_largest_log(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str
) -> None:
    folder = tmp_path / "public"
    with RunningHub.start(network, loop, tmp_path / "hub", hub_database_url, static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        other = StaticFiles(hub.hub.database, NAME, folder)
        sizes: list[int] = []
        over = threading.Event()

        def publish_all_the_time() -> None:
            while not over.is_set():
                sizes.append(other.publish().size)

        thread = threading.Thread(target=publish_all_the_time)
        thread.start()
        for _ in range(20):
            hub.accept(city.sign())
        over.set()
        thread.join()
        assert sizes == sorted(sizes)
        assert check_complete(folder) == hub.log_size()


# --- what verify finds ---------------------------------------------------------------------------------------------


def test_verify_names_every_file_of_which_one_bit_is_flipped_or_that_is_missing(
    network: Network, loop: EventLoop, tmp_path: Path, copies: dict[int, Path]
) -> None:
    folder, place = tmp_path / "public", tmp_path / "hub"
    place.mkdir()
    shutil.copy(copies[300], place / "hub.db")
    adopt(place / "hub.db")
    for size in (250, 256):
        publish(copies[size], folder)
    with RunningHub.start(network, loop, place, static_dir=folder) as hub:
        assert hub.hub.files is not None
        files = contents_of(folder)
        assert len(files) == len(list(files_of(300))) + 3  # the checkpoint, and the partial ones of 250
        for path, data in files.items():
            (folder / path).write_bytes(bytes([data[0] ^ 1, *data[1:]]))
            _, flipped = static_files.find_faults(hub.hub.database, folder, hub.hub.verifier)
            (folder / path).unlink()
            _, missing = static_files.find_faults(hub.hub.database, folder, hub.hub.verifier)
            assert len(flipped) == 1 and flipped[0].startswith(f"static file {path}:")
            needed = path == CHECKPOINT_PATH or path in {file.path for file in files_of(300)}
            assert [line.partition(":")[0] for line in missing] == ([f"static file {path}"] if needed else [])
            (folder / path).write_bytes(data)
        (folder / "tile/0/007").write_bytes(bytes(8192))
        assert hub.verb("verify")["findings"] == ["static file tile/0/007: expected the bytes of the log"]


class BusyDatabase(Database):
    """The hub's database; while somebody looks at it for the first time, the hub commits and publishes."""

    def __init__(self, hub: RunningHub, city: City) -> None:
        self._hub, self._city, self._first = hub, city, True

    @contextmanager
    def read(self) -> Iterator[Session]:
        with self._hub.hub.database.read() as session:
            session.connection()
            session.scalar(select(HeadRow.size))
            if self._first:
                self._first = False
                self._hub.accept(self._city.sign())
            yield session


def test_a_commit_in_between_is_no_damage(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    folder = tmp_path / "public"
    with RunningHub.start(network, loop, tmp_path / "hub", static_dir=folder) as hub:
        city = hub.enrol("leipzig.sn.de")
        count, findings = static_files.find_faults(BusyDatabase(hub, city), folder, VERIFIER)
        assert findings == [] and count == len(contents_of(folder))
        (folder / "tile/0/009").write_bytes(b"")
        assert static_files.find_faults(BusyDatabase(hub, city), folder, VERIFIER)[1] == [
            "static file tile/0/009: expected the bytes of the log"
        ]


def test_a_folder_that_is_gone_is_found(network: Network, loop: EventLoop, tmp_path: Path) -> None:
    folder = tmp_path / "public"
    with RunningHub.start(network, loop, tmp_path / "hub", static_dir=folder) as hub:
        shutil.rmtree(folder)
        assert hub.verb("verify")["findings"] == ["static file checkpoint: expected a file that can be read"]
        assert hub.verb("log.publish")["written"] > 0
        assert hub.verb("verify")["ok"]


def test_a_damaged_or_missing_file_is_put_right_when_told(copies: dict[int, Path], tmp_path: Path) -> None:
    folder = tmp_path / "public"
    publish(copies[300], folder)
    before = contents_of(folder)
    (folder / "tile/0/000").write_bytes(bytes(8192))
    (folder / "tile/entries/000").unlink()
    assert publish(copies[300], folder).written == 0
    assert publish(copies[300], folder, thorough=True).written == 2
    assert contents_of(folder) == before


# --- the program ---------------------------------------------------------------------------------------------------

SERVE = """
import errno, pathlib, sys
from regional_hub import cli, static_files

def fail(point, path):
    if point == "fsync" and pathlib.Path(sys.argv[-1], "disk-fails").exists():
        raise OSError(errno.EIO, "Input/output error")

static_files.StaticFiles.__init__.__defaults__ = (fail,)
cli.main()
"""
"""`regional-hub serve` on a disk that fails as soon as a test says so."""


@pytest.mark.long
def test_the_program_ends_when_the_disk_does_not_confirm(tmp_path: Path, free_port: int) -> None:
    data, city = tmp_path / "hub", key_of("leipzig.sn.de")
    program = Program("regional_hub", NAME, data, free_port)
    program.command(
        "init", "--name", NAME, "--level", "region", "--area", "NUTS:2024:DED", "--public-url", program.url,
        "--port", str(free_port), "--work-interval", "0",
    )  # fmt: skip
    with (data / "hub.toml").open("a") as settings:
        settings.write(f'static_dir = "{tmp_path / "public"}"\n')
    command = [sys.executable, "-c", SERVE, "serve", "--data", str(data)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        program.process = process
        program.wait_until_ready()
        code = program.ask("enrol.code", name="leipzig.sn.de")["code"]
        with HubApi(program.url, city, lambda: datetime.now(UTC)) as api:
            api.request_enrolment(enrolment("leipzig.sn.de", city, code))
        before = (tmp_path / "public" / CHECKPOINT_PATH).read_bytes()
        (data / "disk-fails").touch()
        with pytest.raises(DemoError, match="expected the disk to confirm"):
            program.ask("enrol.approve", name="leipzig.sn.de", fingerprint=city.public.fingerprint)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "regional-hub: expected the disk to confirm what was written" in errors.decode().splitlines()[-1]
    assert (tmp_path / "public" / CHECKPOINT_PATH).read_bytes() == before
