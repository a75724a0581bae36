"""A city's own words, from `words.toml` in its data directory: what leads to somebody there, and what does not.

    streets = ["Lindenstraße"]          # also: schools, agencies, staff, nicknames
    known = ["Leipzig"]                 # nobody's name here

The lists never leave the node, and no error repeats an entry.
"""

import tomllib
from pathlib import Path
from typing import Final

from local_node.errors import NodeError
from local_node.narrative import LocalLists

FILE_NAME: Final = "words.toml"
POINTING: Final = ("streets", "schools", "agencies", "staff", "nicknames")
KNOWN: Final = "known"
MAX_BYTES: Final = 4 * 1024 * 1024
"""A large city has 15,000 streets, with 30 bytes each."""
MAX_ENTRY: Final = 200
FORM: Final = f"expected {FILE_NAME} with lists of texts named {', '.join((*POINTING, KNOWN))}"


class WordsError(NodeError):
    """The file with the city's own words cannot be read."""

    code = "words"


def read_local_lists(data_dir: Path, display_name: str) -> LocalLists:
    """The lists of a data directory; without the file only the city's own name is known.

    Raises WordsError: nothing is screened with half of the lists.
    """
    path = data_dir / FILE_NAME
    entries: dict[str, list[str]] = {}
    if path.exists():
        entries = _read(path)
    known = frozenset(word.lower() for text in (display_name, *entries.get(KNOWN, [])) for word in text.split())
    pointing = tuple(text for name in POINTING for text in entries.get(name, []))
    return LocalLists(pointing, known)


def _read(path: Path) -> dict[str, list[str]]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WordsError(f"expected at most {MAX_BYTES // 1024} KiB in {FILE_NAME}")
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise WordsError(FORM) from None
    for name, texts in values.items():
        if name not in (*POINTING, KNOWN) or not isinstance(texts, list):
            raise WordsError(FORM)
        if not all(isinstance(text, str) and text.strip() and len(text) <= MAX_ENTRY for text in texts):
            raise WordsError(f"{FORM}, each of 1 to {MAX_ENTRY} characters")
    return values
