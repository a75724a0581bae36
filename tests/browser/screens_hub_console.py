"""The operator's console: members in all states, one that waits, something set aside, an alarm, a withdrawal."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from regional_hub import alarms, audit, deliveries, members, verbs
from regional_hub.intake import Accepted, check_submission, commit_submissions
from regional_hub.orm import MemberRow, QuarantineRow
from shared_schema.envelope import parse_envelope
from shared_schema.problem import ProblemCode
from shared_schema.statement import Kind
from tests.browser.screens import FurnishedHub, HubScreen
from tests.hub_simulator import seeded_key
from tests.regional_hub.running import enrolment
from tests.regional_hub.sealed_samples import put_batches
from tests.shared_schema import builders

READ = {"leipzig.sn.de": timedelta(minutes=7), "dresden.sn.de": timedelta(days=2), "zwickau.sn.de": timedelta(days=12)}
"""Member → how long ago it last read: in time, late, silent."""
WAITING = "chemnitz.sn.de"


def furnish(furnished: FurnishedHub) -> None:
    """Members in time, late and silent; one that waits; a quarantined item; an alarm."""
    hub = furnished.hub
    verbs.publish_policy(hub, builders.POLICY)
    for name in READ:
        ask_for_admission(furnished, name)
        fingerprint = seeded_key(name).public.fingerprint
        verbs.run(hub, "enrol.approve", {"name": name, "fingerprint": fingerprint})
    ask_for_admission(furnished, WAITING)
    now = hub.clock()
    with hub.database.write() as session:
        for name, ago in READ.items():
            row = session.get_one(MemberRow, name)
            row.last_read_at, row.read_up_to, row.software = now - ago, 3, "0.2.0"
        session.add(
            QuarantineRow(
                digest="5c" * 32,
                source="bayern.de",
                source_index=41,
                code="unknown-key",
                envelope=builders.signed_statement(key=seeded_key("hof.by.de"), origin="hof.by.de"),
                since=now - timedelta(days=1),
            )
        )
        alarms.raise_alarm(
            session,
            "bayern.de",
            ProblemCode.STALE_HEAD,
            "expected a head of the last 24 hours",
            now - timedelta(hours=3),
        )
        tell(session, now)
        open_batch, ended = put_batches(session, now)
        furnished.known |= {"open_batch": str(open_batch), "ended_batch": str(ended)}
        audit.record(session, "olga", "backup-made", "20261121-020000", now - timedelta(hours=8))
    hand_in(furnished, "leipzig.sn.de")


def tell(session: Session, now: datetime) -> None:
    """The webhook has taken the message, and the mail server has not yet."""
    for channel in (deliveries.WEBHOOK, deliveries.EMAIL):
        (waiting,) = deliveries.prepare(session, channel, now)
        claimed = deliveries.claim(session, waiting, now)
        assert claimed is not None
        if channel == deliveries.WEBHOOK:
            deliveries.mark_sent(session, claimed, now)
        else:
            deliveries.mark_failed(session, claimed, "mail-unreachable", now, draw=1.0)


def ask_for_admission(furnished: FurnishedHub, name: str) -> None:
    """A one-time code that is used."""
    hub = furnished.hub
    code = verbs.run(hub, "enrol.code", {"name": name})["code"]
    with hub.database.write() as session:
        members.request_enrolment(session, enrolment(name, seeded_key(name), code), now=hub.clock())


def hand_in(furnished: FurnishedHub, name: str) -> None:
    """Three things of a member, one of which it takes back."""
    hub = furnished.hub
    texts = [builders.signed_statement(key=seeded_key(name), origin=name, seq=seq) for seq in (1, 2, 3)]
    body: dict[str, object] = {"digest": parse_envelope(texts[1]).digest, "reason": "consent"}
    texts.append(builders.signed_statement(Kind.WITHDRAWAL, body, key=seeded_key(name), origin=name, seq=4))
    with hub.database.write() as session:
        submissions = [check_submission(text, hub.trust, hub.clock()) for text in texts]
        answers = commit_submissions(session, submissions, name=hub.name, key=hub.key, now=hub.clock())
    assert all(isinstance(answer, Accepted) for answer in answers), answers


SCREENS = [
    HubScreen("/", shot="hub-console"),
    HubScreen("/members", shot="hub-members"),
    HubScreen("/members/leipzig.sn.de", shot="hub-member"),
    HubScreen("/members/leipzig.sn.de/items", shot="hub-member-items"),
    HubScreen("/enrolments", shot="hub-enrolments"),
    HubScreen("/quarantine", shot="hub-quarantine"),
    HubScreen("/policy", shot="hub-policy"),
    HubScreen("/withdrawals"),
    HubScreen("/questions"),
    HubScreen("/sums"),
    HubScreen("/sealed"),
    HubScreen("/sealed/{open_batch}"),
    HubScreen("/sealed/{ended_batch}"),
    HubScreen("/witnesses"),
    HubScreen("/alarms", shot="hub-alarms"),
    HubScreen("/audit", as_="aldo", shot="hub-audit"),
    HubScreen("/members", as_="aldo"),
]
