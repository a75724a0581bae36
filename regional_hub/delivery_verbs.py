"""Telling people and programs outside: by the hub's own clock, and what an operator sees and does about it.

Each message is claimed first, then sent while no transaction is open, and then marked (`deliveries`). What fails never
keeps the others back: the next one of the same channel waits for the next look.
"""

import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Final

from regional_hub import audit, deliveries, letters
from regional_hub.app import Hub
from regional_hub.deliveries import BUNDLE, EMAIL, PERSON, WEBHOOK, Claim
from regional_hub.delivery_rules import GIVEN_UP_AFTER, MOST_AN_HOUR, DeliveryState
from regional_hub.verb_parameters import Params, Result, actor_of
from regional_hub.web import alarm_text
from regional_hub.web.alarm_text import From
from regional_hub.web.words import CATALOGUES, Words
from regional_hub.webhook import WebhookError
from shared_schema.names import format_time
from shared_schema.service.control import VerbError
from shared_schema.service.logging import get_logger
from shared_schema.service.mail import MailError
from shared_schema.service.translations import load_language

NEWEST: Final = 20
"""Messages on the page; the others are counted."""
UNKNOWN_ADDRESS: Final = "mail-recipient"
"""The code of an error that is about one address alone."""


def deliver(hub: Hub, _params: Params) -> Result:
    """Send everything that is due, and say how much was taken and how much was not."""
    counted: Counter[str] = Counter(sent=0, failed=0)
    with hub.database.read() as session:
        if not deliveries.has_work(session, hub.alarm_channels, hub.clock()):
            return dict(counted)
    with hub.database.write() as session:
        deliveries.tidy(session, _channels(hub), hub.clock())
    for channel in _channels(hub):
        with hub.database.write() as session:
            if channel == PERSON:
                due = deliveries.prepare_people(session, hub.clock())
            else:
                due = deliveries.prepare(session, channel, hub.clock())
        counted.update(_deliver_due(hub, due))
    return {"sent": counted["sent"], "failed": counted["failed"] + counted[UNKNOWN_ADDRESS]}


def _channels(hub: Hub) -> tuple[str, ...]:
    """Those for alarms, and e-mails to people where there is a mail server."""
    return hub.alarm_channels if hub.mail_server is None else (*hub.alarm_channels, PERSON)


def _deliver_due(hub: Hub, due: Sequence[int]) -> Iterator[str]:
    """What became of each, until one was not taken: the others would fail alike, and each waits its time.

    Not so where the mail server is well and refuses one person's address: nobody else waits for that.
    """
    for delivery in due:
        if hub.is_ending.is_set():
            return
        outcome = _deliver_one(hub, delivery)
        yield outcome
        if outcome == "failed":
            return


def _deliver_one(hub: Hub, delivery: int) -> str:
    with hub.database.write() as session:  # 1. claimed, so that no other run sends it now
        claimed = deliveries.claim(session, delivery, hub.clock())
    if claimed is None:
        return "not-claimed"
    try:  # 2. sent, with no transaction open
        is_sent = _send(hub, claimed)
    except (MailError, WebhookError) as error:
        get_logger().warning("message-failed", message_id=claimed.message_id, channel=claimed.channel, code=error.code)
        with hub.database.write() as session:
            draw = random.random()
            state = deliveries.mark_failed(session, claimed, error.code, hub.clock(), draw)
        if state is DeliveryState.GIVEN_UP:
            get_logger().error("message-given-up", message_id=claimed.message_id, channel=claimed.channel)
        return UNKNOWN_ADDRESS if claimed.channel == PERSON and error.code == UNKNOWN_ADDRESS else "failed"
    with hub.database.write() as session:  # 3. marked; a crash before this sends it once more, with the same id
        if not is_sent:
            deliveries.mark_dropped(session, claimed, hub.clock())
            return "dropped"
        deliveries.mark_sent(session, claimed, hub.clock())
    return "sent"


def _send(hub: Hub, claimed: Claim) -> bool:
    """Hand it over; False where there is nobody to tell any more. Raises MailError, WebhookError."""
    if claimed.channel == PERSON:
        return _send_letter(hub, claimed)
    with hub.database.read() as session:
        changes = deliveries.changes_of(session, claimed)
    is_bundle = claimed.topic == BUNDLE
    if claimed.channel == WEBHOOK:
        _post(hub, claimed.message_id, alarm_text.body_of(changes, _sender(hub), is_bundle=is_bundle))
    else:
        subject, text = alarm_text.mail_of(changes, _sender(hub), _words(hub), is_bundle=is_bundle)
        _mail(hub, claimed.message_id, subject, text)
    return True


