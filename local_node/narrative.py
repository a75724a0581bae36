"""Words: find what could point to a person, before a second person reads.

It fails closed: every finding blocks a release until the reviewer has accepted it with a reason. It works on German and
English, needs no network and no list of names; it is a net under the reviewer and not in place of one. What it cannot
see (a name without a title, a story that only one family has) is why a second person reads at all.

    screen({"summary": "Write to anna@example.org"}).findings
    -> (Finding(field="summary", start=9, end=25, kind=FindingKind.EMAIL, why="..."),)
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

DETECTOR: Final = "narrative/0.1"
"""What a statement's review note says was used; raise it with every change of the patterns."""

CODED_FIELDS: Final = frozenset(
    {
        *("phenomenon", "prevention_level", "agencies", "outcome", "evidence_level", "intervention", "setting"),
        *("failure_factors", "cost", "staff", "reach", "tension", "attribution", "language", "review_by"),
        *("area", "review", "adapted_from", "practice", "question", "about", "digest", "reason", "replaces"),
        "archived",
    }
)
"""Fields that hold terms of the vocabulary, places and digests only. Every other text of a body is free text."""


class FindingKind(StrEnum):
    EMAIL = "email"
    URL = "url"
    HANDLE = "handle"
    ACCOUNT = "account"
    DATE = "date"
    AGE = "age"
    PHONE = "phone"
    NAME = "name"
    SMALL_NUMBER = "small-number"


