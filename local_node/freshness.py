"""Whether an item still holds: its author set a month by which it is to be looked at again, or has put it away.

What is past that month is greyed out, in words and not only in colour; it stays findable, because an old failure still
teaches.

    freshness_of("2026-10", archived=False, now=now)     Freshness.STALE from 1 November 2026, 00:00 UTC, on
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from shared_schema.content import AnswerBody, BulletinBody, ExperienceBody, PracticeBody, QuestionBody
from shared_schema.messages import N_


class Freshness(StrEnum):
    CURRENT = "current"
    STALE = "stale"
    ARCHIVED = "archived"


Content = PracticeBody | ExperienceBody | BulletinBody | QuestionBody | AnswerBody
"""What a city says in words, whoever signed it."""


def freshness_of(review_by: str | None, *, archived: bool, now: datetime) -> Freshness:
    """How an item with this review-by month (`YYYY-MM`, its last day included, UTC) stands at `now`."""
    if archived:
        return Freshness.ARCHIVED
    if review_by is not None and f"{now.astimezone(UTC):%Y-%m}" > review_by:
        return Freshness.STALE
    return Freshness.CURRENT


def freshness_of_content(content: Content, now: datetime) -> Freshness:
    """The same for a content; only practices have a month or can be archived."""
    if not isinstance(content, PracticeBody):
        return Freshness.CURRENT
    return freshness_of(content.review_by, archived=content.archived is True, now=now)


ARCHIVED: Final = N_("Archived: its author no longer stands behind it")
STALE: Final = N_("Out of date: its author wanted to look at it again by %(month)s")


def in_words(freshness: Freshness, review_by: str | None, translate: Callable[[str], str] = str) -> str | None:
    """What readers are told, in the language of `translate`; None for what is current."""
    if freshness is Freshness.ARCHIVED:
        return translate(ARCHIVED)
    if freshness is Freshness.STALE:
        return translate(STALE) % {"month": review_by}
    return None
