"""Batches for a hub's pages: one that is open, to which some have sent, and one that was opened, with a late city."""

import random
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from regional_hub import sealed_arrivals, sealed_store
from regional_hub.sealed_rows import add_row
from shared_schema.names import format_time, parse_time
from shared_schema.sealed.bodies import RosterBody
from shared_schema.sealed.checks import Facts
from shared_schema.sealed.countersign import Countersignature
from shared_schema.sealed.helper import sign_roster_once
from shared_schema.sealed.hub import committed, publish
from shared_schema.sealed.leader import LeaderBatch
from shared_schema.sealed.terms import RosterTerms
from tests.regional_hub.sealed_hubs import KeptWorld
from tests.shared_schema.sealed_world import HELPER, key_of

SEPTEMBER = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}


class PastWorld(KeptWorld):
    """One that was a while ago."""

    def facts(self, **changes: Any) -> Facts:
        return super().facts(**({"now": parse_time(self.plan.opens)} | changes))


def put_batches(session: Session, now: datetime) -> tuple[int, int]:
    """An open one, and one that has ended; their numbers."""
    return _put_open(session, now), _put_opened(session, now)


def _put_open(session: Session, now: datetime) -> int:
    opens, closes = format_time(now - timedelta(days=5)), format_time(now + timedelta(days=16))
    world = KeptWorld(cities=9, chance=random.Random(1), opens=opens, closes=closes)
    world.agree()
    batch = add_row(session, world.leader, other=HELPER, now=now).id
    _send(session, batch, world, now, 6)
    return batch


def _put_opened(session: Session, now: datetime) -> int:
    opens, closes = format_time(now - timedelta(days=40)), format_time(now - timedelta(days=19))
    world = PastWorld(cities=8, chance=random.Random(2), opens=opens, closes=closes, period=SEPTEMBER)
    world.agree()
    batch = add_row(session, world.leader, other=HELPER, now=now).id
    _send(session, batch, world, now - timedelta(days=22), 6)
    late = world.cities[6]
    world.send(late, world.counts())
    world.late[late] = world.shares.pop().digest
    assert sealed_arrivals.note_if_late(session, batch, world.verified[-1], at=now - timedelta(days=18))
    _open(session, batch, world)
    return batch


def _open(session: Session, batch: int, world: KeptWorld) -> None:
    """From the close to the destroyed keys, a step of the leader at a time."""

    def keep(after: LeaderBatch) -> None:
        sealed_store.change(session, sealed_store.read_leader(session, batch), after)

    question = world.close()
    keep(world.leader)
    terms = world.answer(question)
    keep(world.leader)
    assert isinstance(terms, RosterTerms)
    _, signed = sign_roster_once(world.helper, terms.to_bytes(), key_of(HELPER))
    roster = world.announce_roster(RosterBody(terms=terms, helper=Countersignature.from_bytes(signed)))
    keep(committed(world.leader, roster))
    keep(publish(committed(world.leader, roster))[0])
    sealed_store.destroy(session, sealed_store.read_leader(session, batch))


def _send(session: Session, batch: int, world: KeptWorld, at: datetime, count: int) -> None:
    for name in world.cities[:count]:
        world.send(name, world.counts())
        sealed_arrivals.take_share(session, batch, world.verified[-1], at=at)
