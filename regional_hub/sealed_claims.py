"""What a hub below says about sealed totals in its complete sum, held against the log of this hub.

A sealed total has far less noise than the figures of its cities would have, and it is shown whole. So a hub that calls
something a sealed total must name the batches that it has opened, and they stand in this log with their rosters before
its sum comes: all of it is for the nation. What it says is made again here, and another figure is refused. A hub with
hubs below it adds up what those have opened as well; of its sum, what it has opened itself is the least.

Who could have sent, and what a hub with hubs below it adds, stays its own word, as for every other sum.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy.orm import Session

from regional_hub.holdings import find_table
from regional_hub.members import Trust
from regional_hub.opened_batches import OpenedBatch, batches_for, cities_of, share_of
from regional_hub.rollup import Share
from regional_hub.sealed_totals import Reader, each_city_once, find_told
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import Level
from shared_schema.keys import MemberRole
from shared_schema.reach import REACH_OF_LEVEL
from shared_schema.statement import Audience, VerifiedStatement
from shared_schema.trend import AggregateBody


def check_claim(
    session: Session, origin: str, body: AggregateBody, trust: Trust, level: Level, coming: Iterable[VerifiedStatement]
) -> None:
    """Raise ReleaseRuleError for a complete sum that says something else than the batches it names.

    `coming` are the statements that are on their way into this log before it.
    """
    if all(body.sealed_part_of(cell) is None for cell in body.cells):
        return
    exact = not has_hubs_below(origin, trust)
    if body.batches is None:
        if exact:
            raise ReleaseRuleError("expected the batches of a sealed total by name")
        return
    batches = _read(session, origin, body, trust, level, coming)
    if batches is not None:
        check_said(origin, body, batches, trust, exact=exact)


def has_hubs_below(origin: str, trust: Trust) -> bool:
    """Whether a hub adds up sums of others, of which this log need not know the batches."""
    return any(
        member.vouched_by == origin != member.name and member.role is MemberRole.HUB
        for member in trust.directory.members()
    )


def _read(
    session: Session, origin: str, body: AggregateBody, trust: Trust, level: Level, coming: Iterable[VerifiedStatement]
) -> list[OpenedBatch] | None:
    """The batches that a sum names. None where they need not have come to this log: beyond the nation."""
    told = find_told(session, body.batches or (), coming)
    reader = Reader(session, trust, told.values())
    found = []
    for digest in body.batches or ():
        each = told.get(digest)
        if each is None or not each.rosters:
            if REACH_OF_LEVEL[level] > Audience.NATION.reach:
                return None
            raise ReleaseRuleError("expected batches that stand in this log, with their rosters, before their sum")
        batch, problem = reader.read(each)
        if batch is None or (problem is not None and problem.since is None):
            raise ReleaseRuleError("expected batches that both hubs have signed, with the sums of their rosters")
        if batch.leader != origin:
            raise ReleaseRuleError("expected batches that the hub itself has led")
        found.append(batch)
    return found


def check_said(origin: str, body: AggregateBody, batches: Sequence[OpenedBatch], trust: Trust, *, exact: bool) -> None:
    """Raise ReleaseRuleError unless a sum of `origin` says what these batches make: all those that it names.

    `exact`: it has nothing else in it that is sealed.
    """
    by_label: dict[str, list[OpenedBatch]] = {}
    for batch in batches:
        by_label.setdefault(batch.label, []).append(batch)
    label, table = body.period.label, find_table(body.table, trust)
    whole = {batch.digest for batch in batches_for(label, by_label, stock=False)}
    if table is None or {batch.table for batch in batches} != {body.table} or whole != set(body.batches or ()):
        raise ReleaseRuleError("expected batches of this table, and of this period or all those in it")
    if each_city_once(batches)[1]:
        raise ReleaseRuleError("expected each city once in the batches of a period")
    is_there = all(batch.values is not None for batch in batches)
    share = share_of(origin, batches, label, table) if is_there else None
    for place, cell in enumerate(body.cells):
        part = body.sealed_part_of(cell)
        cities = 0 if part is None else part.contributors
        least = len(cities_of(batches))
        if part is None or cities < least or (exact and cities != least):
            raise ReleaseRuleError("expected as many cities in a sealed total as its rosters have")
        said = part.estimate, part.variance_milli
        if exact and is_there and (share is None or said != _figures(share, place)):
            raise ReleaseRuleError("expected the sealed total that the batches make")


def _figures(share: Share, place: int) -> tuple[int, int]:
    term = share.terms[place]
    return term.estimate, term.variance_milli
