"""The forms in which people write: what each field is called, what helps to fill it in, and what a form sends.

Seven fields of a practice suffice; everything else is folded. A choice has a sentence of its own, so that nobody has to
know the words of the vocabulary, and failures are asked for as kindly as successes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from starlette.datastructures import FormData

from local_node.writing import AGENCY_ROWS, CHOICES, LISTS, TEXTS, Fields, Value, read_fields
from shared_schema.service.pages.forms import FormError
from shared_schema.service.translations import N_, OWN_NAMES
from shared_schema.statement import Audience, Kind
from shared_schema.vocabulary import (
    AgencyRole,
    AgencyType,
    EvidenceLevel,
    FailureFactor,
    InterventionType,
    Outcome,
    Phenomenon,
    PreventionLevel,
    Setting,
    TensionLevel,
)

SPARE_ROWS: Final = 2
"""Empty rows for agencies below those that are filled in."""
MOST_ROWS: Final = 20
LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "title": N_("Title"),
        "summary": N_("What did you do?"),
        "lessons": N_("What would you do again, and what differently?"),
        "text": N_("Text"),
        "changes": N_("What did you change?"),
        "phenomenon": N_("What is it about?"),
        "prevention_level": N_("Whom did it reach?"),
        "agencies": N_("Who took part, and how?"),
        "outcome": N_("What came of it?"),
        "evidence_level": N_("How well was it looked at?"),
        "intervention": N_("What kind of work was it?"),
        "setting": N_("Where did it take place?"),
        "failure_factors": N_("What stood in the way?"),
        "target_group": N_("For whom was it meant?"),
        "unintended_effects": N_("What happened that nobody had wanted?"),
        "transfer_conditions": N_("What does another city need for it?"),
        "emmie.effect": N_("Effect: what changed, and by how much?"),
        "emmie.mechanism": N_("How does it work?"),
        "emmie.moderators": N_("For whom, or where, does it work better or worse?"),
        "emmie.implementation": N_("How was it carried out?"),
        "emmie.economics": N_("What did it cost, and was it worth it?"),
        "cost": N_("Money"),
        "staff": N_("Staff"),
        "reach": N_("People reached"),
        "review_by": N_("When should somebody look at it again?"),
        "language": N_("In which language is it written?"),
        "tension": N_("How tense is it?"),
        "adapted_from": N_("Adapted from"),
        "replaces": N_("Takes the place of"),
        "practice": N_("About the practice"),
        "question": N_("Answers the question"),
        "about": N_("Asks about"),
        "attribution": N_("Whose name stands on it"),
    }
)
"""Field -> what it is called, in forms and in what a second person reads."""
HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "title": N_("As you would tell a colleague in one line. At least three letters."),
        "summary": N_("Three or four sentences: what happened, where, for how long. No names, no story of one person."),
        "lessons": N_("The part that others read first."),
        "text": N_("No names, no story of one person."),
        "changes": N_("Compared with what the other city had done."),
        "phenomenon": N_("Tick one to five."),
        "agencies": N_("Kinds of agencies, never their names."),
        "failure_factors": N_("Also when it went well in the end."),
        "cost": N_("Roughly, compared with your other work."),
        "review_by": N_("A month, for example 2027-06. After it readers see that it may be out of date."),
        "emmie.effect": N_("Numbers only where they cannot lead to one family."),
    }
)
OUTCOMES: Final[Mapping[Outcome, tuple[str, str]]] = MappingProxyType(
    {
        Outcome.WORKED: (N_("It worked"), N_("How do you know? What made it work?")),
        Outcome.MIXED: (N_("Partly"), N_("What worked, what did not, and for whom?")),
        Outcome.NO_EFFECT: (
            N_("It made no difference"),
            N_("Thank you for telling: it saves another city a year. What had you expected?"),
        ),
        Outcome.HARM: (
            N_("It did harm"),
            N_("The most useful lesson of all. What would have shown it earlier? It can go without your city's name."),
        ),
        Outcome.NOT_DELIVERED: (N_("It did not come about as planned"), N_("What was missing: people, money, trust?")),
        Outcome.STOPPED: (N_("It was stopped early"), N_("Who stopped it, and was that right?")),
        Outcome.TOO_EARLY: (N_("Too early to say"), N_("What do you watch, and when will you know?")),
    }
)
"""Outcome -> how it is offered, and what is asked then."""
LEVELS: Final[Mapping[PreventionLevel, str]] = MappingProxyType(
    {
        PreventionLevel.PRIMARY: N_("Everybody, before there is anything (primary)"),
        PreventionLevel.SECONDARY: N_("Groups that may need more support (secondary)"),
        PreventionLevel.TERTIARY: N_("People who are already involved, and want out (tertiary)"),
    }
)
BANDS: Final[Mapping[str, str]] = MappingProxyType(
    {"none": N_("None at all"), "low": N_("A little"), "medium": N_("Some"), "high": N_("Much")}
)
"""How much of something, where it is written and where it is read."""
AUDIENCES: Final[Mapping[Audience, str]] = MappingProxyType(
    {
        Audience.REGION: N_("Our region"),
        Audience.NATION: N_("Our country"),
        Audience.EUROPE: N_("All of Europe"),
    }
)
ATTRIBUTIONS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "city": (N_("Our city"), N_("Others see who has written it, and can ask.")),
        "region": (
            N_("“A city in our region”"),
            N_("Our hub publishes it in its own name. Only its operator knows that it is ours."),
        ),
        "country": (
            N_("“A city in our country”"),
            N_("The same, and not even the region is named. It has to go to the country at least."),
        ),
    }
)
KINDS: Final[Mapping[Kind, tuple[str, str]]] = MappingProxyType(
    {
        Kind.PRACTICE: (N_("Something we tried"), N_("Whether it worked or not: seven fields, about ten minutes.")),
        Kind.BULLETIN: (N_("How things stand"), N_("What moves in the city at the moment, in a few sentences.")),
        Kind.QUESTION: (N_("A question to other cities"), N_("They answer in their own time, through their hubs.")),
        Kind.EXPERIENCE: (N_("We tried what another city did"), N_("How it went here. Begin from the item itself.")),
        Kind.ANSWER: (N_("An answer"), N_("To a question of another city. Begin from the question.")),
    }
)
TERMS: Final[Mapping[str, type[StrEnum]]] = MappingProxyType(
    {
        "phenomenon": Phenomenon,
        "prevention_level": PreventionLevel,
        "outcome": Outcome,
        "evidence_level": EvidenceLevel,
        "intervention": InterventionType,
        "setting": Setting,
        "failure_factors": FailureFactor,
        "tension": TensionLevel,
    }
)
"""Fields whose codes are of a list of the vocabulary."""
GAPS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": N_("This is still empty."),
        "too-short": N_("This is too short."),
        "too-long": N_("This is too long: at most %(limit)s characters."),
        "too-many-words": N_("These are too many words: at most %(limit)s."),
        "too-many": N_("These are too many: at most %(limit)s."),
        "unknown-choice": N_("Please choose from the list, and fill in both halves of a line."),
        "form": N_("This has another form than expected."),
    }
)
"""What is wrong with a field -> what to do."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a form sent. `version` is that of the draft it knew, 0 for one that was not kept yet."""

    form_key: str
    version: int
    fields: dict[str, Value]
    audience: Audience


