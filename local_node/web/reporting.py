"""What the screens of returns share: the policy's tables with their labels, agencies by name, and how returns stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import audit, hub_client, inbox
from local_node.duties import Expected
from local_node.duty_store import LOOKED_AT, read_returns
from local_node.inbox import InboxState
from local_node.layouts import names_of
from local_node.orm import AgencyRow, InboxRow, ReturnDutyRow
from local_node.review import Role
from local_node.web.access import Visitor
from local_node.web.site import Site
from local_node.web.words import CATALOGUES, Words
from shared_schema.governance import PolicyBody
from shared_schema.period import Period, parse_period
from shared_schema.service.pages.remembered import Remembered
from shared_schema.service.pages.terms import cell_label
from shared_schema.service.translations import LOCALES, N_, load_language
from shared_schema.statement import Kind
from shared_schema.trend import TableDefinition

MOST_POLICIES: Final = 8
QUARTER: Final = N_("%(quarter)s. quarter of %(year)s")


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy in force here with its digest, and of each of its tables the newest version."""

    policy: PolicyBody | None
    tables: Mapping[str, TableDefinition]
    digest: str = ""


_known_rules: dict[str, Rules] = {}
"""A policy is read from its envelope once and then known by its digest: every page asks for it."""


def read_rules(session: Session) -> Rules:
    """The rules of the home hub; without one there is nothing to report yet."""
    row = InboxRow
    for hub in hub_client.nearest_first(hub_client.list_hubs(session)):
        newest = session.scalars(
            select(row.digest)
            .where(row.kind == Kind.POLICY.value, row.state == InboxState.ACCEPTED.value, row.origin == hub.name)
            .order_by(row.seq.desc())
            .limit(1)
        ).first()
        if newest is None:
            continue
        if newest not in _known_rules:
            while len(_known_rules) >= MOST_POLICIES:
                _known_rules.pop(next(iter(_known_rules)))
            _known_rules[newest] = _make_rules(inbox.current_policy(session, hub.name), newest)
        return _known_rules[newest]
    return Rules(None, {})


def _make_rules(policy: PolicyBody | None, digest: str) -> Rules:
    tables = sorted(policy.tables if policy else (), key=lambda table: table.version)
    return Rules(policy, {table.id: table for table in tables}, digest)


# --- how returns stand ---------------------------------------------------------------------------------------------

_known_returns: Remembered[tuple[Expected, ...]] = Remembered(64)


def known_returns(
    session: Session, rules: Rules, today: date, *, count: int = LOOKED_AT, agency: str | None = None
) -> tuple[Expected, ...]:
    """`read_returns`, read again only after somebody has changed something, a new policy came, or the day is over."""
    key = (session.get_bind(), audit.last_seq(session), rules.digest, today, count, agency)
    return _known_returns.get(key, lambda: read_returns(session, rules.tables, today, count=count, agency=agency))


# --- agencies --------------------------------------------------------------------------------------------------------


def agency_names(session: Session) -> dict[str, str]:
    """Every agency that is registered or has agreed to report, by id; who is only known by its id is called so."""
    names = {agency: agency for agency in session.scalars(select(ReturnDutyRow.agency).distinct())}
    names |= dict(session.execute(select(AgencyRow.id, AgencyRow.name).where(AgencyRow.ended_at.is_(None))).all())
    return dict(sorted(names.items(), key=lambda item: item[1].casefold()))


def sees_all_agencies(visitor: Visitor) -> bool:
    """Whether somebody may see how other agencies' returns stand; a partner sees its own agency's."""
    return not visitor.roles.isdisjoint({Role.COORDINATOR, Role.REVIEWER})


def visible_agencies(session: Session, visitor: Visitor) -> dict[str, str]:
    """The agencies whose returns a visitor may open, by id, with their names."""
    names = agency_names(session)
    if sees_all_agencies(visitor):
        return names
    return {} if visitor.agency is None else {visitor.agency: names.get(visitor.agency, visitor.agency)}


def today_in(site: Site) -> date:
    """Today, as the city's clocks have it."""
    return site.clock().astimezone(site.city.zone).date()


# --- labels ----------------------------------------------------------------------------------------------------------


def table_title(words: Words, table: TableDefinition) -> str:
    """The title of a table in the reader's language."""
    return words.gettext(table.title)


def cell_title(words: Words, table: TableDefinition, code: str) -> str:
    """The label of a cell in the reader's language."""
    return words.gettext(cell_label(table.dimension, code))


def period_title(words: Words, period: Period | str) -> str:
    """`October 2026`, `4. quarter of 2026`, `2026`."""
    period = parse_period(period) if isinstance(period, str) else period
    if period.granularity == "month":
        return words.language.month(period.first_day)
    if period.granularity == "year":
        return period.label
    return words.gettext(QUARTER) % {"quarter": period.label[-1], "year": period.label[:4]}


def known_names(table: TableDefinition) -> dict[str, str]:
    """Every label that a cell has in any language of the pages → its code; how tables from Excel are understood."""
    languages = [load_language(CATALOGUES, code) for code in LOCALES]
    labels: dict[str, Sequence[str]] = {}
    for code in table.cells:
        plain = cell_label(table.dimension, code)
        labels[code] = [plain, *(language.gettext(plain) for language in languages)]
    return names_of(labels)


def find_table(rules: Rules, table_id: object) -> TableDefinition | None:
    """The table of this id, where the policy has it."""
    return rules.tables.get(table_id) if isinstance(table_id, str) else None
