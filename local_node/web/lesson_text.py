"""A lesson as plain text: for a file, a feed, an e-mail. The same words in the same order everywhere."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from local_node.lesson import Lesson
from local_node.web.words import Words
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody
from shared_schema.evidence import Evidence
from shared_schema.service.translations import N_

EMMIE: Final = (
    ("effect", N_("Effect")),
    ("mechanism", N_("How it works")),
    ("moderators", N_("What it depends on")),
    ("implementation", N_("How it was done")),
    ("economics", N_("What it cost")),
)
SUMMARY, LESSONS = N_("Summary"), N_("What we would do again, and differently")
UNINTENDED, TRANSFER = N_("Unintended effects"), N_("What it needs elsewhere")
CHANGES, CAME_OF_IT = N_("What was changed"), N_("What came of it")
FROM, WRITTEN, DIGEST = N_("From"), N_("Written"), N_("Digest")
OUTCOME, ABOUT, EVIDENCE, SAID = N_("Outcome"), N_("About"), N_("Evidence"), N_("Cities that tried it")
MAX_FILE_NAME: Final = 60


def passages(lesson: Lesson) -> Iterator[tuple[str, str]]:
    """(heading, text) of everything that it says in sentences; the headings are still to be translated."""
    content = lesson.content
    if isinstance(content, PracticeBody):
        yield SUMMARY, content.summary
        yield LESSONS, content.lessons
        yield from ((name, text) for name, text in _optional(content) if text)
    elif isinstance(content, ExperienceBody):
        yield CHANGES, content.changes
        yield CAME_OF_IT, content.lessons
    else:
        yield "", content.text


def _optional(practice: PracticeBody) -> Iterator[tuple[str, str | None]]:
    yield UNINTENDED, practice.unintended_effects
    yield TRANSFER, practice.transfer_conditions
    for field, name in EMMIE:
        yield name, getattr(practice.emmie, field, None)


def facts(lesson: Lesson, words: Words) -> Iterator[tuple[str, str]]:
    """(name, value) of what a reader wants to know before reading; translated."""
    said = words.gettext
    if lesson.outcome is not None:
        yield said(OUTCOME), words.term(lesson.outcome)
    content = lesson.content
    if not isinstance(content, (ExperienceBody, AnswerBody)):
        yield said(ABOUT), ", ".join(words.term(phenomenon) for phenomenon in content.phenomenon)
    if lesson.evidence_level is not None:
        yield said(EVIDENCE), words.term(lesson.evidence_level)
    yield said(FROM), words.author(lesson.author)
    yield said(WRITTEN), words.date(lesson.issued_at)


def paragraphs(lesson: Lesson, words: Words) -> Iterator[str]:
    """Its passages, each with its heading before it."""
    for heading, text in passages(lesson):
        yield f"{words.gettext(heading)}\n{text}" if heading else text


def citation(lesson: Lesson, words: Words) -> str:
    """How to name it as a source."""
    return words.gettext("%(author)s: %(title)s. Prevention Exchange, %(date)s. Digest %(digest)s.") % {
        "author": words.author(lesson.author),
        "title": words.headline(lesson.headline, lesson.kind).rstrip("."),
        "date": words.date(lesson.issued_at),
        "digest": lesson.digest,
    }


def evidence_line(evidence: Evidence, words: Words) -> str:
    """What all cities say that tried it: `3 cities tried it. Worked: 2; Harm: 1`."""
    tried = words.ngettext("%(count)s city tried it.", "%(count)s cities tried it.", evidence.cities)
    found = "; ".join(f"{words.term(outcome)}: {words.number(count)}" for outcome, count in evidence.outcomes)
    return f"{tried % {'count': words.number(evidence.cities)}} {found}"


def as_text(lesson: Lesson, words: Words, *, evidence: Evidence | None = None) -> str:
    """The whole lesson as a text file, with where it comes from and how to cite it."""
    heading = words.headline(lesson.headline, lesson.kind)
    lines = [heading, "=" * min(len(heading), 80), ""]
    lines += [f"{name}: {value}" for name, value in facts(lesson, words)]
    if evidence is not None:
        lines.append(evidence_line(evidence, words))
    for paragraph in paragraphs(lesson, words):
        lines += ["", paragraph]
    lines += ["", "-- ", citation(lesson, words)]
    return "\n".join(lines) + "\n"


def file_name(lesson: Lesson) -> str:
    """A name for the file, of plain letters and digits."""
    plain = unicodedata.normalize("NFKD", lesson.headline).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:MAX_FILE_NAME].strip("-")
    return f"{slug or lesson.kind.value}-{lesson.digest[:8]}.txt"
