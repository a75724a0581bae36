"""The programs on the page for Excel, R and Python run as they stand, against a real server.

R runs in the long run alone, where it is installed; Excel's language has no interpreter here, so of its snippet the
address, the header and the encoding are held to what the interface serves.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from regional_hub.web.snippets import TOKEN_VARIABLE, Snippet, snippets_for
from tests.regional_hub.running import EventLoop, Network, RunningHub
from tests.regional_hub.test_figures import NAMES, SEPTEMBER, release
from tests.regional_hub.test_workbench import ask, token_of
from tests.serving import serving
from tests.shared_schema import builders


@pytest.fixture
def running(network: Network, loop: EventLoop, tmp_path: Path, free_port: int) -> Iterator[RunningHub]:
    """A hub with a shown month and a withheld one, which listens on loopback."""
    with RunningHub.start(network, loop, tmp_path / "hub", port=free_port) as hub:
        cities = [hub.enrol(name) for name in NAMES]
        release(hub, cities[:2], SEPTEMBER, 50, 70, 90)
        release(hub, cities, builders.MONTH, 50, 70, 90)
        with serving(hub.app, free_port):
            yield hub


@pytest.fixture
def snippets(running: RunningHub) -> Mapping[str, Snippet]:
    link = ask(running, "from=2026-09&to=2026-10").headers["content-location"]
    return snippets_for(link.removesuffix("&format=json"))


def run(command: list[str], folder: Path, token: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {TOKEN_VARIABLE: token}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def bearer(hub: RunningHub) -> str:
    return token_of(hub)["Authorization"].removeprefix("Bearer ")


def test_the_one_for_python_prints_every_figure(
    snippets: Mapping[str, Snippet], running: RunningHub, tmp_path: Path
) -> None:
    done = run([sys.executable, "-W", "error", "-c", snippets["python"].text], tmp_path, bearer(running))
    assert (done.returncode, done.stderr) == (0, "")
    assert "DED verbal 2026-10 A 150" in done.stdout
    assert "DED verbal 2026-09 Q   \n" in done.stdout


def test_with_a_wrong_token_it_fails_and_prints_nothing(snippets: Mapping[str, Snippet], tmp_path: Path) -> None:
    done = run([sys.executable, "-c", snippets["python"].text], tmp_path, "pxn_wrong")
    assert done.returncode != 0 and done.stdout == "" and "401" in done.stderr


def test_the_one_for_the_shell_writes_the_file(
    snippets: Mapping[str, Snippet], running: RunningHub, tmp_path: Path
) -> None:
    assert shutil.which("curl"), "expected curl"
    done = run(["sh", "-c", snippets["curl"].text], tmp_path, bearer(running))
    assert (done.returncode, done.stderr) == (0, "")
    (written,) = tmp_path.glob("figures-*.csv")
    assert "150" in written.read_text(encoding="utf-8-sig")


@pytest.mark.long
def test_the_one_for_r_reads_what_is_withheld_as_na(
    snippets: Mapping[str, Snippet], running: RunningHub, tmp_path: Path
) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed (Debian: r-base-core)")
    (tmp_path / "figures.R").write_text(snippets["r"].text)
    done = run(["Rscript", "figures.R"], tmp_path, bearer(running))
    assert done.returncode == 0, done.stderr
    assert "150" in done.stdout and "NA" in done.stdout


def test_the_one_for_excel_asks_for_what_the_interface_has(snippets: Mapping[str, Snippet]) -> None:
    text = snippets["excel"].text
    assert "&format=csv" in text and "Encoding = 65001" in text and '"Bearer TOKEN"' in text