WHY: Final[Mapping[FindingKind, str]] = MappingProxyType(
    {
        FindingKind.EMAIL: "an e-mail address leads to one person",
        FindingKind.URL: "a link may lead to a person's page",
        FindingKind.HANDLE: "a handle is a person's name online",
        FindingKind.ACCOUNT: "this looks like the number of a bank account",
        FindingKind.DATE: "an exact day can be looked up; a month or a year says enough",
        FindingKind.AGE: "an exact age narrows down who it was; an age band says enough",
        FindingKind.PHONE: "this looks like a telephone number or a person's identity number",
        FindingKind.NAME: "this looks like a person's name",
        FindingKind.SMALL_NUMBER: "so few people may be recognised; say a few or leave the number out",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A passage, by its first character and the one after its last in the text of `field`."""

    field: str
    start: int
    end: int
    kind: FindingKind
    why: str


@dataclass(frozen=True)
class ScreenedText:
    """Texts that have been looked through. Only `screen` makes one."""

    fields: Mapping[str, str]
    findings: tuple[Finding, ...]


def screen(fields: Mapping[str, str]) -> ScreenedText:
    """Look through texts and return them with everything that was found, in the order of the fields and places."""
    findings = tuple(finding for field, text in fields.items() for finding in _find(field, text))
    return ScreenedText(MappingProxyType(dict(fields)), findings)


def free_texts(body: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Every text of a body (as plain JSON) that somebody typed, by the dotted name of its field.

    A field that nobody has listed in CODED_FIELDS is taken for free text.
    """
    texts: dict[str, str] = {}
    for name, value in body.items():
        if not place and name in CODED_FIELDS:
            continue
        where = f"{place}{name}"
        if isinstance(value, str):
            texts[where] = value
        elif isinstance(value, Mapping):
            texts |= free_texts(value, f"{where}.")
        elif isinstance(value, (list, tuple)):
            texts |= free_texts({str(index): item for index, item in enumerate(value)}, f"{where}.")
    return texts


def _find(field: str, text: str) -> Iterator[Finding]:
    """Findings in one text; of two that overlap, the one that begins first (or is longer) stands for both."""
    found = [
        (match.start(), -match.end(), kind) for kind, pattern in PATTERNS.items() for match in pattern.finditer(text)
    ]
    reached = 0
    for start, negative_end, kind in sorted(found):
        if start >= reached:
            reached = -negative_end
            yield Finding(field, start, reached, kind, WHY[kind])


# --- the patterns --------------------------------------------------------------------------------------------------

_MONTHS = (
    "Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|March|März|Mar|Apr(?:il)?|May|Mai|June?|Juni|July?|Juli|Aug(?:ust)?|"
    "Sept?(?:ember)?|O[ck]t(?:ober)?|Nov(?:ember)?|De[cz](?:ember)?"
)
_NUMBERS_EN = "two|three|four|five|six|seven|eight|nine|ten"
_NUMBERS_DE = "zwei|zwo|drei|vier|fünf|sechs|sieben|acht|neun|zehn"
_TEENS_EN = (
    "eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty(?:-\\w+)?|thirty(?:-\\w+)?"
)
_TEENS_DE = "elf|zwölf|dreizehn|vierzehn|fünfzehn|sechzehn|siebzehn|achtzehn|neunzehn|\\w*(?:zwanzig|dreißig|vierzig)"
_AGE_NUMBER = rf"(?:\d{{1,2}}|{_NUMBERS_EN}|{_TEENS_EN}|{_NUMBERS_DE}|{_TEENS_DE})"
_TITLES = (
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor(?:in)?|Herrn?|Frau|Fräulein|Familie|Imam|Scheich|Sheikh|Pastor(?:in)?|"
    r"Pfarrer(?:in)?|Rabbi(?:ner)?)"
)
_CAPITALISED = r"[^\W\d_a-zäöüß][\w'’-]+"
_ONE = (
    r"boy|girl|man|woman|child|teenager|youngster|youth|adolescent|pupil|student|person|participant|client|inmate|"
    r"prisoner|detainee|returnee|refugee|migrant|convert|offender|suspect|victim|brother|sister|mother|father|son|"
    r"daughter|parent|family|couple|"
    r"Junge|Mädchen|Mann|Frau|Kind|Jugendlicher?|Schüler(?:in)?|Person|Teilnehmer(?:in)?|Klient(?:in)?|Häftling|"
    r"Rückkehrer(?:in)?|Flüchtling|Bruder|Schwester|Mutter|Vater|Sohn|Tochter|Familie|Täter(?:in)?"
)
_SEVERAL = (
    r"boys|girls|men|women|children|kids|teenagers|youngsters|youths|adolescents|pupils|students|persons|people|"
    r"participants|clients|inmates|prisoners|detainees|returnees|refugees|migrants|converts|offenders|suspects|victims|"
    r"brothers|sisters|mothers|fathers|sons|daughters|parents|families|couples|individuals|"
    r"Jungen?|Jungs|Mädchen|Männern?|Frauen|Kindern?|Jugendlichen?|Schüler(?:n|innen)?|Personen|Menschen|"
    r"Teilnehmer(?:n|innen)?|Teilnehmenden?|Klient(?:en|innen)|Häftlingen?|Inhaftierten?|Rückkehrer(?:n|innen)?|"
    r"Geflüchteten?|Flüchtlingen?|Brüdern?|Schwestern|Müttern?|Vätern?|Söhnen?|Töchtern?|Eltern|Familien|"
    r"Täter(?:n|innen)?"
)
# One or two words may stand between, as in "three young men" or "two of the boys", but no other thing that is counted.
_BETWEEN = (
    r"(?:(?!(?:years?|months?|weeks?|days?|hours?|minutes?|evenings?|meetings?|times|schools?|Jahren?|Monaten?|Wochen|"
    r"Tagen?|Stunden|Minuten|Abenden?|Treffen|Schulen|and|or|und|oder|to|bis)\b)[\w-]+\s+){0,2}"
)

PATTERNS: Final[Mapping[FindingKind, re.Pattern[str]]] = MappingProxyType(
    {
        FindingKind.EMAIL: re.compile(r"[\w.+-]+\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", re.I),
        FindingKind.URL: re.compile(
            r"\b(?:https?://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:de|com|org|net|eu|info|at|ch|nl|fr|be|io|me|tv)\b(?:/\S*)?",
            re.I,
        ),
        FindingKind.HANDLE: re.compile(r"(?<![\w.])@\w{2,}"),
        FindingKind.ACCOUNT: re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,3})?\b"),
        FindingKind.DATE: re.compile(
            r"\b\d{4}-\d{1,2}-\d{1,2}\b"
            r"|\b(?:[12]\d|3[01]|0?[1-9])\.\s?(?:1[0-2]|0?[1-9])\.(?:\s?\d{2,4}\b)?"
            r"|\b\d{1,2}/\d{1,2}/\d{2,4}\b"
            rf"|\b\d{{1,2}}(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?:{_MONTHS})\b"
            rf"|\b(?:{_MONTHS})\.?\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?\b(?![:.]?\d)"
        ),
        FindingKind.AGE: re.compile(
            rf"\b{_AGE_NUMBER}[-\s]?years?[-\s]?olds?\b"
            rf"|\b(?:aged|(?:at\s+)?(?:the\s+)?age\s+of|im\s+Alter\s+von)\s+{_AGE_NUMBER}\b"
            rf"|\b{_AGE_NUMBER}[-\s]?jährig\w*"
            rf"|\b{_AGE_NUMBER}\s+Jahre\s+alt\b"
            r"|\b(?:he|she|they|er|sie)\s+(?:was|is|were|are|war|ist)\s+(?:only\s+|erst\s+)?\d{1,2}\b",
            re.I,
        ),
        FindingKind.PHONE: re.compile(
            r"(?<![\w.,])(?!(?:19|20)\d\d\s?[-–/]\s?(?:19|20)\d\d\b)(?:\+|\(?0)?\d(?:[\s()/.–-]{0,3}\d){6,}(?!\w)"
        ),
        FindingKind.NAME: re.compile(
            rf"\b{_TITLES}\b\.?\s+(?:(?:Dr|Prof|von|van|de|al)\b\.?\s+)*{_CAPITALISED}"
            rf"|\b(?:named|namens)\s+{_CAPITALISED}"
            rf"|\b{_CAPITALISED}\s+[A-ZÄÖÜ]\.(?=[\s,;)]|$)"
        ),
        FindingKind.SMALL_NUMBER: re.compile(
            rf"(?<![\w.,])(?:(?:1|one|(?:eine?[nmrs]?\s+)?einzige[nmrs]?)\s+{_BETWEEN}(?:{_ONE})"
            rf"|(?:[2-9]|10|{_NUMBERS_EN}|{_NUMBERS_DE}|both|beiden?)\s+{_BETWEEN}(?:{_SEVERAL}))\b",
            re.I,
        ),
    }
)
