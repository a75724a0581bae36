"""What a message about an alarm says: its kind, the hub's name, since when, and what to do next.

Nothing else: not what the alarm is about, which may be a member's name, and no sentence that holds what somebody has
sent. An e-mail lies on servers of others; the console says the rest to whoever may see it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, Final

from regional_hub.alarm_advice import advice_on
from regional_hub.deliveries import ENDED, RAISED, Change
from regional_hub.web.words import OTHER_REASON, REASONS, Words
from shared_schema.names import format_time
from shared_schema.service.mail import new_message
from shared_schema.service.translations import N_

MOST_LISTED: Final = 50
"""Alarms of one bundle; the console has them all."""


@dataclass(frozen=True, slots=True)
class From:
    """Which hub tells it, and where its pages are."""

    name: str
    public_url: str

    @property
    def page(self) -> str:
        """The console's first page."""
        return f"{self.public_url.rstrip('/')}/"

    @property
    def settings_page(self) -> str:
        """Where the operator sees what became of the messages."""
        return f"{self.public_url.rstrip('/')}/alarms"


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of one alarm in a bundle: how often it was raised and ended, and how it stood at last."""

    subject: str
    code: str
    raised: int
    ended: int
    last: Change


def subject_of(change: Change) -> str:
    """The same for every message about the same alarm, so that a program can put them together; nobody reads it."""
    return hashlib.sha256(f"{change.code} {change.about}".encode()).hexdigest()[:16]


def summaries_of(changes: Sequence[Change]) -> list[Summary]:
    """Each alarm of a bundle once, in the order in which they began."""
    by_subject: dict[str, list[Change]] = {}
    for change in changes:
        by_subject.setdefault(subject_of(change), []).append(change)
    return [
        Summary(
            subject,
            several[0].code,
            sum(each.change == RAISED for each in several),
            sum(each.change == ENDED for each in several),
            several[-1],
        )
        for subject, several in by_subject.items()
    ]


# --- for programs ----------------------------------------------------------------------------------------------------


def body_of(changes: Sequence[Change], sender: From, *, is_bundle: bool) -> bytes:
    """The JSON of a webhook: the same bytes at every try."""
    if not is_bundle:
        (change,) = changes
        data = _alarm(change) | {"do": advice_on(change.code).command}
        return _json(f"alarm.{change.change}", change.at, sender, data)
    summaries = summaries_of(changes)
    data = {
        "changes": len(changes),
        "alarms": [_alarm(each.last) | {"raised": each.raised, "ended_times": each.ended} for each in summaries][
            :MOST_LISTED
        ],
        "left_out": max(len(summaries) - MOST_LISTED, 0),
    }
    return _json("alarm.bundle", changes[-1].at, sender, data)


def trial_body(sender: From, now: datetime) -> bytes:
    """A webhook that says that it is a test."""
    return _json("alarm.test", now, sender, {})


def _alarm(change: Change) -> dict[str, Any]:
    ended = change.resolved_at if change.change == ENDED else None
    return {
        "alarm": change.alarm,
        "subject": subject_of(change),
        "code": change.code,
        "since": format_time(change.raised_at),
        "ended_at": None if ended is None else format_time(ended),
    }


def _json(kind: str, at: datetime, sender: From, data: dict[str, Any]) -> bytes:
    body = {"type": kind, "timestamp": format_time(at), "data": {"hub": sender.name, "page": sender.page} | data}
    return json.dumps(body, separators=(",", ":"), sort_keys=True).encode()


# --- for people ------------------------------------------------------------------------------------------------------


def mail_of(changes: Sequence[Change], sender: From, words: Words, *, is_bundle: bool) -> tuple[str, str]:
    """Subject and text of an e-mail."""
    subject, lines = _bundle(changes, sender, words) if is_bundle else _one(changes[0], sender, words)
    return subject, "\n\n".join([*lines, _end(sender, words)]) + "\n"


def _one(change: Change, sender: From, words: Words) -> tuple[str, list[str]]:
    reason = _reason(change.code, words)
    head = words.gettext(N_("%(hub)s: alarm") if change.change == RAISED else N_("%(hub)s: alarm has ended"))
    subject = f"{head % {'hub': sender.name}} ({change.code})"
    since = words.gettext(N_("Since %(time)s.")) % {"time": words.moment(change.raised_at)}
    if change.change == ENDED:
        ended = words.gettext(N_("It has ended: %(time)s.")) % {"time": words.moment(change.at)}
        return subject, [reason, f"{since} {ended}", words.gettext(N_("There is nothing to do."))]
    advice = advice_on(change.code)
    return subject, [
        reason,
        since,
        _joined(words, N_("What to do next:"), words.gettext(advice.sentence)),
        advice.command,
        _joined(words, N_("What it is about, says the console:"), sender.page),
    ]


def _bundle(changes: Sequence[Change], sender: From, words: Words) -> tuple[str, list[str]]:
    summaries = summaries_of(changes)
    count = len(changes)
    told = words.ngettext("%(hub)s: %(count)s change of alarms", "%(hub)s: %(count)s changes of alarms", count)
    subject = told % {"hub": sender.name, "count": words.number(count)}
    lines = [words.gettext(N_("There were many at once, or one came and went. So they stand in one message."))]
    lines += [_line(each, words) for each in summaries[:MOST_LISTED]]
    if left := max(len(summaries) - MOST_LISTED, 0):
        more = words.ngettext("And %(count)s more.", "And %(count)s more.", left)
        lines.append(more % {"count": words.number(left)})
    return subject, [*lines, _joined(words, N_("What to do about each, says the console:"), sender.page)]


def _line(summary: Summary, words: Words) -> str:
    counted = words.gettext(N_("Raised: %(raised)s, ended: %(ended)s.")) % {
        "raised": words.number(summary.raised),
        "ended": words.number(summary.ended),
    }
    last = N_("At last it was open.") if summary.last.change == RAISED else N_("At last it had ended.")
    return f"- {_reason(summary.code, words)} ({summary.code}) {counted} {words.gettext(last)}"


def trial_mail(sender: From, words: Words) -> tuple[str, str]:
    """Subject and text of an e-mail that says that it is a test."""
    subject = words.gettext(N_("%(hub)s: test of the alarms")) % {"hub": sender.name}
    text = words.gettext(N_("This is a test. If you read it, alarms of this hub reach you."))
    return subject, f"{text}\n\n{_end(sender, words)}\n"


def _joined(words: Words, label: str, text: str) -> str:
    return f"{words.gettext(label)} {text}"


def _reason(code: str, words: Words) -> str:
    return words.gettext(REASONS.get(code, OTHER_REASON))


def _end(sender: From, words: Words) -> str:
    why = words.gettext(
        N_("Alarms go to this address because alarm_email in hub.toml names it. To end them, remove it there.")
    )
    state = words.gettext(N_("What became of the messages:"))
    return f"-- \n{why}\n{state} {sender.settings_page}"


def letter(
    subject: str, text: str, *, sender: str, recipient: str, message_id: str, words: Words, now: datetime
) -> EmailMessage:
    """An e-mail. Its Message-ID is the same at every try, so that a mail server sees a second one as the same."""
    message = new_message()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender.partition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence note answers it
    message.set_content(text)
    message["Content-Language"] = words.code  # after the content, which takes away what was said of another one
    return message
