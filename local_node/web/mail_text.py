"""The e-mail of what is new: grouped by saved view and kind, the content in the mail, plain text and simple HTML.

It leaves the node by the city's own mail server, to somebody who may read all of it here. What is taken back afterwards
stays in the mailbox, and the mail says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from local_node.lesson import Lesson
from local_node.web.lesson_text import facts, paragraphs
from local_node.web.presentation import KIND_NAMES
from local_node.web.words import Words
from shared_schema.service.mail import new_message
from shared_schema.service.translations import N_
from shared_schema.statement import Kind
from shared_schema.text_marks import as_line

MAX_TEXT: Final = 1_500
"""Letters of one lesson; the whole stands at the node."""
MAX_SUBJECT: Final = 120
MAX_TITLE: Final = 200
ELSE_NEW: Final = N_("Everything else that is new")
KIND_ORDER: Final = (Kind.QUESTION, Kind.ANSWER, Kind.EXPERIENCE, Kind.PRACTICE, Kind.BULLETIN)
"""What somebody waits for comes first."""


@dataclass(frozen=True, slots=True)
class MailGroup:
    """What is new in one view; `name` is None for what is in none. `left_out` did not find room."""

    name: str | None
    lessons: tuple[Lesson, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class MailPlace:
    """Where the mail comes from and what its links lead to."""

    city: str
    sender: str
    node: str
    base: str
    off_token: str


def write_mail(
    groups: Sequence[MailGroup], place: MailPlace, recipient: str, words: Words, *, key: str, now: datetime
) -> EmailMessage:
    """The message. `key` makes its Message-ID, so that a mail server sees a second one of the same as the same."""
    count = sum(len(group.lessons) + group.left_out for group in groups)
    subject = words.ngettext("%(count)s new lesson for %(city)s", "%(count)s new lessons for %(city)s", count)
    message = new_message()
    message["From"] = place.sender
    message["To"] = recipient
    message["Subject"] = as_line(subject % {"count": words.number(count), "city": place.city}, MAX_SUBJECT)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{key}.{place.node}@{place.sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    message["List-Id"] = f"<lessons.{place.node}>"
    if place.base.startswith("https://"):  # RFC 8058 wants both, and TLS
        message["List-Unsubscribe"] = f"<{off_address(place)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    elif place.base:
        message["List-Unsubscribe"] = f"<{off_address(place)}>"
    values = {"groups": [_Group.of(group, words) for group in groups], "place": place, "off": off_address(place)}
    message.set_content(_render("inbox_mail.txt", words, values))
    message.add_alternative(_render("inbox_mail.html", words, values), subtype="html")
    message["Content-Language"] = words.code  # after the content, which takes away what was said of another one
    return message


def off_address(place: MailPlace) -> str:
    """The link that ends the e-mails; empty where the node has no address that a mail could name."""
    return f"{place.base}/mail/off/{place.off_token}" if place.base else ""


@dataclass(frozen=True, slots=True)
class _Item:
    digest: str
    title: str
    facts: tuple[tuple[str, str], ...]
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class _Group:
    name: str
    kinds: tuple[tuple[str, tuple[_Item, ...]], ...]
    left_out: int

    @classmethod
    def of(cls, group: MailGroup, words: Words) -> "_Group":
        kinds = []
        for kind in KIND_ORDER:
            items = tuple(_item(lesson, words) for lesson in group.lessons if lesson.kind is kind)
            if items:
                kinds.append((words.gettext(KIND_NAMES[kind]), items))
        return cls(group.name or words.gettext(ELSE_NEW), tuple(kinds), group.left_out)


def _item(lesson: Lesson, words: Words) -> _Item:
    text = "\n\n".join(paragraphs(lesson, words))
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT].rsplit(' ', 1)[0]} …"
    return _Item(
        lesson.digest,
        as_line(words.headline(lesson.headline, lesson.kind), 200),
        tuple(facts(lesson, words)),
        text,
        lesson.content.language,
    )


def _render(template: str, words: Words, values: Mapping[str, object]) -> str:
    environment = Environment(
        loader=PackageLoader("local_node.web"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(words.gettext, words.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(words.filters())
    return environment.get_template(template).render(words=words, **values)
