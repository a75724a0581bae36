"""A body in words: its passages with what is marked in them, and its facts with the labels of the vocabulary.

The author who looks through a draft, the second person who decides, and whoever opens the outbox read the same page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local_node.marks import Piece
from local_node.web.lesson_forms import ATTRIBUTIONS, BANDS, LABELS, LEVELS, OUTCOMES, TERMS
from local_node.web.words import Words
from shared_schema.service.translations import OWN_NAMES
from shared_schema.vocabulary import AgencyRole, AgencyType, Outcome, PreventionLevel

_POINTERS: Final = ("practice", "question", "about", "adapted_from", "replaces")
_PASSAGES: Final = (
    "summary", "text", "changes", "lessons", "target_group", "unintended_effects", "transfer_conditions",
    "emmie.effect", "emmie.mechanism", "emmie.moderators", "emmie.implementation", "emmie.economics",
)  # fmt: skip
_FACTS: Final = (
    "outcome", "phenomenon", "prevention_level", "agencies", "evidence_level", "intervention", "setting",
    "failure_factors", "tension", "cost", "staff", "reach", "review_by", "language", "attribution",
)  # fmt: skip
_BANDS: Final = ("cost", "staff", "reach")


@dataclass(frozen=True, slots=True)
class Passage:
    """A text under its heading, in pieces."""

    field: str
    label: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the list below the texts."""

    label: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BodyInWords:
    """`pointers` are labels with the digests of the items that they lead to."""

    title: tuple[Piece, ...]
    passages: tuple[Passage, ...]
    facts: tuple[Fact, ...]
    pointers: tuple[tuple[str, str], ...]


def in_words(body: Mapping[str, Any], pieces: Mapping[str, tuple[Piece, ...]], words: Words) -> BodyInWords:
    """A body of words, complete or not; `pieces` are its free texts, cut where something was found."""
    passages = tuple(
        Passage(field, words.gettext(LABELS[field]), pieces[field]) for field in _PASSAGES if pieces.get(field)
    )
    facts = tuple(
        Fact(words.gettext(LABELS[field]), _values(field, body[field], words)) for field in _FACTS if body.get(field)
    )
    pointers = tuple((words.gettext(LABELS[field]), str(body[field])) for field in _POINTERS if body.get(field))
    return BodyInWords(pieces.get("title", ()), passages, facts, pointers)


def _values(field: str, value: Any, words: Words) -> tuple[str, ...]:
    if field == "agencies":
        return tuple(_agency(each, words) for each in value)
    return tuple(
        _term(field, str(each), words)
        for each in (value if isinstance(value, Sequence) and not isinstance(value, str) else (value,))
    )


def _agency(item: Any, words: Words) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    kind, role = str(item.get("type", "")), str(item.get("role", ""))
    return f"{_label(AgencyType, kind, words)}: {_label(AgencyRole, role, words)}"


def _term(field: str, code: str, words: Words) -> str:
    if field == "outcome" and code in list(Outcome):
        return words.gettext(OUTCOMES[Outcome(code)][0])
    if field == "prevention_level" and code in list(PreventionLevel):
        return words.gettext(LEVELS[PreventionLevel(code)])
    if field == "language":
        return OWN_NAMES.get(code, code)
    if field in TERMS:
        return _label(TERMS[field], code, words)
    if field == "attribution" and code in ATTRIBUTIONS:
        return words.gettext(ATTRIBUTIONS[code][0])
    if field in _BANDS and code in BANDS:
        return words.gettext(BANDS[code])
    return code


def _label(kind: type[Any], code: str, words: Words) -> str:
    """The label of a code; a code that the vocabulary does not have as it is."""
    try:
        return words.term(kind(code))
    except ValueError:
        return code
