"""Valid objects of every kind; a test changes only what it is about.

Everything is fixed: the same call gives the same bytes, so a failing test fails again.
"""

import base64
import hashlib
import itertools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

from sqlalchemy.orm import Session

from local_node.orm import HubRow, PersonRow
from local_node.record_store import store
from local_node.records import EventsMapping, ReturnsMapping, parse_csv
from local_node.tabulation import FrequencyCell, FrequencyTable
from shared_schema.content import PracticeBody
from shared_schema.envelope import Envelope
from shared_schema.governance import PolicyBody
from shared_schema.keys import SigningKey
from shared_schema.laplace import variance_milli
from shared_schema.period import Area, Period, parse_period
from shared_schema.statement import Audience, Kind, Statement, StatementBody, make_statement, sign_statement
from shared_schema.trend import Coverage, TableDefinition, TrendBody
from shared_schema.vocabulary import SourceKind

NOW = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)
ORIGIN = "leipzig.sn.de"
HUB = "sachsen.de"
LEIPZIG = Area(scheme="LAU", version="2019", code="14713000")
JANUARY = parse_period("2026-01")
OFFENCES = ("assault", "arson", "demonstration", "attack", "unconfirmed", "other")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
COORDINATOR, REVIEWER, PARTNER = "anna", "bert", "paula"


def make_key(name: str = ORIGIN) -> SigningKey:
    """The key of a name: the same one every time, and no secret."""
    return SigningKey.from_seed(hashlib.sha256(f"test key of {name}".encode()).digest())


def make_nonces(start: int = 0) -> Iterator[str]:
    """Nonces without end, each of them once."""
    for number in itertools.count(start):
        yield base64.urlsafe_b64encode(number.to_bytes(16, "big")).decode().rstrip("=")


def make_table(**changes: Any) -> TableDefinition:
    """Bias incidents by offence: records, by month or quarter, epsilon 1."""
    return TableDefinition.from_object(
        {
            "id": "bias_incidents.by_offence",
            "version": 1,
            "measure": "bias_incidents",
            "title": "Bias incidents by offence",
            "unit": "record",
            "dimension": "offence",
            "cells": list(OFFENCES),
            "source_kinds": ["agency_return", "open_media"],
            "granularities": ["month", "quarter"],
            "epsilon_milli": 1000,
        }
        | changes
    )


def make_weekday_table(**changes: Any) -> TableDefinition:
    """The second table of the measure: by day of the week, epsilon 0.5."""
    own = {
        "id": "bias_incidents.by_weekday",
        "title": "Bias incidents by day of the week",
        "dimension": "weekday",
        "cells": list(WEEKDAYS),
        "epsilon_milli": 500,
    }
    return make_table(**(own | changes))


def make_policy(tables: Sequence[TableDefinition] | None = None, **changes: Any) -> PolicyBody:
    """A policy with both tables: epsilon 2 for a measure, 4 over all."""
    chosen = (make_table(), make_weekday_table()) if tables is None else tables
    return PolicyBody.from_object(
        {
            "version": 1,
            "vocabulary_version": 1,
            "tables": [table.to_object() for table in chosen],
            "epsilon_milli_per_measure": 2000,
            "epsilon_milli_total": 4000,
            "min_contributors": 3,
        }
        | changes
    )


def make_frequency_table(
    counts: Sequence[int | None] = (3, 0, 12, 1, None, 0),
    *,
    table: TableDefinition | None = None,
    period: Period = JANUARY,
) -> FrequencyTable:
    """True counts on the grid of a table; None is not collected."""
    definition = table or make_table()
    cells = tuple(
        FrequencyCell(code, "L" if count is None else "A", count)
        for code, count in zip(definition.cells, counts, strict=True)
    )
    return FrequencyTable(definition, period, SourceKind.AGENCY_RETURN, cells, Coverage(reporting=1, expected=2))


def no_noise(scale: Fraction, count: int) -> tuple[int, ...]:
    """In place of a draw, where a test is about something else."""
    return (0,) * count


class CountingDraw:
    """Draws 1, 2, 3, ... and remembers with which scale, so that a second draw is seen."""

    def __init__(self) -> None:
        self.scales: list[Fraction] = []
        self._numbers = itertools.count(1)

    def __call__(self, scale: Fraction, count: int) -> tuple[int, ...]:
        self.scales.append(scale)
        return tuple(itertools.islice(self._numbers, count))


def make_practice_draft(**changes: Any) -> dict[str, Any]:
    """A practice as a person writes it: without area and review."""
    return {
        "title": "Rehearsing hard conversations",
        "summary": "Schools rehearse short scenes with trained actors before they need them.",
        "phenomenon": ["RWE"],
        "prevention_level": "primary",
        "agencies": [{"type": "edu_sec", "role": "deliver"}, {"type": "municipality", "role": "coordinate"}],
        "outcome": "mixed",
        "lessons": "Begin with scenes that teachers bring themselves.",
        "language": "en",
    } | changes


