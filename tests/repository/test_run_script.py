"""`./run` on machines that lack something, and with arguments that it does not know."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

OLD_PYTHON = "import sys; sys.version_info = (3, 9, 2, 'final', 0)"
# None in sys.modules is how Python itself says that a module cannot be imported.
NO_VENV = "import sys; sys.modules['ensurepip'] = None"


def call_run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Call the project's runner as a person would."""
    command = [sys.executable, str(ROOT / "run"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def call_copy(folder: Path, preparation: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call a copy of the runner that has no .venv, in an interpreter that was changed beforehand."""
    copy = folder / "run"
    copy.write_bytes((ROOT / "run").read_bytes())
    (folder / "requirements").mkdir()
    for name in ("runtime.txt", "dev.txt"):
        (folder / "requirements" / name).write_text("")
    start = f"{preparation}; import runpy; sys.argv = ['run', *{arguments!r}]; "
    start += f"runpy.run_path({str(copy)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", start], capture_output=True, text=True, check=False)


def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    result = call_copy(tmp_path, OLD_PYTHON, "demo")
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("run: expected Python 3.11 or newer, got 3.9;")
    assert result.stderr.count("\n") == 1


def test_a_python_without_venv_is_told_the_package_to_install(tmp_path: Path) -> None:
    result = call_copy(tmp_path, NO_VENV, "demo")
    assert result.returncode == 2
    assert "python3-venv" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"], []])
def test_help_names_every_verb(arguments: list[str]) -> None:
    result = call_run(*arguments)
    assert result.returncode == 0
    for verb in ("demo", "test", "lint", "bench", "lock", "node", "hub", "help"):
        assert f"\n  {verb} " in result.stdout
    assert result.stderr == ""


def test_an_unknown_verb_is_refused_and_the_known_ones_named() -> None:
    result = call_run("demos")
    assert result.returncode == 2
    assert "got demos" in result.stderr
    assert "demo, test, lint" in result.stderr


def test_an_unknown_measurement_is_refused_and_the_known_ones_named() -> None:
    command = [sys.executable, "-m", "tests.bench", "no-such-measurement"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("expected one of ")
    assert result.stderr.count("\n") == 1


@pytest.mark.long
def test_a_half_made_environment_is_made_again_and_the_launchers_work(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    leftover = tmp_path / ".venv" / "bin" / "python"
    leftover.write_text("half of a program")
    package = tmp_path / "local_node"
    package.mkdir()
    (package / "__main__.py").write_text("import sys; print('started with', sys.argv[1:]); sys.exit(7)")

    first = call_copy(tmp_path, "import sys", "node", "one", "two words")
    assert first.stdout == "started with ['one', 'two words']\n", first.stderr
    assert first.returncode == 7, "the program's exit code passes through"
    assert "making .venv" in first.stderr

    command = [sys.executable, str(tmp_path / "run"), "node"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False, env=os.environ)
    assert (second.returncode, second.stdout) == (7, "started with []\n")
    assert second.stderr == "", "nothing is made a second time"

    (tmp_path / "requirements" / "runtime.txt").write_text("# changed\n")
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "making .venv" in third.stderr


@pytest.mark.parametrize(
    "chosen", [["tests/regional_hub"], ["-k", "receipt"], ["-s"], ["-n", "3"], ["--pdb"], ["-q", "-s"]]
)
def test_a_part_of_the_tests_runs_in_one_process(chosen: list[str]) -> None:
    assert runpy.run_path(str(ROOT / "run"))["side_by_side"](chosen) == []


@pytest.mark.long
def test_what_uv_cannot_install_is_installed_by_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "uv").write_text("#!/bin/sh\nexit 3\n")
    (programs / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    package = tmp_path / "local_node"
    package.mkdir()
    (package / "__main__.py").write_text("print('started')")
    result = call_copy(tmp_path, "import sys", "node")
    assert (result.returncode, result.stdout) == (0, "started\n")
    assert "uv could not; trying pip" in result.stderr


@pytest.mark.parametrize("chosen", [[], ["--no-skips"], ["-q", "--durations=5"]])
def test_a_whole_run_uses_the_processors(chosen: list[str]) -> None:
    options = runpy.run_path(str(ROOT / "run"))["side_by_side"](chosen)
    assert options[0] == "-n" and int(options[1]) == min(2 * (os.cpu_count() or 1), 8)
