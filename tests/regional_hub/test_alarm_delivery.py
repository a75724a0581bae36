"""Whoever runs the hub hears of an alarm: not lost by a crash, not a hundred times, and with nothing in it to hide."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select

from regional_hub import alarms, audit, deliveries
from regional_hub.delivery_rules import GIVEN_UP_AFTER, MOST_AN_HOUR, MOST_OF_ONE
from regional_hub.orm import AlarmRow, DeliveryRow
from regional_hub.settings import load_settings
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.logging import configure_logging
from tests.mail_server import HOST, Letterbox, letterbox
from tests.regional_hub.browsing import Browser, give_account
from tests.regional_hub.running import CANARY, EventLoop, Network, RollBackError, RunningHub
from tests.regional_hub.test_webhook import SECRET, verify
from tests.webhook_receiver import Receiver, receiving

FORK, STALE, DAMAGED = ProblemCode.FEED_FORK, ProblemCode.STALE_HEAD, ProblemCode.LOG_DAMAGED
CHANNELS = ("webhook", "email")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def box() -> Iterator[Letterbox]:
    with letterbox() as running:
        yield running


@contextmanager
def telling(network: Network, loop: EventLoop, folder: Path, url: str | None, **at: Any) -> Iterator[RunningHub]:
    """A hub that tells of alarms by webhook and by e-mail."""
    receiver, box = at["receiver"], at["box"]
    more = {
        "alarm_webhook": f"{receiver.url}/hook?key={CANARY}",
        "alarm_email": "olga@sachsen.example",
        "smtp_host": HOST,
        "smtp_port": box.port,
        "smtp_encryption": "none",
        "smtp_sender": "hub@sachsen.example",
    }
    with RunningHub.start(network, loop, folder, url, more=more) as hub:
        secret = folder / "webhook.secret"
        secret.touch(0o600)
        secret.write_text(SECRET)
        yield hub


@pytest.fixture
def told(network: Network, loop: EventLoop, tmp_path: Path, receiver: Receiver, box: Letterbox) -> Iterator[RunningHub]:
    """On SQLite alone."""
    with telling(network, loop, tmp_path / "hub", None, receiver=receiver, box=box) as hub:
        yield hub


@pytest.fixture
def told_on_both(
    network: Network, loop: EventLoop, tmp_path: Path, hub_database_url: str, receiver: Receiver, box: Letterbox
) -> Iterator[RunningHub]:
    """Where the queue itself is in question, on both databases."""
    with telling(network, loop, tmp_path / "hub", hub_database_url, receiver=receiver, box=box) as hub:
        yield hub


def raise_one(hub: RunningHub, about: str = "bund.de", code: ProblemCode = FORK) -> None:
    with hub.hub.database.write() as session:
        alarms.raise_alarm(session, about, code, f"expected one history, not {CANARY}", hub.clock())


def end_one(hub: RunningHub, about: str = "bund.de") -> None:
    with hub.hub.database.write() as session:
        alarms.resolve_alarms(session, about, hub.clock())


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, body in receiver.arrived]


def types(receiver: Receiver) -> list[str]:
    return [body["type"] for body in bodies(receiver)]


def states(hub: RunningHub) -> dict[str, int]:
    with hub.hub.database.read() as session:
        counted = select(DeliveryRow.state, func.count()).group_by(DeliveryRow.state)
        return dict(session.execute(counted).all())


def test_an_alarm_that_ended_while_its_channel_was_unset_is_told_when_it_is_back(
    told_on_both: RunningHub, receiver: Receiver
) -> None:
    raise_one(told_on_both)
    told_on_both.verb("alarms.deliver")
    database = told_on_both.hub.database
    channels = database.info.pop(deliveries.CHANNELS)
    end_one(told_on_both)
    raise_one(told_on_both, "sachsen.de")
    end_one(told_on_both, "sachsen.de")
    database.info[deliveries.CHANNELS] = channels
    told_on_both.verb("alarms.deliver")
    assert types(receiver) == ["alarm.raised", "alarm.ended"], "what was never told is not said to have ended"
    told_on_both.verb("alarms.deliver")
    assert len(receiver.arrived) == 2


# --- nothing is lost, nothing twice ----------------------------------------------------------------------------------


def test_a_transaction_that_comes_to_nothing_tells_nothing(told: RunningHub, receiver: Receiver) -> None:
    with pytest.raises(RollBackError), told.hub.database.write() as session:
        alarms.raise_alarm(session, "bund.de", FORK, "two histories", told.clock())
        raise RollBackError
    assert told.verb("alarms.deliver") == {"sent": 0, "failed": 0}
    assert receiver.arrived == []


def test_an_alarm_is_told_once_when_raised_and_once_when_ended(
    told_on_both: RunningHub, receiver: Receiver, box: Letterbox
) -> None:
    for _ in range(3):
        raise_one(told_on_both)
        told_on_both.verb("alarms.deliver")
    assert types(receiver) == ["alarm.raised"]
    told_on_both.clock.advance(hours=1)
    for _ in range(3):
        end_one(told_on_both)
        told_on_both.verb("alarms.deliver")
    assert types(receiver) == ["alarm.raised", "alarm.ended"]
    assert [letter["Subject"] for _, letter in box.letters] == [
        "sachsen.de: alarm (feed-fork)",
        "sachsen.de: alarm has ended (feed-fork)",
    ]
    assert states(told_on_both) == {"sent": 4}


def test_an_alarm_survives_a_crash_between_raising_and_sending(told_on_both: RunningHub, receiver: Receiver) -> None:
    with told_on_both.another_process() as other, other.database.write() as session:
        alarms.raise_alarm(session, "bund.de", FORK, "two histories", told_on_both.clock())
    assert receiver.arrived == [], "that process ends before it sends anything"
    told_on_both.verb("alarms.deliver")
    assert types(receiver) == ["alarm.raised"]


def test_two_processes_that_end_an_alarm_at_once_tell_it_once(told_on_both: RunningHub, receiver: Receiver) -> None:
    raise_one(told_on_both)
    with told_on_both.another_process() as other, other.database.write() as session:
        alarms.resolve_alarms(session, "bund.de", told_on_both.clock())
    end_one(told_on_both)
    told_on_both.verb("alarms.deliver")
    assert types(receiver) == ["alarm.raised", "alarm.ended"]


def test_one_that_was_cut_off_while_it_was_sent_is_sent_again_with_the_same_id(
    told_on_both: RunningHub, receiver: Receiver
) -> None:
    raise_one(told_on_both)
    with told_on_both.hub.database.write() as session:
        (delivery,) = deliveries.prepare(session, "webhook", told_on_both.clock())
    with told_on_both.hub.database.write() as session:
        claimed = deliveries.claim(session, delivery, told_on_both.clock())
        assert claimed is not None
        assert deliveries.claim(session, delivery, told_on_both.clock()) is None, "another run does not get it"
    told_on_both.hub.webhook.send(claimed.message_id, b"{}", told_on_both.clock())  # type: ignore[union-attr]
    told_on_both.verb("alarms.deliver")  # and here the program was cut off: for ten minutes it is that run's
    assert receiver.ids == [claimed.message_id]
    told_on_both.clock.advance(minutes=11)
    told_on_both.verb("alarms.deliver")
    assert receiver.ids == [claimed.message_id] * 2
    assert states(told_on_both) == {"sent": 2}


def test_what_was_not_taken_is_tried_again_with_the_same_id_and_body(told: RunningHub, receiver: Receiver) -> None:
    receiver.answers = [500, 302, 429]
    raise_one(told)
    for _ in range(5):
        told.verb("alarms.deliver")
        told.clock.advance(hours=1)
    assert len(receiver.arrived) == 4
    assert len(set(receiver.ids)) == 1
    assert len({body for _, _, body in receiver.arrived}) == 1
    assert all(verify(SECRET, headers, body) for _, headers, body in receiver.arrived)
    assert len({headers["webhook-timestamp"] for _, headers, _ in receiver.arrived}) == 4, "of the try"


def test_the_log_says_which_message_failed_through_which_channel(
    told: RunningHub, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.status = 500
    raise_one(told)
    configure_logging()
    try:
        told.verb("alarms.deliver")
    finally:
        structlog.reset_defaults()
    (line,) = (json.loads(each) for each in capsys.readouterr().err.splitlines() if "message-failed" in each)
    assert line["channel"] == "webhook" and line["message_id"].startswith("msg_") and line["code"] == "webhook-refused"


def test_a_channel_that_fails_does_not_keep_the_other_one_back(
    told: RunningHub, receiver: Receiver, box: Letterbox
) -> None:
    receiver.status = 500
    raise_one(told)
    assert told.verb("alarms.deliver") == {"sent": 1, "failed": 1}
    assert len(box.letters) == 1
    box.refuse, receiver.status = "550 no such person", 204
    told.clock.advance(hours=1)
    end_one(told)
    assert told.verb("alarms.deliver")["failed"] == 1
    assert "alarm.ended" in types(receiver)


def test_what_is_not_taken_for_three_days_is_given_up_and_shown(told_on_both: RunningHub, receiver: Receiver) -> None:
    receiver.status = 503
    raise_one(told_on_both)
    told_on_both.verb("alarms.deliver")
    about = {each["about"]: each for each in told_on_both.verb("doctor")["findings"]}
    assert "webhook-refused" in about["alarms by webhook"]["found"]
    assert told_on_both.verb("overview")["lines"]["messages"]["state"] == "wait"
    told_on_both.clock.advance(days=GIVEN_UP_AFTER.days)
    told_on_both.verb("alarms.deliver")
    tries = len(receiver.arrived)
    told_on_both.clock.advance(days=1)
    told_on_both.verb("alarms.deliver")
    assert len(receiver.arrived) == tries, "it is not tried any more"
    about = {each["about"]: each for each in told_on_both.verb("doctor")["findings"]}
    assert "1 messages were given up (webhook-refused)" in about["alarms by webhook"]["found"]
    assert told_on_both.verb("overview")["lines"]["messages"]["state"] == "bad"
    receiver.status = 204
    assert told_on_both.verb("alarms.retry") == {"messages": 1}
    told_on_both.verb("alarms.deliver")
    assert types(receiver)[-1] == "alarm.raised"
    assert told_on_both.verb("overview")["lines"]["messages"]["state"] == "good"
    assert told_on_both.verb("alarms.drop") == {"messages": 0}


# --- nobody is flooded -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [2, pytest.param(24, marks=pytest.mark.long)])
def test_an_alarm_that_flaps_sends_few_messages_and_loses_none(
    told_on_both: RunningHub, receiver: Receiver, box: Letterbox, hours: int
) -> None:
    changes = 0
    for _ in range(hours * 4):
        raise_one(told_on_both, code=STALE)
        told_on_both.verb("alarms.deliver")
        told_on_both.clock.advance(minutes=7)
        end_one(told_on_both)
        told_on_both.verb("alarms.deliver")
        told_on_both.clock.advance(minutes=8)
        changes += 2
    told_on_both.clock.advance(hours=2)
    told_on_both.verb("alarms.deliver")
    assert len(receiver.arrived) == len(box.letters) <= MOST_OF_ONE + hours + 1
    bundles = [body["data"] for body in bodies(receiver) if body["type"] == "alarm.bundle"]
    assert (
        sum(data["changes"] for data in bundles)
        + types(receiver).count("alarm.raised")
        + types(receiver).count("alarm.ended")
        == changes
    )
    assert states(told_on_both).keys() == {"sent", "folded"}


def test_a_storm_is_one_message_and_never_more_than_an_hour_may_have(told: RunningHub, receiver: Receiver) -> None:
    for number in range(MOST_AN_HOUR + 3):
        raise_one(told, f"first-{number}.de")
        told.verb("alarms.deliver")
    with told.hub.database.write() as session:
        for number in range(80):
            alarms.raise_alarm(session, f"hub-{number}.de", FORK, "two histories", told.clock())
    told.verb("alarms.deliver")
    assert len(receiver.arrived) <= MOST_AN_HOUR
    told.clock.advance(hours=1, minutes=1)
    told.verb("alarms.deliver")
    data = bodies(receiver)[-1]["data"]
    assert types(receiver)[-1] == "alarm.bundle"
    assert len(data["alarms"]) == 50 and data["left_out"] == data["changes"] - 50 > 0


def test_after_a_long_outage_there_is_one_bundle(told: RunningHub, receiver: Receiver) -> None:
    receiver.status = 500
    for number in range(MOST_AN_HOUR + 3):
        raise_one(told, f"hub-{number}.de")
        told.verb("alarms.deliver")
        told.clock.advance(minutes=30)
    receiver.status = 204
    receiver.arrived.clear()
    told.clock.advance(hours=2)
    told.verb("alarms.deliver")
    assert 1 <= len(receiver.arrived) <= MOST_AN_HOUR
    assert "waiting" not in states(told)


# --- what it says ----------------------------------------------------------------------------------------------------


def test_a_message_says_its_kind_and_what_to_do_and_nothing_else(
    told: RunningHub, receiver: Receiver, box: Letterbox
) -> None:
    raise_one(told)
    told.verb("alarms.deliver")
    (body,) = bodies(receiver)
    assert body["type"] == "alarm.raised"
    assert body["data"] == {
        "hub": "sachsen.de",
        "page": f"{told.url}/",
        "alarm": 1,
        "subject": body["data"]["subject"],
        "code": "feed-fork",
        "since": body["timestamp"],
        "ended_at": None,
        "do": "regional-hub evidence list",
    }
    (text,) = box.texts
    for part in ("signed two logs", "regional-hub evidence list", f"{told.url}/", "alarm_email in hub.toml"):
        assert part in text
    for hidden in (CANARY, "bund.de", SECRET, "expected one history"):
        assert hidden not in text and hidden not in str(body)


@pytest.mark.parametrize("code", [ProblemCode.PRIVACY_FLOOR, ProblemCode.INTERNAL, DAMAGED])
def test_every_code_can_be_told(told: RunningHub, box: Letterbox, code: ProblemCode) -> None:
    raise_one(told, code=code)
    told.verb("alarms.deliver")
    assert code.value in str(box.letters[0][1]["Subject"]) and "regional-hub " in box.texts[0]


def test_an_e_mail_is_in_the_language_of_the_settings(told: RunningHub, box: Letterbox) -> None:
    settings = told.hub.settings.model_copy(update={"alarm_language": "de"})
    told.hub.settings = settings
    raise_one(told)
    told.verb("alarms.deliver")
    assert "Was jetzt zu tun ist" in box.texts[0]
    assert box.letters[0][1]["Content-Language"] == "de"


# --- channels that come and go ---------------------------------------------------------------------------------------


def test_what_is_open_when_a_channel_is_set_is_told_and_what_has_ended_is_not(
    told: RunningHub, receiver: Receiver
) -> None:
    told.hub.database.info[deliveries.CHANNELS] = ()  # a release before, or settings without a channel
    raise_one(told, "old.de")
    end_one(told, "old.de")
    raise_one(told, "open.de", STALE)
    told.hub.database.info[deliveries.CHANNELS] = CHANNELS
    told.verb("alarms.deliver")
    told.verb("alarms.deliver")
    assert [body["data"]["code"] for body in bodies(receiver)] == ["stale-head"]


def test_what_waits_for_a_channel_that_is_gone_is_dropped(told: RunningHub, receiver: Receiver) -> None:
    receiver.status = 500
    raise_one(told)
    told.verb("alarms.deliver")
    told.hub.settings = told.hub.settings.model_copy(update={"alarm_webhook": None})
    told.clock.advance(hours=2)
    told.verb("alarms.deliver")
    assert states(told) == {"sent": 1, "dropped": 1}


def test_a_year_later_what_is_done_is_gone_and_what_is_open_is_not_told_again(
    told_on_both: RunningHub, receiver: Receiver
) -> None:
    raise_one(told_on_both, "open.de")
    raise_one(told_on_both, "ends.de")
    end_one(told_on_both, "ends.de")
    told_on_both.verb("alarms.deliver")
    told_on_both.clock.advance(days=365)
    raise_one(told_on_both, "new.de", STALE)
    told_on_both.verb("alarms.deliver")
    assert types(receiver) == ["alarm.raised", "alarm.raised", "alarm.ended", "alarm.raised"]
    with told_on_both.hub.database.read() as session:
        kept = session.scalars(
            select(AlarmRow.about).join(DeliveryRow).where(DeliveryRow.channel == "webhook").order_by(AlarmRow.id)
        ).all()
    assert kept == ["open.de", "new.de"]


# --- the test message, pages and settings ----------------------------------------------------------------------------


def test_the_test_says_what_came_back_from_each_channel(told: RunningHub, receiver: Receiver, box: Letterbox) -> None:
    tested = told.verb("alarms.test")["tested"]
    assert [(each["channel"], each["taken"], each["said"]) for each in tested] == [
        ("webhook", True, "status 204"),
        ("email", True, "taken by the mail server"),
    ]
    assert types(receiver) == ["alarm.test"] and "This is a test" in box.texts[0]
    receiver.status, box.refuse = 401, "550 no such person"
    assert [each["code"] for each in told.verb("alarms.test")["tested"]] == ["webhook-refused", "mail-recipient"]
    (told.hub.data_dir / "webhook.secret").unlink()
    assert told.verb("alarms.test")["tested"][0]["code"] == "webhook-secret"


def test_without_a_channel_there_is_nothing_to_test(region: RunningHub) -> None:
    with pytest.raises(VerbError, match="alarm_webhook or alarm_email"):
        region.verb("alarms.test")
    raise_one(region)
    assert region.verb("alarms.deliver") == {"sent": 0, "failed": 0}
    assert region.verb("overview")["lines"]["messages"]["state"] == "good"


def test_the_page_shows_what_became_of_messages_and_hides_the_address(told: RunningHub, receiver: Receiver) -> None:
    olga = Browser(told).sign_in("olga")
    assert "127.0.0.1" in olga.page("/alarms")
    receiver.status = 500
    raise_one(told)
    told.verb("alarms.deliver")
    page = olga.page("/alarms")
    assert "not taken yet" in page and "feed-fork" in page
    assert CANARY not in page and SECRET not in page
    told.clock.advance(days=4)
    told.verb("alarms.deliver")
    give_account(told, "aldo")
    olga = Browser(told).sign_in("olga")
    aldo = Browser(told).sign_in("aldo").page("/alarms")
    assert "given up" in aldo and "<form" not in aldo.partition("<main")[2].partition("</main>")[0]
    assert "Try again what was given up" in olga.page("/alarms")
    assert "waits again" in olga.follow(olga.post("/alarms/retry"))
    receiver.status = 204
    answer = olga.post("/alarms/test")
    assert answer.status_code == 200 and "status 204" in answer.text
    told.verb("alarms.deliver")
    assert "Nothing was given up" in olga.follow(olga.post("/alarms/drop"))
    with told.hub.database.read() as session:
        newest = [(row.actor, row.action) for row in audit.find_events(session, limit=2)]
    assert newest == [("olga", "alarms-tested"), ("olga", "alarms-tried-again")]


def test_a_secret_that_others_can_read_is_found(told: RunningHub) -> None:
    told.hub.data_dir.chmod(0o700)
    (told.hub.data_dir / "webhook.secret").chmod(0o640)
    assert "webhook.secret" in [each["about"] for each in told.verb("doctor")["findings"]]


HUB_TOML = """
name = "sachsen.de"
level = "region"
area_scheme = "NUTS"
area_version = "2024"
area_code = "DED"
public_url = "https://hub.example"
port = 8700
"""
SMTP = 'smtp_host = "smtp.example.org"\nsmtp_sender = "hub@example.org"\n'


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ('alarm_webhook = "http://pager.example/"', "https"),
        ('alarm_webhook = "https://user:kanarienvogel@pager.example/"', "user name"),
        ('alarm_email = "olga@example.org"', "smtp_host"),
        (SMTP + 'alarm_email = "olga"', "such as anna@city.example"),
        ('smtp_host = "smtp.example.org"', "smtp_sender"),
        (SMTP + 'smtp_encryption = "none"', "encryption"),
        (SMTP + 'smtp_user = "hub"', "password"),
        ('alarm_language = "xx"', "alarm_language"),
    ],
)
def test_what_is_half_set_up_stops_the_start(tmp_path: Path, lines: str, word: str) -> None:
    (tmp_path / "hub.toml").write_text(HUB_TOML + lines)
    with pytest.raises(VerbError, match=word) as error:
        load_settings(tmp_path)
    assert CANARY not in error.value.message


def test_a_hub_with_both_channels_starts(tmp_path: Path) -> None:
    lines = SMTP + 'alarm_email = "olga@example.org"\nalarm_webhook = "https://pager.example/a?key=b"\n'
    (tmp_path / "hub.toml").write_text(HUB_TOML + lines)
    assert load_settings(tmp_path).alarm_webhook == "https://pager.example/a?key=b"
