"""The checks of `./run lint` as tests, so that one command shows everything."""

import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from shared_schema import SOFTWARE_VERSION

ROOT = Path(__file__).resolve().parents[2]


def read_checks() -> dict[str, Sequence[str]]:
    """The checks that the runner runs, taken from the runner itself."""
    loader = SourceFileLoader("run_script", str(ROOT / "run"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    script = importlib.util.module_from_spec(spec)
    loader.exec_module(script)
    checks: dict[str, Sequence[str]] = script.CHECKS
    return checks


CHECKS = read_checks()


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CHECKS)
def test_the_check_passes(name: str) -> None:
    program, *options = CHECKS[name]
    command = [str(Path(sys.executable).parent / program), *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{name}:\n{result.stdout}{result.stderr}"


def contract_sources(project: dict[str, Any], contract: str) -> set[str]:
    """The modules that an import contract speaks about."""
    contracts = {entry["id"]: entry for entry in project["tool"]["importlinter"]["contracts"]}
    return set(contracts[contract]["source_modules"])


def test_both_contracts_about_rules_name_the_same_modules(project: dict[str, Any]) -> None:
    pure = contract_sources(project, "pure-modules")
    assert pure == contract_sources(project, "pure-modules-get-their-inputs")


def test_the_version_is_written_once(project: dict[str, Any]) -> None:
    public_code = (ROOT / "publiccode.yml").read_text(encoding="utf-8")
    assert f"\nsoftwareVersion: {project['project']['version']}\n" in public_code


def test_the_programs_name_the_version_that_the_project_has(project: dict[str, Any]) -> None:
    assert project["project"]["version"] == SOFTWARE_VERSION
