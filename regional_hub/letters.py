"""E-mails to people with an account: what is new in a view, and the code that confirms an address.

What a letter says is read just before it is sent. None is written to an address that was not confirmed, to somebody
whose account is kept out or may not see figures any more, and for a view that is gone or wants none.
"""

from dataclasses import dataclass
from email.message import EmailMessage

from sqlalchemy.orm import Session

from regional_hub import mail_addresses, watch_store, watch_views
from regional_hub.app import Hub
from regional_hub.deliveries import Claim
from regional_hub.door import accounts
from regional_hub.errors import HubError
from regional_hub.watch_filter import WatchFilter
from regional_hub.watch_views import WatchView
from regional_hub.web import watch_text
from regional_hub.web.access import ALLOWED, Right
from regional_hub.web.alarm_text import letter
from regional_hub.web.watch_text import Publisher
from regional_hub.web.words import CATALOGUES, Words
from shared_schema.service.pages.access import may
from shared_schema.service.translations import OWN_NAMES, SOURCE_LANGUAGE, load_language

MOST_READ = 200
"""Alerts that are counted for one e-mail."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail, and the one address that it goes to."""

    message: EmailMessage
    recipient: str


def write(hub: Hub, claimed: Claim, sender: str) -> Letter | None:
    """The letter of a claimed delivery; None when there is nobody to write to any more, or nothing to say."""
    if claimed.topic == mail_addresses.CONFIRM:
        return _confirmation(hub, claimed, sender)
    return _news(hub, claimed, sender)


def _confirmation(hub: Hub, claimed: Claim, sender: str) -> Letter | None:
    person = claimed.person_id or ""
    with hub.database.write() as session:
        drawn = mail_addresses.draw_code(session, person, hub.clock())
        words = _words(session, hub, person)
    if drawn is None:
        return None
    subject, text = watch_text.code_mail(drawn[0], publisher_of(hub), words)
    return _letter(hub, claimed, (subject, text), sender, drawn[1], words)


def _news(hub: Hub, claimed: Claim, sender: str) -> Letter | None:
    trust, person = hub.refresh_trust(), claimed.person_id or ""
    with hub.database.read() as session:
        view = watch_views.find_view(session, claimed.view_id or 0)
        recipient = mail_addresses.confirmed_address(session, person)
        if view is None or view.mailed_up_to is None or recipient is None or not may_see(session, person):
            return None
        if view.owner != person or claimed.made_at < view.made_at:
            return None  # its own view is gone, and another one has the number
        chosen = _wanted(view)
        if chosen is None:
            return None
        place = (session, trust, hub.name, hub.area.code, chosen)
        found = watch_store.list_news(*place, after=claimed.after, up_to=claimed.up_to, limit=MOST_READ)
        words = _words(session, hub, person)
    lines = [watch_text.line_of(alert) for alert in found if alert.state != "dismissed"]
    if not lines:
        return None
    hub_said = publisher_of(hub)
    texts = watch_text.alerts_mail(lines, hub_said, words, name=view.name, query=view.query, token=view.off_token)
    made = _letter(hub, claimed, texts, sender, recipient, words)
    watch_text.add_ending(made.message, hub_said, view.off_token)
    return made


def _wanted(view: WatchView) -> WatchFilter | None:
    try:
        return view.wanted
    except HubError:  # a choice of another release
        return None


def _letter(hub: Hub, claimed: Claim, texts: tuple[str, str], sender: str, recipient: str, words: Words) -> Letter:
    subject, text = texts
    message = letter(
        subject,
        text,
        sender=sender,
        recipient=recipient,
        message_id=claimed.message_id,
        words=words,
        now=hub.clock(),
    )
    return Letter(message, recipient)


def may_see(session: Session, person: str) -> bool:
    """Whether somebody may still have views."""
    account = accounts.find_account(session, person)
    return account is not None and not account.is_disabled and may(ALLOWED, account.roles, Right.SAVE_VIEWS)


def publisher_of(hub: Hub) -> Publisher:
    """How the hub calls itself in letters."""
    settings = hub.settings
    return Publisher(hub.name, settings.display_name or hub.name, settings.public_url.rstrip("/"))


def _words(session: Session, hub: Hub, person: str) -> Words:
    account = accounts.find_account(session, person)
    code = account.language if account and account.language in OWN_NAMES else SOURCE_LANGUAGE
    return Words(load_language(CATALOGUES, code), hub.zone)