def read_form_fields(kind: Kind, form: FormData) -> Sent:
    """Read a form of this kind. Raises WritingError (more than a draft can hold), FormError (not our form)."""
    given: dict[str, Sequence[str]] = {
        name: [value for value in form.getlist(name) if isinstance(value, str)]
        for name in (*TEXTS[kind], *CHOICES[kind], *LISTS[kind])
    }
    if AGENCY_ROWS in LISTS[kind]:
        given[AGENCY_ROWS] = _agencies_of(form)
    audience = str(form.get("audience", Audience.EUROPE.value))
    if audience not in [each.value for each in AUDIENCES]:
        raise FormError(f"expected one of {', '.join(AUDIENCES)} in audience", "audience")
    return Sent(str(form.get("form_key", "")), _version_of(form), read_fields(kind, given), Audience(audience))


def _agencies_of(form: FormData) -> list[str]:
    """The rows of kinds and roles; a row with only one half is kept, so that its gap can be shown."""
    rows = [(str(form.get(f"agency-{row}", "")), str(form.get(f"role-{row}", ""))) for row in range(MOST_ROWS)]
    return [f"{kind}:{role}" for kind, role in rows if kind or role]


def _version_of(form: FormData) -> int:
    return version_in(str(form.get("version", "")))


def version_in(text: str) -> int:
    """The version of a draft that a form names. Raises FormError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 9):
        raise FormError("expected the version of a draft", "version")
    return int(text)


def agency_rows(fields: Fields, more: bool) -> list[tuple[str, str]]:
    """(kind, role) of every row that the form shows: those that are filled in, and some empty ones."""
    filled = [tuple(each.partition(":")[::2]) for each in fields.get(AGENCY_ROWS, ())]
    wanted = min(max(len(filled) + (2 * SPARE_ROWS if more else 1), 3), MOST_ROWS)
    return [(filled[row][0], filled[row][1]) if row < len(filled) else ("", "") for row in range(wanted)]


def languages_for(chosen: str) -> dict[str, str]:
    """Code -> name of the languages that are offered, the chosen one among them."""
    return dict(OWN_NAMES) | ({chosen: chosen} if chosen and chosen not in OWN_NAMES else {})


AGENCY_TYPES: Final = tuple(AgencyType)
AGENCY_ROLES: Final = tuple(AgencyRole)