def _send_letter(hub: Hub, claimed: Claim) -> bool:
    server = hub.mail_server
    if server is None:
        raise MailError("expected smtp_host and smtp_sender in the settings", code="mail-unset")
    letter = letters.write(hub, claimed, server.sender)
    if letter is None:
        return False
    server.send(letter.message, letter.recipient)
    return True


def _post(hub: Hub, message_id: str, body: bytes) -> str:
    if hub.webhook is None:
        raise WebhookError("expected alarm_webhook in the settings", code="webhook-unset")
    return f"status {hub.webhook.send(message_id, body, hub.clock())}"


def _mail(hub: Hub, message_id: str, subject: str, text: str) -> str:
    server, recipient = hub.mail_server, hub.settings.alarm_email
    if server is None or recipient is None:
        raise MailError("expected smtp_host, smtp_sender and alarm_email in the settings", code="mail-unset")
    message = alarm_text.letter(
        subject,
        text,
        sender=server.sender,
        recipient=recipient,
        message_id=message_id,
        words=_words(hub),
        now=hub.clock(),
    )
    server.send(message, recipient)
    return "taken by the mail server"


def _sender(hub: Hub) -> From:
    return From(hub.name, hub.settings.public_url)


def _words(hub: Hub) -> Words:
    return Words(load_language(CATALOGUES, hub.settings.alarm_language), hub.zone)


# --- what an operator sees and does ----------------------------------------------------------------------------------


def show(hub: Hub, _params: Params) -> Result:
    """How each channel is doing, and the newest messages. Addresses are not shown: their paths may be secret."""
    with hub.database.read() as session:
        standing = [deliveries.standing_of(session, channel) for channel in _channels(hub)]
        newest = deliveries.list_newest(session, NEWEST)
        return {
            "most_an_hour": MOST_AN_HOUR,
            "given_up_after_days": GIVEN_UP_AFTER.days,
            "channels": [
                asdict(each)
                | {"last_sent_at": None if each.last_sent_at is None else format_time(each.last_sent_at)}
                | {"at": _place_of(hub, each.channel)}
                for each in standing
            ],
            "messages": [
                {
                    "id": row.message_id,
                    "channel": row.channel,
                    "about": "" if alarm is None else alarm.code,
                    "change": row.change or row.topic,
                    "state": row.state,
                    "tries": row.tries,
                    "code": row.code or "",
                    "made_at": format_time(row.made_at),
                }
                for row, alarm in newest
            ],
        }


def _place_of(hub: Hub, channel: str) -> str:
    """The host of a webhook or of the mail server, or the address for e-mails about alarms."""
    if channel == PERSON:
        return hub.settings.smtp_host or ""
    return (hub.settings.alarm_email or "") if channel == EMAIL else hub.webhook.host if hub.webhook else ""


def test(hub: Hub, params: Params) -> Result:
    """Send a test message through every channel now, and say what came back."""
    if not hub.alarm_channels:
        raise VerbError("no-channel", "expected alarm_webhook or alarm_email in the settings")
    with hub.database.write() as session:
        audit.record(session, actor_of(params), "alarms-tested", " ".join(hub.alarm_channels), hub.clock())
    return {"tested": [_test_one(hub, channel) for channel in hub.alarm_channels]}


def _test_one(hub: Hub, channel: str) -> Result:
    message_id = f"msg_{secrets.token_hex(16)}"
    try:
        if channel == WEBHOOK:
            said = _post(hub, message_id, alarm_text.trial_body(_sender(hub), hub.clock()))
        else:
            said = _mail(hub, message_id, *alarm_text.trial_mail(_sender(hub), _words(hub)))
    except (MailError, WebhookError) as error:
        return {"channel": channel, "taken": False, "code": error.code, "said": error.message}
    return {"channel": channel, "taken": True, "code": "", "said": said}


def try_again(hub: Hub, params: Params) -> Result:
    """Let everything that was given up wait again."""
    with hub.database.write() as session:
        count = deliveries.try_again(session, hub.clock())
        if count:
            audit.record(session, actor_of(params), "alarms-tried-again", str(count), hub.clock())
    return {"messages": count}


def drop(hub: Hub, params: Params) -> Result:
    """Forget the messages that were given up; the alarms themselves stay."""
    with hub.database.write() as session:
        count = deliveries.drop_given_up(session)
        if count:
            audit.record(session, actor_of(params), "alarms-dropped", str(count), hub.clock())
    return {"messages": count}


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "alarms.deliver": deliver,
    "alarms.show": show,
    "alarms.test": test,
    "alarms.retry": try_again,
    "alarms.drop": drop,
}
