"""Write `vocabulary.py` from `vocabulary.json`.

The JSON is the source: terms, labels, where each comes from, how it maps to other lists. The enums are written out in
full so that the type checker and a reader see every member; a test fails when file and JSON differ.

    python -m shared_schema._generate_vocabulary
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Final

VERSION: Final = 1  # raise it with every change of vocabulary.json; a hub's policy names the version in force

HEADER: Final = '''"""The shared vocabulary: controlled terms as enums, with English labels.

Generated from `vocabulary.json`; change that file and run `python -m shared_schema._generate_vocabulary`.
Codes are language-neutral and stay; labels are for readers and are translated elsewhere. Only these codes may leave a
node, so a term that a city adds for itself is not here.

    Phenomenon("REL.ISL") is Phenomenon.REL_ISL
    label(Outcome.NO_EFFECT)
"""
# ruff: noqa: E741 - SDMX status letters keep their names, O among them

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final
'''

FOOTER: Final = '''

def label(term: StrEnum) -> str:
    """The English label of a term. Raises KeyError when the term is of none of these vocabularies."""
    return _labels()[type(term)][term.value]


@cache
def _labels() -> Mapping[type[StrEnum], Mapping[str, str]]:
    """Read the labels once, when somebody first asks for one."""
    document = json.loads(resources.files(__package__).joinpath("vocabulary.json").read_text(encoding="utf-8"))
    return {
        VOCABULARIES[name]: {term["code"]: term["label"] for term in terms}
        for name, terms in document["vocabularies"].items()
    }
'''


def generate(source: str) -> str:
    """The text of `vocabulary.py` for the text of `vocabulary.json`.

    Raises ValueError when two codes of one list would become the same member.
    """
    vocabularies: Mapping[str, list[dict[str, str]]] = json.loads(source)["vocabularies"]
    classes = "".join(_class_text(name, terms) for name, terms in vocabularies.items())
    index = "".join(f'        "{name}": {class_name(name)},\n' for name in vocabularies)
    version = f"\nVOCABULARY_VERSION: Final = {VERSION}\n"
    by_name = "VOCABULARIES: Final[Mapping[str, type[StrEnum]]] = MappingProxyType"
    return f"{HEADER}{version}{classes}\n\n{by_name}(\n    {{\n{index}    }}\n)\n{FOOTER}"


def class_name(vocabulary: str) -> str:
    """`agency_type` → `AgencyType`."""
    return "".join(word.capitalize() for word in vocabulary.split("_"))


def member_name(code: str) -> str:
    """`REL.ISL` → `REL_ISL`, `_U` → `UNKNOWN`, `0` → `LEVEL_0`."""
    if code == "_U":
        return "UNKNOWN"
    name = re.sub(r"[^0-9A-Za-z]+", "_", code).upper()
    return f"LEVEL_{name}" if name[0].isdigit() else name


def _class_text(vocabulary: str, terms: list[dict[str, str]]) -> str:
    members = Counter(member_name(term["code"]) for term in terms)
    if clashes := sorted(name for name, times in members.items() if times > 1):
        raise ValueError(f"expected one member for each code of {vocabulary}, got several for {', '.join(clashes)}")
    return "".join(_class_lines(vocabulary, terms))


def _class_lines(vocabulary: str, terms: list[dict[str, str]]) -> Iterator[str]:
    yield f"\n\nclass {class_name(vocabulary)}(StrEnum):\n"
    for term in terms:
        code = term["code"]
        yield f'    {member_name(code)} = "{code}"  # {term["label"]}\n'


def main() -> None:
    source = resources.files(__package__).joinpath("vocabulary.json").read_text(encoding="utf-8")
    Path(__file__).with_name("vocabulary.py").write_text(generate(source), encoding="utf-8")


if __name__ == "__main__":
    main()
