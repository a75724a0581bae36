"""A PostgreSQL server for the tests, and a fresh database in it for each test.

The server is the one that `TEST_POSTGRES_URL` names, or a throw-away cluster made from the programs that are
installed. The throw-away cluster writes as a real one does (fsync stays on), into memory where there is enough,
listens on loopback only, asks for a password that it made up, and stops and disappears at the end of the run.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

URL_VARIABLE = "TEST_POSTGRES_URL"
DRIVER = "postgresql+psycopg"
SERVER_USER = "postgres"  # PostgreSQL refuses to run as root, so root starts it as this account
INSTALLED = Path("/usr/lib/postgresql")
START_SECONDS = 60
IN_MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 2 << 30
PORT_ATTEMPTS = 3  # between finding a free port and using it, another program may take it


class PostgresMissingError(Exception):
    """No server can be reached or started here; the message says what to install."""


def free_port() -> int:
    """A TCP port on loopback that nobody listened on a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def running_server() -> Iterator[URL]:
    """The address of a server in which databases can be made.

    Raises PostgresMissingError when none is named and none can be started.
    """
    if named := os.environ.get(URL_VARIABLE):
        yield make_url(named).set(drivername=DRIVER)
        return
    with throwaway_cluster(find_programs()) as address:
        yield address


@contextmanager
def fresh_database(server: URL, template: str = "template1") -> Iterator[URL]:
    """A database of its own, dropped afterwards even when somebody is still connected: empty, or as its template."""
    name = f"test_{secrets.token_hex(8)}"
    administer(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield server.set(database=name)
    finally:
        administer(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def administer(server: URL, statement: str) -> None:
    """Run one statement outside a transaction, as CREATE DATABASE demands."""
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(statement.encode())


def find_programs() -> Path:
    """The folder with initdb and pg_ctl of the newest PostgreSQL that is installed."""
    if on_path := shutil.which("pg_ctl"):
        return Path(on_path).resolve().parent
    found = [path.parent for path in INSTALLED.glob("*/bin/pg_ctl") if path.parent.parent.name.isdigit()]
    if not found:
        raise PostgresMissingError(f"no PostgreSQL: set {URL_VARIABLE} or install the package postgresql")
    return max(found, key=lambda folder: int(folder.parent.name))


@contextmanager
def throwaway_cluster(programs: Path) -> Iterator[URL]:
    """Start a cluster in a new folder, and stop and remove it at the end."""
    account = server_account()
    with tempfile.TemporaryDirectory(prefix="postgres-", dir=roomy_memory()) as made:
        folder = Path(made)
        password_file = folder / "password"
        password = secrets.token_urlsafe(24)
        password_file.write_text(password)
        if account is not None:
            for path in (folder, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        data = folder / "data"
        run_as(
            account,
            [
                *(
                    f"{programs}/initdb",
                    "--pgdata",
                    str(data),
                    "--username",
                    SERVER_USER,
                    "--pwfile",
                    f"{password_file}",
                ),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions"),
            ],
            folder,
        )
        port = start(account, programs, folder, data)
        try:
            yield URL.create(DRIVER, SERVER_USER, password, "127.0.0.1", port, "postgres")
        finally:
            # pg_ctl takes the process id from this data folder, so it can stop no other server.
            stop = [f"{programs}/pg_ctl", "stop", "--pgdata", str(data), "--mode", "immediate", "--wait"]
            run_as(account, stop, folder)


def roomy_memory() -> Path | None:
    """Where files lie in memory, when there is room for a cluster; None for the usual place."""
    if IN_MEMORY.is_dir() and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ENOUGH_BYTES:
        return IN_MEMORY
    return None


def start(account: pwd.struct_passwd | None, programs: Path, folder: Path, data: Path) -> int:
    """Start the server on a free port, wait until it answers, and return the port."""
    log = folder / "log"
    attempts = PORT_ATTEMPTS
    while True:
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"
        options += " -c max_wal_size=128MB"
        command = [
            *(f"{programs}/pg_ctl", "start", "--pgdata", str(data), "--log", str(log)),
            *("--options", options, "--wait", "--timeout", str(START_SECONDS)),
        ]
        try:
            run_as(account, command, folder)
        except PostgresMissingError as error:
            attempts -= 1
            if attempts == 0:
                raise PostgresMissingError(f"{error}; its log: {log.read_text()[-2000:]}") from error
        else:
            return port


def server_account() -> pwd.struct_passwd | None:
    """The account to run the server as: None for our own, which will do for everybody but root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SERVER_USER)
    except KeyError:
        raise PostgresMissingError(f"root cannot start PostgreSQL without the account {SERVER_USER}") from None


def run_as(account: pwd.struct_passwd | None, command: Sequence[str], folder: Path) -> None:
    """Run one of PostgreSQL's programs and wait for it; raise PostgresMissingError when it fails."""
    prefix = [] if account is None else ["runuser", "-u", account.pw_name, "--"]
    result = subprocess.run([*prefix, *command], cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        program = Path(command[0]).name
        raise PostgresMissingError(f"{program} ended with exit code {result.returncode}: {result.stderr.strip()}")
