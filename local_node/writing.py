"""Writing in the node: what a person has typed so far, and what is still missing before anybody can be asked.

What is typed is kept as it is typed, complete or not: a draft that loses a sentence is not used twice. Only the form of
the characters is put in order, because a text that is put together in another way looks the same and could not be
signed. The fields are those of the bodies in `shared_schema/content.py`; pure, nothing is stored here.

    fields = read_fields(Kind.PRACTICE, form)           what the form sent, as the draft keeps it
    find_gaps(Kind.PRACTICE, fields)                    (Gap("summary", "too-many-words", 100),)
    body_of(Kind.PRACTICE, fields)                      what `release.request_words` takes
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from local_node.drafts import agency_of
from local_node.errors import NodeError
from local_node.folding import without_invisible
from shared_schema import canonical
from shared_schema.errors import ContractError
from shared_schema.statement import STATEMENT_BODIES, Kind

Value = str | tuple[str, ...]
Fields = Mapping[str, Value]

MAX_FIELDS_BYTES: Final = 256 * 1024
"""As much as an envelope may have. A text that is too long for its field is kept all the same, and said to be so."""
MAX_CHOICES: Final = 200
"""In one list: far more than any list of the vocabulary has."""
FORM_KINDS: Final = (Kind.PRACTICE, Kind.BULLETIN, Kind.QUESTION, Kind.EXPERIENCE, Kind.ANSWER)
AGENCY_ROWS: Final = "agencies"
"""A list of `type:role`, such as `youth:deliver`."""

_LANGUAGE: Final = "language"
TEXTS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.PRACTICE: (
            *("title", "summary", "lessons", "target_group", "unintended_effects", "transfer_conditions"),
            *("emmie.effect", "emmie.mechanism", "emmie.moderators", "emmie.implementation", "emmie.economics"),
        ),
        Kind.EXPERIENCE: ("changes", "lessons"),
        Kind.BULLETIN: ("title", "text"),
        Kind.QUESTION: ("title", "text"),
        Kind.ANSWER: ("text",),
    }
)
"""Fields in which a person writes."""
CHOICES: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.PRACTICE: (
            *("prevention_level", "outcome", "evidence_level", "cost", "staff", "reach", "review_by"),
            *("adapted_from", "replaces", "attribution", _LANGUAGE),
        ),
        Kind.EXPERIENCE: ("practice", "outcome", "evidence_level", "replaces", "attribution", _LANGUAGE),
        Kind.BULLETIN: ("tension", "replaces", _LANGUAGE),
        Kind.QUESTION: ("about", "replaces", _LANGUAGE),
        Kind.ANSWER: ("question", "attribution", "replaces", _LANGUAGE),
    }
)
"""Fields with one code or one digest."""
LISTS: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.PRACTICE: ("phenomenon", AGENCY_ROWS, "intervention", "setting", "failure_factors"),
        Kind.EXPERIENCE: (),
        Kind.BULLETIN: ("phenomenon",),
        Kind.QUESTION: ("phenomenon",),
        Kind.ANSWER: (),
    }
)
"""Fields with several codes."""
POINTERS: Final[Mapping[Kind, str]] = MappingProxyType(
    {Kind.EXPERIENCE: "practice", Kind.ANSWER: "question", Kind.QUESTION: "about"}
)
"""The field that says which item another city's words are about."""
_FILLED_IN: Final = MappingProxyType(
    {
        "area": {"scheme": "LAU", "version": "2024", "code": "00000000"},
        "review": {"role": "reviewer", "detector": "none", "findings": 0},
    }
)
"""In place of what the node says itself when somebody asks for the release."""
_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "missing",
        "string_too_short": "too-short",
        "string_too_long": "too-long",
        "value_error": "too-many-words",
        "too_short": "missing",
        "too_long": "too-many",
        "string_pattern_mismatch": "form",
    }
)
"""What pydantic found -> what a person is told; anything else is a choice that the vocabulary does not have."""


class WritingError(NodeError):
    """What was typed cannot be kept as a draft."""

    code = "draft"


@dataclass(frozen=True, slots=True)
class Gap:
    """What a field still needs. `limit` is the number that was passed or not reached, where there is one."""

    field: str
    code: str
    limit: int | None = None


def tidy(text: str) -> str:
    """The same text in the one form that can be signed: NFC, line ends as on Unix, nothing that nobody sees.

    A person cannot see whether an `ü` is one character or two, nor what a word processor hides in a line, so this is
    put in order and not refused.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    seen = "".join(each for each in without_invisible(plain) if each == "\n" or not _is_control(each))
    return unicodedata.normalize("NFC", seen)


def _is_control(character: str) -> bool:
    """Control characters, halves of a pair, the two separators of lines that no keyboard has."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


