"""An alert of the trend watch in words: for the page, the feed and the e-mail the same ones. Never in which cities."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any, Final
from urllib.parse import urlencode

from regional_hub.trend_watch import ALERT_WORDS
from regional_hub.watch_store import Alert
from regional_hub.web.words import Words
from shared_schema.names import format_time
from shared_schema.service.atom import AtomEntry, write_feed
from shared_schema.service.pages import terms
from shared_schema.service.translations import N_
from shared_schema.text_marks import as_line

TAKEN_BACK: Final = N_("Taken back")
WITHDRAWN: Final = N_("Taken back: later figures have taken the rise away.")
MOST_IN_A_MAIL: Final = 30
MAX_SUBJECT: Final = 120
Line = dict[str, Any]
"""An alert as the verb `watch.list` gives it."""


@dataclass(frozen=True, slots=True)
class Publisher:
    """Which hub says it, what people call it, and where its pages are."""

    name: str
    display_name: str
    base: str


def line_of(alert: Alert) -> Line:
    """An alert as programs get it."""
    figure = alert.figure
    return {
        "id": alert.id,
        "kind": alert.kind,
        "table": alert.table_id,
        "title": alert.title,
        "cell": alert.cell,
        "period": alert.period,
        "rising": alert.stated,
        "of": alert.judged,
        "chance": alert.chance,
        "estimate": figure and figure.estimate,
        "low": figure and figure.low,
        "high": figure and figure.high,
        "state": alert.state,
        "raised_at": format_time(alert.raised_at),
        "withdrawn_at": alert.withdrawn_at and format_time(alert.withdrawn_at),
        "said_at": format_time(alert.said_at or alert.raised_at),
    }


def title_of(alert: Line, words: Words) -> str:
    """What it is about: table, cell and period."""
    cell = words.gettext(terms.words(alert["cell"]))
    return f"{words.gettext(alert['title'])}: {cell}, {words.span(alert['period'])}"


def said_of(alert: Line, words: Words) -> str:
    """What it says, in one sentence without a full stop."""
    return words.gettext(ALERT_WORDS[alert["kind"]]) % {"stated": alert["rising"], "judged": alert["of"]}


def figures_of(alert: Line) -> str:
    """The address of the figures that it is about."""
    return f"/figures?{urlencode({'table': alert['table'], 'cell': alert['cell'], 'to': alert['period']})}"


# --- the feed --------------------------------------------------------------------------------------------------------


def feed_of(
    alerts: Sequence[Line], hub: Publisher, words: Words, *, view: str, name: str, token: str, promise: str
) -> bytes:
    """The Atom feed of a view. An alert keeps its entry for ever; one that is taken back says so in it."""
    return write_feed(
        f"urn:prevention-exchange:{hub.name}:watch:{view}",
        f"{name} – {hub.display_name}",
        [_entry(alert, hub, words, promise) for alert in alerts],
        own_address=f"{hub.base}/feeds/{token}.atom",
        generator="Prevention Exchange",
    )


def _entry(alert: Line, hub: Publisher, words: Words, promise: str) -> AtomEntry:
    is_gone = alert["withdrawn_at"] is not None
    title = title_of(alert, words)
    return AtomEntry(
        id=f"urn:prevention-exchange:{hub.name}:alert:{alert['id']}",
        title=f"{words.gettext(TAKEN_BACK)}: {title}" if is_gone else title,
        author=hub.display_name,
        updated_at=alert["said_at"],
        published_at=alert["raised_at"],
        address=f"{hub.base}{figures_of(alert)}",
        language=words.code,
        lines=(*([words.gettext(WITHDRAWN)] if is_gone else []), f"{said_of(alert, words)}.", promise),
        terms=((alert["kind"], alert["kind"]), (alert["table"], words.gettext(alert["title"]))),
    )


# --- e-mails ---------------------------------------------------------------------------------------------------------


def off_address(hub: Publisher, token: str) -> str:
    """The link that ends the e-mails of a view."""
    return f"{hub.base}/mail/off/{token}"


def alerts_mail(
    alerts: Sequence[Line], hub: Publisher, words: Words, *, name: str, query: str, token: str
) -> tuple[str, str]:
    """Subject and text of an e-mail with what is new in a view."""
    count = len(alerts)
    head = words.ngettext("%(hub)s: %(count)s alert of “%(view)s”", "%(hub)s: %(count)s alerts of “%(view)s”", count)
    values = {"hub": hub.display_name, "count": words.number(count), "view": name}
    lines = [_paragraph(alert, hub, words) for alert in alerts[:MOST_IN_A_MAIL]]
    if left := max(count - MOST_IN_A_MAIL, 0):
        more = words.ngettext("And %(count)s more.", "And %(count)s more.", left)
        lines.append(more % {"count": words.number(left)})
    page = words.gettext(N_("All alerts of this view:"))
    end = words.gettext(N_("You get this because you have chosen it for this view. To end it:"))
    lines += [f"{page} {hub.base}/watch?{query}", f"-- \n{end} {off_address(hub, token)}"]
    return as_line(head % values, MAX_SUBJECT), "\n\n".join(lines) + "\n"


def _paragraph(alert: Line, hub: Publisher, words: Words) -> str:
    gone = [words.gettext(WITHDRAWN)] if alert["withdrawn_at"] is not None else []
    return "\n".join([title_of(alert, words), *gone, f"{said_of(alert, words)}.", f"{hub.base}{figures_of(alert)}"])


def add_ending(message: EmailMessage, hub: Publisher, token: str) -> None:
    """Let mail programs offer a button that ends the e-mails (RFC 2369; with TLS also RFC 8058)."""
    message["List-Id"] = f"<watch.{hub.name}>"
    message["List-Unsubscribe"] = f"<{off_address(hub, token)}>"
    if hub.base.startswith("https://"):
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def code_mail(code: str, hub: Publisher, words: Words) -> tuple[str, str]:
    """Subject and text of an e-mail with the code that confirms an address."""
    subject = words.gettext(N_("%(hub)s: is this your address?")) % {"hub": hub.display_name}
    asked = words.gettext(N_("Somebody with an account at %(hub)s wants to get e-mails at this address."))
    type_in = words.gettext(N_("If that is you, type this code on the page where you have asked for it:"))
    if_not = words.gettext(N_("If not, you need not do anything: without the code nothing more is sent here."))
    lines = [asked % {"hub": hub.display_name}, type_in, f"{code[:4]} {code[4:]}", if_not, f"{hub.base}/views"]
    return as_line(subject, MAX_SUBJECT), "\n\n".join(lines) + "\n"
