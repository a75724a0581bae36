"""A lesson: one accepted item in words, as readers and the search see it, whoever signed it.

A city's own item and an item that a hub relays for a city that did not want to be named are the same kind of thing
here. Of the second nobody knows the city: its author is "a city in the region", and two of them may or may not be of
one city.
"""

import textwrap
from dataclasses import dataclass

from local_node.freshness import Content
from shared_schema.content import (
    AnswerBody,
    Attribution,
    BulletinBody,
    ExperienceBody,
    PracticeBody,
    QuestionBody,
    Surroundings,
)
from shared_schema.governance import RelayedBody
from shared_schema.period import Area
from shared_schema.statement import Kind, StatementBody
from shared_schema.vocabulary import EvidenceLevel, Outcome

LESSON_KINDS = (Kind.PRACTICE, Kind.EXPERIENCE, Kind.BULLETIN, Kind.QUESTION, Kind.ANSWER, Kind.RELAYED)
HEADLINE_LETTERS = 80


@dataclass(frozen=True, slots=True)
class Lesson:
    """`origin` has signed it: the city itself, or the hub that relays it. `issued_at` is no later than its arrival."""

    digest: str
    origin: str
    seq: int
    issued_at: str
    content: Content
    attribution: Attribution
    relayed: bool

    @property
    def author(self) -> str:
        """Who wrote it, for readers; never the hub that relays it."""
        return f"a city in the {self.attribution}" if self.relayed else self.origin

    @property
    def kind(self) -> Kind:
        """What the content is, also when a hub relays it."""
        return _KINDS[type(self.content)]

    @property
    def headline(self) -> str:
        """Its title; of what has none, the kind and the first words."""
        content = self.content
        if isinstance(content, (PracticeBody, BulletinBody, QuestionBody)):
            return content.title
        words = content.lessons if isinstance(content, ExperienceBody) else content.text
        return textwrap.shorten(f"{self.kind.value.capitalize()}: {words}", HEADLINE_LETTERS, placeholder=" …")

    @property
    def outcome(self) -> Outcome | None:
        return self.content.outcome if isinstance(self.content, (PracticeBody, ExperienceBody)) else None

    @property
    def evidence_level(self) -> EvidenceLevel | None:
        return self.content.evidence_level if isinstance(self.content, (PracticeBody, ExperienceBody)) else None

    @property
    def area(self) -> Area | None:
        return None if isinstance(self.content, (QuestionBody, AnswerBody)) else self.content.area

    @property
    def surroundings(self) -> Surroundings | None:
        """What its city is like; None when it did not say, or is not named."""
        return self.content.surroundings if isinstance(self.content, (PracticeBody, ExperienceBody)) else None

    @property
    def about(self) -> str | None:
        """The digest of the item that it speaks about."""
        content = self.content
        if isinstance(content, ExperienceBody):
            return content.practice
        if isinstance(content, AnswerBody):
            return content.question
        return content.about if isinstance(content, QuestionBody) else None


_KINDS: dict[type[Content], Kind] = {
    PracticeBody: Kind.PRACTICE,
    ExperienceBody: Kind.EXPERIENCE,
    BulletinBody: Kind.BULLETIN,
    QuestionBody: Kind.QUESTION,
    AnswerBody: Kind.ANSWER,
}


def content_of(body: StatementBody | None) -> Content | None:
    """What a body says in words, also the one that a hub relays; None for figures, rules, members and withdrawals."""
    if isinstance(body, RelayedBody):
        return body.content
    return body if isinstance(body, (PracticeBody, ExperienceBody, BulletinBody, QuestionBody, AnswerBody)) else None


def read_lesson(digest: str, origin: str, seq: int, issued_at: str, body: StatementBody) -> Lesson | None:
    """The lesson in a verified statement; None for one that says nothing in words."""
    content = content_of(body)
    if content is None:
        return None
    relayed = isinstance(body, RelayedBody)
    attribution: Attribution = body.attribution if isinstance(body, RelayedBody) else "city"
    return Lesson(digest, origin, seq, issued_at, content, attribution, relayed)


def texts_of(content: Content) -> tuple[str, str, str]:
    """Title, gist and all other passages, for the index; codes of the vocabulary are not in it."""
    if isinstance(content, PracticeBody):
        emmie = content.emmie
        blocks = () if emmie is None else (*emmie.to_object().values(),)
        rest = (content.target_group, content.unintended_effects, content.transfer_conditions, *blocks)
        return content.title, content.summary, "\n".join([content.lessons, *(text for text in rest if text)])
    if isinstance(content, ExperienceBody):
        return "", content.lessons, content.changes
    if isinstance(content, AnswerBody):
        return "", content.text, ""
    return content.title, content.text, ""
