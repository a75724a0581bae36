"""A coarser wording for a passage that points to a person: what is still worth telling, without the person.

coarser_wording(FindingKind.AGE, "a 15-year-old pupil", "en")      "a young person"
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from local_node.patterns import FindingKind

ADULT, YOUNG_ADULT, YOUNG = 27, 18, 14
"""Ages (years) from which somebody is called an adult, a young adult, a young person."""

_AGE_WORDS: Final[Mapping[str, tuple[str, str, str, str]]] = MappingProxyType(
    {
        "en": ("a child", "a young person", "a young adult", "an adult"),
        "de": ("ein Kind", "ein junger Mensch", "ein junger Erwachsener", "eine erwachsene Person"),
        "fr": ("un enfant", "un jeune", "un jeune adulte", "un adulte"),
        "nl": ("een kind", "een jongere", "een jongvolwassene", "een volwassene"),
        "da": ("et barn", "en ung", "en ung voksen", "en voksen"),
    }
)
_WORDS: Final[Mapping[str, Mapping[FindingKind, str]]] = MappingProxyType(
    {
        "en": {
            FindingKind.NAME: "a person",
            FindingKind.SMALL_NUMBER: "a few people",
            FindingKind.ADDRESS: "a place in the city",
            FindingKind.LOCAL: "a place or agency in the city",
            FindingKind.COMBINATION: "a person",
            FindingKind.DATE: "at that time",
        },
        "de": {
            FindingKind.NAME: "eine Person",
            FindingKind.SMALL_NUMBER: "einige Menschen",
            FindingKind.ADDRESS: "ein Ort in der Stadt",
            FindingKind.LOCAL: "ein Ort oder eine Stelle in der Stadt",
            FindingKind.COMBINATION: "eine Person",
            FindingKind.DATE: "damals",
        },
        "fr": {
            FindingKind.NAME: "une personne",
            FindingKind.SMALL_NUMBER: "quelques personnes",
            FindingKind.ADDRESS: "un lieu de la ville",
            FindingKind.LOCAL: "un lieu ou un service de la ville",
            FindingKind.COMBINATION: "une personne",
            FindingKind.DATE: "à cette époque",
        },
        "nl": {
            FindingKind.NAME: "een persoon",
            FindingKind.SMALL_NUMBER: "enkele mensen",
            FindingKind.ADDRESS: "een plek in de stad",
            FindingKind.LOCAL: "een plek of dienst in de stad",
            FindingKind.COMBINATION: "een persoon",
            FindingKind.DATE: "destijds",
        },
        "da": {
            FindingKind.NAME: "en person",
            FindingKind.SMALL_NUMBER: "nogle få mennesker",
            FindingKind.ADDRESS: "et sted i byen",
            FindingKind.LOCAL: "et sted eller en instans i byen",
            FindingKind.COMBINATION: "en person",
            FindingKind.DATE: "dengang",
        },
    }
)
_NUMBER_WORDS: Final = MappingProxyType(
    {
        **dict.fromkeys(("eleven", "elf", "onze", "elleve"), 11),
        **dict.fromkeys(("twelve", "zwölf", "douze", "twaalf", "tolv"), 12),
        **dict.fromkeys(("thirteen", "dreizehn", "treize", "dertien", "tretten"), 13),
        **dict.fromkeys(("fourteen", "vierzehn", "quatorze", "veertien", "fjorten"), 14),
        **dict.fromkeys(("fifteen", "fünfzehn", "quinze", "vijftien", "femten"), 15),
        **dict.fromkeys(("sixteen", "sechzehn", "seize", "zestien", "seksten"), 16),
        **dict.fromkeys(("seventeen", "siebzehn", "dix-sept", "zeventien", "sytten"), 17),
        **dict.fromkeys(("eighteen", "achtzehn", "dix-huit", "achttien", "atten"), 18),
        **dict.fromkeys(("nineteen", "neunzehn", "dix-neuf", "negentien", "nitten"), 19),
    }
)
_NUMBER: Final = rf"(?P<number>\d{{1,2}}|{'|'.join(_NUMBER_WORDS)})"
_AGE: Final = re.compile(
    rf"(?<!\w){_NUMBER}(?=[-\s]?(?:years?|yrs?|y/?o\b|jährig|jarig|årig|ans\b|Jahre|jaar|år\b)|\s*[),]|\s*$)",
    re.IGNORECASE,
)
_ARTICLE: Final = re.compile(r"(?:an?|eine?|une?|een|en|et)\s", re.IGNORECASE)
_LAST_ARTICLE: Final = re.compile(
    r"\b(?:an?|the|eine?[rnms]?|der|die|das|une?|le|la|een|de|het|en|et)\s+$", re.IGNORECASE
)
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")


def mask_for(kind: FindingKind) -> str:
    """What stands in place of a masked passage: the kind of thing, in brackets."""
    return f"[{kind.value}]"


def coarser_wording(kind: FindingKind, passage: str, language: str) -> str | None:
    """A wording that says less; None where only a mask is left, as for a telephone number."""
    words = _WORDS.get(language, _WORDS["en"])
    if kind is FindingKind.DATE and (year := _YEAR.search(passage)):
        return year[0]
    if kind in (FindingKind.AGE, FindingKind.COMBINATION) and (age := _age_in(passage)) is not None:
        child, young, young_adult, adult = _AGE_WORDS.get(language, _AGE_WORDS["en"])
        return child if age < YOUNG else young if age < YOUNG_ADULT else young_adult if age < ADULT else adult
    return words.get(kind)


def put_in_place(text: str, start: int, end: int, wording: str) -> str:
    """The text with a wording in the place of the passage [start, end)."""
    before = text[:start]
    if _ARTICLE.match(wording):  # "a 15-year-old" becomes "a young person", not "a a young person"
        before = _LAST_ARTICLE.sub("", before)
    return before + wording + text[end:]


def _age_in(passage: str) -> int | None:
    """The age that the passage tells as one: `himself` has no `elf` in it, and the 3 in `mother of 3` is none."""
    found = _AGE.search(passage)
    if found is None:
        return None
    number = found["number"].lower()
    return int(number) if number.isdecimal() else _NUMBER_WORDS[number]
