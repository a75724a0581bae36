"""What agencies plan, where in the city, and where two plans come close. Never anybody the work concerns."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from local_node.orm.columns import Base


class DistrictRow(Base):
    """A part of the city, as the city names it. One that ended is offered no more and keeps its name."""

    __tablename__ = "districts"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    ended_at: Mapped[datetime | None]


class CalendarRuleRow(Base):
    """How many days apart two activities still touch; one row, id 1, and none while nobody has changed it."""

    __tablename__ = "calendar_rule"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    gap_days: Mapped[int]


class ActivityRow(Base):
    """A planned activity of an agency. `area` is a district, NULL the whole city; `audience` has a blank around each
    term (`clashes.AUDIENCE`), and is one blank for everybody. Times are the city's own, `HH:MM`.

    `quiet`: other agencies learn that something is planned, where and when, and whom to talk to. `version` counts its
    changes.
    """

    __tablename__ = "activities"
    __table_args__ = (Index("activities_by_day", "starts_on"), Index("activities_by_agency", "agency", "starts_on"))

    id: Mapped[str] = mapped_column(primary_key=True)
    agency: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    area: Mapped[str | None] = mapped_column(ForeignKey("districts.id"))
    audience: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    from_time: Mapped[str | None]
    to_time: Mapped[str | None]
    state: Mapped[str]
    quiet: Mapped[bool] = mapped_column(default=False, server_default=false())
    contact_role: Mapped[str]
    note: Mapped[str]
    version: Mapped[int]
    made_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(ForeignKey("people.id"))
    changed_at: Mapped[datetime]


class ClashRow(Base):
    """Two activities of two agencies that touch. `first` is the smaller id; `state` is open, talked, accepted, solved.

    `changed_by` is NULL where the program did it: the plans touch again, or no more.
    """

    __tablename__ = "clashes"
    __table_args__ = (
        UniqueConstraint("first", "second"),
        Index("clashes_by_second", "second"),
        Index("clashes_by_state", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column(ForeignKey("activities.id"))
    second: Mapped[str] = mapped_column(ForeignKey("activities.id"))
    state: Mapped[str]
    found_at: Mapped[datetime]
    changed_by: Mapped[str | None] = mapped_column(ForeignKey("people.id"))
    changed_at: Mapped[datetime | None]