def make_practice(**changes: Any) -> PracticeBody:
    """A practice as it is signed."""
    review = {"role": "reviewer", "detector": "narrative/0.1", "findings": 0}
    return PracticeBody.from_object(make_practice_draft() | {"area": LEIPZIG.to_object(), "review": review} | changes)


def make_trend(
    values: Sequence[int | None] = (3, -1, 12, 1, None, 0),
    *,
    table: TableDefinition | None = None,
    period: Period = JANUARY,
    **changes: Any,
) -> TrendBody:
    """A city's figures as they are signed; a value of None is not collected."""
    definition = table or make_table()
    scale = Fraction(1000, definition.epsilon_milli)
    cells = [
        {"dims": {definition.dimension: code}} | ({"status": "L"} if value is None else {"status": "A", "value": value})
        for code, value in zip(definition.cells, values, strict=True)
    ]
    return TrendBody.from_object(
        {
            "table": definition.reference.to_object(),
            "area": LEIPZIG.to_object(),
            "period": period.to_object(),
            "source_kind": "agency_return",
            "mechanism": {
                "name": "discrete-laplace",
                "scale": {"numerator": scale.numerator, "denominator": scale.denominator},
                "variance_milli": variance_milli(scale),
                "library": "opendp 0.16.0",
            },
            "privacy": {
                "unit": definition.unit,
                "window": "period",
                "epsilon_milli": definition.epsilon_milli,
                "composition": "parallel over periods, sum over tables",
            },
            "ledger": {"seq": 1, "head": "0" * 64},
            "coverage": {"reporting": 1, "expected": 1},
            "review": {"role": "reviewer", "detector": "narrative/0.1", "findings": 0},
            "cells": cells,
        }
        | changes
    )


def make_signed(
    body: StatementBody,
    kind: Kind,
    *,
    origin: str = ORIGIN,
    seq: int = 1,
    audience: Audience = Audience.EUROPE,
    key: SigningKey | None = None,
    now: datetime = NOW,
) -> Envelope:
    """A statement of `origin` with its own key, signed."""
    return sign_statement(
        make_framed(body, kind, origin=origin, seq=seq, audience=audience, now=now), key or make_key(origin)
    )


def make_framed(
    body: StatementBody,
    kind: Kind,
    *,
    origin: str = ORIGIN,
    seq: int = 1,
    audience: Audience = Audience.EUROPE,
    now: datetime = NOW,
) -> Statement:
    """A statement with its frame; its nonce follows from its `seq`."""
    return make_statement(
        body, kind=kind, origin=origin, seq=seq, issued_at=now, nonce=next(make_nonces(seq)), audience=audience
    )


# --- a node's data -------------------------------------------------------------------------------------------------


def make_returns_mapping(**changes: Any) -> ReturnsMapping:
    """One column per cell of the table by offence."""
    return ReturnsMapping.model_validate(
        {
            "kind": "returns",
            "measure": "bias_incidents",
            "table": "bias_incidents.by_offence",
            "columns": {code: code for code in OFFENCES},
        }
        | changes
    )


def make_events_mapping(**changes: Any) -> EventsMapping:
    """Events with a date and an offence."""
    return EventsMapping.model_validate(
        {"kind": "events", "measure": "bias_incidents", "dimensions": {"offence": {"column": "offence"}}} | changes
    )


def make_returns_file(**months: Sequence[int | None]) -> bytes:
    """`make_returns_file(m2026_01=[3, 0, None, ...])`: a return by offence; None is a blank."""
    rows = [",".join(["month", *OFFENCES])]
    rows += [
        ",".join([name[1:].replace("_", "-"), *("" if count is None else str(count) for count in counts)])
        for name, counts in months.items()
    ]
    return "\n".join(rows).encode() + b"\n"


def add_people(session: Session) -> None:
    """A coordinator, a reviewer and a partner."""
    session.add_all(
        PersonRow(id=person, role=role)
        for person, role in ((COORDINATOR, "coordinator"), (REVIEWER, "reviewer"), (PARTNER, "partner"))
    )
    session.flush()


def add_hub(session: Session, name: str = HUB) -> None:
    """A hub that is known and enrolled at."""
    session.add(
        HubRow(
            name=name, url="http://127.0.0.1:9", vkey=f"{name}+00000000+x", level="region", added_at=NOW, enrolled=True
        )
    )
    session.flush()


def add_returns(session: Session, data: bytes, *, agency: str = "police") -> None:
    """Import a return by offence as the coordinator."""
    mapping = make_returns_mapping()
    store(
        session,
        parse_csv(data, mapping, agency=agency, today=TODAY),
        mapping,
        agency=agency,
        file_digest=hashlib.sha256(data).hexdigest(),
        person=COORDINATOR,
        now=NOW,
    )
