"""What a page says, in the language of whoever reads it: the filters and functions of every template."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from typing import Any, ClassVar

from shared_schema.names import parse_time
from shared_schema.period import parse_period
from shared_schema.service.pages import terms
from shared_schema.service.pages.error_words import SENTENCES, UNKNOWN
from shared_schema.service.translations import N_, Language

NEVER = N_("never")


class Words:
    """One language with the time zone of the place. A program has a class of its own, with what it says besides."""

    SENTENCES: ClassVar[Mapping[str, str]] = SENTENCES
    """Code of an error → what to do about it."""

    def __init__(self, language: Language, zone: tzinfo) -> None:
        self.language = language
        self.zone = zone

    @property
    def code(self) -> str:
        return self.language.code

    def gettext(self, text: str) -> str:
        return self.language.gettext(text)

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self.language.ngettext(one, many, count)

    def moment(self, value: datetime | str | None) -> str:
        """`22 Nov 2026, 10:00 CET`, in the time of the place."""
        if value is None:
            return self.gettext(NEVER)
        return self.language.moment(parse_time(value) if isinstance(value, str) else value, self.zone)

    def date(self, value: date | datetime | str) -> str:
        """`22 Nov 2026`; a moment is the day that it has at the place."""
        if isinstance(value, str):
            value = parse_time(value) if "T" in value else date.fromisoformat(value)
        return self.language.day(value.astimezone(self.zone) if isinstance(value, datetime) else value)

    def clock(self, value: datetime) -> str:
        """`10:42`, in the time of the place."""
        return self.language.clock(value, self.zone)

    def span(self, label: str) -> str:
        """`October 2026` for `2026-10`; a quarter and a year are written as their label."""
        period = parse_period(label)
        return self.language.month(period.first_day) if period.granularity == "month" else label

    def number(self, value: float) -> str:
        return self.language.number(value)

    def term(self, value: object) -> str:
        """The label of a term of the vocabulary."""
        return self.gettext(terms.term(value))

    def error(self, code: str) -> str:
        """What to do about an error, by its code."""
        return self.gettext(self.SENTENCES.get(code, UNKNOWN))

    def filters(self) -> dict[str, Callable[..., Any]]:
        """For the templates of this language."""
        said = self.gettext
        return {
            "moment": self.moment,
            "date": self.date,
            "span": self.span,
            "number": self.number,
            "percent": self.language.percent,
            "term": self.term,
            "words": lambda code: said(terms.words(code)),
            "error_words": self.error,
            "capitalize": capitalized,  # in the place of Jinja's own, which makes the nouns of German small
        }

    def functions(self) -> dict[str, Any]:
        """For the templates of this language."""
        return {}


def capitalized(text: str) -> str:
    """The first letter large, as at the beginning of a sentence; all others as they are."""
    return text[:1].upper() + text[1:]
