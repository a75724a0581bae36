"""Words: practices, experiences with them, bulletins, questions and answers.

Seven fields suffice to publish a practice: title, summary, phenomenon, prevention level, agencies with their roles,
outcome, and what one would do again or differently. Outcome and evidence are two axes: a practice that did harm can be
well evaluated, one that worked may rest on impressions.

An item is never changed: its author signs a new one that `replaces` it. Readers see the newest, and can open
the others.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared_schema.names import Digest, Language
from shared_schema.period import Area
from shared_schema.trend import ReviewNote
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
from shared_schema.wire import WireModel

MAX_SUMMARY_WORDS = 100
MAX_LESSON_WORDS = 200


def _at_most(words: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.split()) > words:
            raise ValueError(f"expected at most {words} words")
        return text

    return AfterValidator(check)


Title = Annotated[str, Field(min_length=3, max_length=120)]
Summary = Annotated[str, Field(min_length=1, max_length=1200), _at_most(MAX_SUMMARY_WORDS)]
Passage = Annotated[str, Field(min_length=1, max_length=2400), _at_most(MAX_LESSON_WORDS)]
Band = Literal["none", "low", "medium", "high"]
ReviewBy = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
Attribution = Literal["city", "region", "country"]
"""Who is named as the author. Anything but `city` goes to the home hub in confidence (`relay.py`)."""
UnnamedAttribution = Literal["region", "country"]


class AgencyPart(WireModel):
    """A kind of agency and what it did; never its name."""

    type: AgencyType
    role: AgencyRole


CitySize = Literal["XS", "S", "M", "L", "XL", "XXL"]
"""Inhabitants: below 50,000, 100,000, 250,000, 500,000, 1,000,000, and above (the classes of EU and OECD, with XS)."""
Urbanisation = Literal["1", "2", "3"]
"""Eurostat's degree of urbanisation (DEGURBA): 1 city, 2 town or suburb, 3 rural area."""


class Surroundings(WireModel):
    """What a city is like, so that similar ones find each other; public facts about places, never about people."""

    size: CitySize | None = None
    urbanisation: Urbanisation | None = None


Agencies = Annotated[tuple[AgencyPart, ...], Field(min_length=1, max_length=20)]
Phenomena = Annotated[tuple[Phenomenon, ...], Field(min_length=1, max_length=5)]


class Emmie(WireModel):
    """Effect, mechanism, moderators, implementation, economics (Johnson, Tilley, Bowers 2015)."""

    effect: Passage | None = None
    mechanism: Passage | None = None
    moderators: Passage | None = None
    implementation: Passage | None = None
    economics: Passage | None = None


class PracticeBody(WireModel):
    """Something a city tried, whether it worked or not."""

    title: Title
    summary: Summary
    phenomenon: Phenomena
    prevention_level: PreventionLevel
    agencies: Agencies
    outcome: Outcome
    lessons: Passage
    evidence_level: EvidenceLevel = EvidenceLevel.LEVEL_0
    language: Language = "und"
    attribution: Attribution = "city"
    area: Area
    review: ReviewNote
    intervention: Annotated[tuple[InterventionType, ...], Field(max_length=5)] = ()
    setting: Annotated[tuple[Setting, ...], Field(max_length=5)] = ()
    failure_factors: Annotated[tuple[FailureFactor, ...], Field(max_length=14)] = ()
    target_group: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    unintended_effects: Passage | None = None
    transfer_conditions: Passage | None = None
    emmie: Emmie | None = None
    cost: Band | None = None
    staff: Band | None = None
    reach: Band | None = None
    adapted_from: Digest | None = None
    review_by: ReviewBy | None = None
    replaces: Digest | None = None
    surroundings: Surroundings | None = None
    archived: Literal[True] | None = None
    """The author no longer stands behind it; it stays readable, and greyed out."""


class ExperienceBody(WireModel):
    """We tried another city's practice: what we changed and what came of it."""

    practice: Digest
    changes: Passage
    outcome: Outcome
    lessons: Passage
    evidence_level: EvidenceLevel = EvidenceLevel.LEVEL_0
    language: Language = "und"
    attribution: Attribution = "city"
    area: Area
    review: ReviewNote
    surroundings: Surroundings | None = None
    replaces: Digest | None = None


class BulletinBody(WireModel):
    """How a situation moves, in words."""

    title: Title
    text: Passage
    phenomenon: Phenomena
    tension: TensionLevel | None = None
    language: Language = "und"
    area: Area
    review: ReviewNote
    replaces: Digest | None = None


class QuestionBody(WireModel):
    """A question to the other cities, or to the author of one item."""

    title: Title
    text: Passage
    phenomenon: Phenomena
    about: Digest | None = None
    language: Language = "und"
    review: ReviewNote
    replaces: Digest | None = None


class AnswerBody(WireModel):
    """An answer to a question."""

    question: Digest
    text: Passage
    attribution: UnnamedAttribution | None = None
    """Only in an answer about an item whose author is not named: as that item has it."""
    language: Language = "und"
    review: ReviewNote
    replaces: Digest | None = None
