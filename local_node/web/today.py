"""What needs somebody, one sentence and one link each, the most pressing first.

Every part of the node tells what it knows: a function that reads, is registered once, and answers for one visitor with
what is for that visitor and nothing else. Sources are fast: they count, they do not load.

    def needs(session: Session, visitor: Visitor, now: datetime) -> Sequence[Need]: ...

    today.register(needs)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Protocol

from sqlalchemy.orm import Session

from local_node.web.access import Visitor

Translate = Callable[[str], str]
TranslateCount = Callable[[str, str, int], str]
NOTHING: Final[Mapping[str, str | int]] = MappingProxyType({})


class Pressing(IntEnum):
    """How pressing something is; the smaller comes first."""

    ALARM = 0
    LATE = 1
    DUE = 2
    WAITING = 3
    OPEN = 4
    KNOWN = 5


def _english(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


@dataclass(frozen=True, slots=True)
class Need:
    """One thing to do. `text` is a marked sentence with `%(name)s` for each of `values`; `many` is its plural, with
    `count` as `%(num)s`; `phrases` are values that are marked sentences themselves. `path` leads to where it is done,
    `command` is for the console. `due` is its last day."""

    text: str
    path: str = ""
    pressing: Pressing = Pressing.WAITING
    values: Mapping[str, str | int] = field(default_factory=dict)
    many: str = ""
    count: int = 1
    due: date | None = None
    command: str | None = None
    phrases: Mapping[str, str] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """In English, for the console and for programs."""
        return self.said(str, _english)

    @property
    def screen(self) -> str:
        """The address without what is asked of it."""
        return self.path.partition("?")[0]

    def said(self, gettext: Translate, ngettext: TranslateCount) -> str:
        """In somebody's language."""
        text = ngettext(self.text, self.many, self.count) if self.many else gettext(self.text)
        phrases = {name: gettext(phrase) for name, phrase in self.phrases.items()}
        return text % {"num": self.count, **self.values, **phrases}


class Source(Protocol):
    """A part of the node that knows of something to do."""

    def __call__(self, session: Session, visitor: Visitor, now: datetime, /) -> Sequence[Need]:
        """What there is to do for this visitor."""


SOURCES: Final[list[Source]] = []
"""Of all parts, in the order in which they were registered."""


def register(*sources: Source) -> None:
    """Add what a part knows; the same function again changes nothing."""
    SOURCES.extend(source for source in sources if source not in SOURCES)


def needs_of(session: Session, visitor: Visitor, now: datetime, own: Sequence[Source] = ()) -> list[Need]:
    """Everything that is for this visitor: the most pressing first, and of these what is due first.

    `own` are sources that know whose node it is, beside those that were registered.
    """
    found = [need for source in (*dict.fromkeys(SOURCES), *own) for need in source(session, visitor, now)]
    return sorted(found, key=lambda need: (need.pressing, need.due or date.max))
