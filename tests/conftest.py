"""What every test can ask for: databases of both kinds, a free port, and an honest count of what was skipped."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy.engine import URL, make_url

from shared_schema.service.database import Database
from tests import compiled_once, postgres

# A deadline per example would make a slow or busy machine fail.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")
compiled_once.install()
gc.set_threshold(100_000, 50, 50)
"""A process that holds thousands of tests spends a fifth of its time looking for garbage among them, as it is set."""


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server for this run; skips, saying what is missing, when there is none."""
    try:
        with postgres.running_server() as address:
            yield address.render_as_string(hide_password=False)
    except postgres.PostgresMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database; a test that asks for it runs once on SQLite and once on PostgreSQL."""
    with made_database(request, tmp_path) as address:
        yield address.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def hub_template(postgres_url: str) -> Iterator[str]:
    """The name of a database with a hub's tables, to be copied: to migrate takes a fifth of a second each time."""
    with postgres.fresh_database(make_url(postgres_url)) as address:
        made = Database(address.render_as_string(hide_password=False))
        made.migrate("regional_hub.migrations")
        made.close()
        yield str(address.database)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def hub_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As `database_url`, for a hub: on PostgreSQL its tables are there."""
    with made_database(request, tmp_path, template="hub_template") as address:
        yield address.render_as_string(hide_password=False)


@contextmanager
def made_database(request: pytest.FixtureRequest, tmp_path: Path, template: str | None = None) -> Iterator[URL]:
    """A database of the kind that a fixture's parameter says; `template` is the fixture that names the one to copy."""
    if request.param == "sqlite":
        yield URL.create("sqlite", database=str(tmp_path / "test.sqlite3"))
        return
    server = make_url(request.getfixturevalue("postgres_url"))
    copied = "template1" if template is None else request.getfixturevalue(template)
    with postgres.fresh_database(server, copied) as address:
        yield address


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    return postgres.free_port()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Other users of hypothesis in this process may have left their own profile behind."""
    settings.load_profile("ours")


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is loaded by now stays until the end: no search for garbage need go through it again."""
    gc.collect()
    gc.freeze()


# --- what runs only with --long ---------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the long runs what is asked of PostgreSQL where SQLite is enough."""
    for item in items:
        mark = item.get_closest_marker("sqlite_is_enough")
        if mark is not None and mark.args != (False,) and item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.long)


# --- skips are counted and named, and can be forbidden ---------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer --no-skips, with which a skip fails the run, --seed for what happens at random, --shots for pictures."""
    parser.addoption("--no-skips", action="store_true", help="fail the run when a test was skipped")
    parser.addoption("--shots", action="store_true", help="draw the pictures of the guides anew, into docs/screens")
    parser.addoption("--seed", type=int, help="play the long random histories of a federation from this seed again")


def skipped_tests(config: pytest.Config) -> list[str]:
    """The names of the tests that were skipped in this run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return [] if reporter is None else [report.nodeid for report in reporter.stats.get("skipped", [])]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn a green run with skips into a failed one where skips are forbidden."""
    green = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if green and session.config.getoption("--no-skips") and skipped_tests(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests were skipped, and which."""
    names = skipped_tests(config)
    verdict = ", which --no-skips forbids" if names and config.getoption("--no-skips") else ""
    terminalreporter.write_line(f"skipped: {len(names)}{verdict}")
    for name in names:
        terminalreporter.write_line(f"  {name}")
