"""Who will receive something: the members that the logs name, as far as this node has read them.

    who = find_receivers(session, "sachsen.de", Audience.REGION)
    who.cities                                ("chemnitz.sn.de", "dresden.sn.de")

What goes to the home hub alone is added up there, and no city receives it.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node.inbox import InboxState
from local_node.orm import InboxRow
from shared_schema.canonical import parse_strict
from shared_schema.envelope import parse_envelope
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.statement import Audience, Kind

LEVELS = {Audience.NATION: ("nation",), Audience.EUROPE: ("nation", "europe")}
"""Which hubs above the home hub an audience reaches."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """`hubs` hand it on, `cities` read it. Both by name, without this city and without whoever has left."""

    hubs: tuple[str, ...]
    cities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Word:
    """What one hub last said of one member."""

    role: str
    is_active: bool
    level: str | None


def find_receivers(session: Session, home: str, audience: Audience, own_name: str) -> Receivers:
    """Everybody whom an item of this audience reaches beyond its home hub, as far as is known here."""
    members = _read_members(session)
    hubs = [home]
    if audience in LEVELS:
        hubs = _hubs_below(members, [_highest(members, home, LEVELS[audience]), home])
    cities: set[str] = set()
    if audience is not Audience.HUB:
        cities = {
            name
            for hub in hubs
            for name, word in members[hub].items()
            if word.role == MemberRole.NODE and word.is_active
        }
    return Receivers(tuple(hubs), tuple(sorted(cities - {own_name})))


def _read_members(session: Session) -> dict[str, dict[str, _Word]]:
    """Hub -> member -> the hub's last word of it."""
    rows = session.execute(
        select(InboxRow.origin, InboxRow.envelope)
        .where(
            InboxRow.kind == Kind.MEMBERSHIP.value,
            InboxRow.state == InboxState.ACCEPTED.value,
            InboxRow.envelope.is_not(None),
        )
        .order_by(InboxRow.origin, InboxRow.seq)
    )
    members: defaultdict[str, dict[str, _Word]] = defaultdict(dict)
    for hub, envelope in rows:
        if hub is None or envelope is None:  # nobody's word
            continue
        body = parse_strict(parse_envelope(envelope).payload)["body"]
        members[hub][body["member"]] = _Word(
            body["role"], body["status"] == MemberStatus.ACTIVE.value, body.get("level")
        )
    return members


def _highest(members: dict[str, dict[str, _Word]], home: str, levels: tuple[str, ...]) -> str:
    """The highest hub above `home` whose level is among `levels`; `home` itself where there is none."""
    highest, seen = home, {home}
    while True:
        above = sorted(
            name
            for name, word in members.get(highest, {}).items()
            if word.role == MemberRole.PARENT and word.is_active and (word.level or levels[0]) in levels
        )
        if not above or above[0] in seen:
            return highest
        highest = above[0]
        seen.add(highest)


def _hubs_below(members: dict[str, dict[str, _Word]], tops: Sequence[str]) -> list[str]:
    """Hubs and all below them, from the top down."""
    found = list(dict.fromkeys(tops))
    for hub in found:  # grows while it is walked
        below = (name for name, word in members.get(hub, {}).items() if word.role == MemberRole.HUB and word.is_active)
        found += sorted(name for name in below if name not in found)
    return found