def read_fields(kind: Kind, given: Mapping[str, Sequence[str]]) -> dict[str, Value]:
    """What a form sent, in order and without what is empty; names that this kind does not have are left out.

    Raises WritingError for more than a draft can hold.
    """
    fields: dict[str, Value] = {}
    for name in TEXTS[kind]:
        fields[name] = tidy("\n".join(given.get(name, ()))).strip()
    for name in CHOICES[kind]:
        fields[name] = tidy(next(iter(given.get(name, ())), "")).strip()
    for name in LISTS[kind]:
        codes = dict.fromkeys(tidy(code).strip() for code in given.get(name, ()))
        fields[name] = tuple(code for code in codes if code and code != ":")
        if len(fields[name]) > MAX_CHOICES:
            raise WritingError(f"expected at most {MAX_CHOICES} choices in {name}", code="draft-too-large")
    return _kept({name: value for name, value in fields.items() if value})


def _kept(fields: dict[str, Value]) -> dict[str, Value]:
    if len(store_fields(fields).encode()) > MAX_FIELDS_BYTES:
        raise WritingError(f"expected a draft of at most {MAX_FIELDS_BYTES // 1024} KiB", code="draft-too-large")
    return fields


def store_fields(fields: Fields) -> str:
    """The fields as the canonical JSON text that a row keeps."""
    return canonical.encode(fields).decode()


def load_fields(text: str) -> dict[str, Value]:
    """The inverse of `store_fields`."""
    found = canonical.parse_strict(text.encode())
    return {name: tuple(value) if isinstance(value, list) else str(value) for name, value in found.items()}


def body_of(kind: Kind, fields: Fields) -> dict[str, Any]:
    """The body that would be asked for, as plain JSON values, without what the node fills in; complete or not."""
    body: dict[str, Any] = {}
    for name, value in fields.items():
        if kind is Kind.ANSWER and (name, value) == ("attribution", "city"):
            continue  # an answer in the city's name says nothing of it (`content.AnswerBody`)
        holder, _, last = name.rpartition(".")
        inner = body.setdefault(holder, {}) if holder else body
        inner[last] = (
            [agency_of(each) if name == AGENCY_ROWS else each for each in value] if name in LISTS[kind] else value
        )
    return body


def fields_of(kind: Kind, body: Mapping[str, Any]) -> dict[str, Value]:
    """The inverse of `body_of`, for a text that was written before; what the node fills in is left out."""
    given: dict[str, Sequence[str]] = {}
    for name in (*TEXTS[kind], *CHOICES[kind]):
        holder, _, last = name.rpartition(".")
        value = (body.get(holder) or {}).get(last) if holder else body.get(last)
        given[name] = () if value is None else (str(value),)
    for name in LISTS[kind]:
        items = body.get(name) or ()
        given[name] = [f"{each['type']}:{each['role']}" for each in items] if name == AGENCY_ROWS else list(items)
    return read_fields(kind, given)


def find_gaps(kind: Kind, fields: Fields) -> tuple[Gap, ...]:
    """What is missing or too long before anybody can be asked, each field once, in the order of the form."""
    body = body_of(kind, fields)
    model = STATEMENT_BODIES[kind]
    filled = {name: value for name, value in _FILLED_IN.items() if name in model.model_fields}
    try:
        model.model_validate_json(canonical.encode(body | filled))
    except ValidationError as error:
        return _gaps_of(kind, error)
    except ContractError:  # what `tidy` lets pass can be signed; another text was never typed here
        return (Gap("", "form"),)
    return ()


def _gaps_of(kind: Kind, error: ValidationError) -> tuple[Gap, ...]:
    found: dict[str, Gap] = {}
    for item in error.errors(include_input=False, include_url=False):
        place = [str(part) for part in item["loc"]]
        field = ".".join(place[:2]) if place and place[0] == "emmie" else (place or [""])[0]
        found.setdefault(field, Gap(field, _CODES.get(item["type"], "unknown-choice"), _limit_of(item)))
    order = [*TEXTS[kind], *CHOICES[kind], *LISTS[kind]]
    return tuple(sorted(found.values(), key=lambda gap: order.index(gap.field) if gap.field in order else len(order)))


def _limit_of(item: Any) -> int | None:
    """The number that a rule names: `max_length` of pydantic, or the one in our own sentence about words."""
    context = item.get("ctx", {})
    for name in ("max_length", "min_length"):
        if name in context:
            return int(context[name])
    numbers = [word for word in str(context.get("error", "")).split() if word.isdecimal()]
    return int(numbers[0]) if numbers else None


def title_of(kind: Kind, fields: Fields) -> str:
    """What a draft is called in a list: its title, or its first words; "" while nothing is written."""
    for name in TEXTS[kind]:
        text = str(fields.get(name, "")).strip()
        if text:
            return text.split("\n")[0][:120]
    return ""
