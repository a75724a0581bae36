"""Nothing in the repository names a package registry or a path of the machine it was written on.

Where packages come from is the operator's choice, and a path of one machine is wrong on every other. The patterns hold
one letter in brackets each, and the examples a tilde that is taken out, so that this file does not match itself.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

REGISTRY_HOST = re.compile(
    r"https?://[^ \"'<>)/]*(?:py[p]i|python[h]osted|npm[j]s|[r]egistry|deb\.de[b]ian|[m]irror)", re.IGNORECASE
)
SOURCE_OPTION = re.compile(r"--(?:extra-)?[i]ndex-url|--[f]ind-links|--[t]rusted-host")
MACHINE_PATH = re.compile(r"(?<![\w.~$}\-])/(?:w[o]rk|f[a]rm|r[o]ot|h[o]me)/")

PATTERNS = {"registry host": REGISTRY_HOST, "package source option": SOURCE_OPTION, "machine path": MACHINE_PATH}


def tracked_files() -> list[Path]:
    """Every file that git tracks or would track; all files of a copy that came without git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    hidden = {".venv", "__pycache__"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.relative_to(ROOT).parts)]


def find_matches(text: str) -> list[str]:
    """What is wrong in a text, as `line number: what: the line`."""
    return [
        f"{number}: {what}: {line.strip()[:120]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in PATTERNS.items()
        if pattern.search(line)
    ]


@pytest.mark.parametrize(
    "example",
    [
        "see https://py~pi.org/simple",
        "url = 'http://files.python~hosted.org/x.whl'",
        "pip install --index~-url somewhere",
        "pip install --find~-links=wheels",
        'open("/ro~ot/.config")',
        "cd /wo~rk/main",
    ],
)
def test_the_patterns_find_what_they_are_for(example: str) -> None:
    assert find_matches(example.replace("~", ""))


@pytest.mark.parametrize(
    "example",
    ["https://hub.example.org/v1/feed", "uv pip compile --no-emit-find-links", "the mirror of the log", "a/ro~ot/b"],
)
def test_the_patterns_leave_the_rest_alone(example: str) -> None:
    assert not find_matches(example.replace("~", ""))


def test_no_file_names_a_registry_or_a_path_of_this_machine() -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image or an archive
        found += [f"{path.relative_to(ROOT)}:{match}" for match in find_matches(text)]
    assert found == []


@pytest.mark.parametrize("name", ["runtime.txt", "dev.txt"])
def test_a_lock_file_holds_versions_and_digests_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert "@ " not in text
    blocks = [block for block in text.replace("\\\n", " ").splitlines() if block and not block.startswith("#")]
    assert blocks
    for block in blocks:
        assert re.match(r"^[a-z0-9-]+==[^ ]+ ", block), f"expected a pinned version, got {block[:80]}"
        assert "--hash=sha256:" in block, f"expected a digest, got {block[:80]}"


def test_the_development_lock_holds_the_versions_of_the_runtime_lock() -> None:
    def pins(name: str) -> dict[str, str]:
        """What is pinned → where it is needed; nothing for everywhere."""
        lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        pinned = (line.removesuffix(" \\").partition(" ; ") for line in lines if "==" in line and line[0] != " ")
        return {pin: marker for pin, _, marker in pinned}

    runtime, development = pins("runtime.txt"), pins("dev.txt")
    assert {pin for pin in runtime if development.get(pin) not in (runtime[pin], "")} == set()
