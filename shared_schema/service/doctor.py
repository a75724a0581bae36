"""What `doctor` of both programs looks at on the machine: one line a finding, with what to do.

A finding is something that a person should look at; where everything is well there are none.
"""

import shutil
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared_schema.service.database import Database
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable
from shared_schema.service.key_file import READABLE_BY_OTHERS

LEAST_FREE_BYTES: Final = 1024 * 1024 * 1024
"""Room for a month of a busy hub; a full disk refuses what is sent, and loses nothing."""
OLDEST_BACKUP: Final = timedelta(days=8)
"""A week, and a day for the one that takes care of it."""
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
"""Signed reads hold for five minutes on both sides."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and what to do."""

    about: str
    found: str
    do: str


def result_of(findings: list[Finding], checks: int) -> dict[str, Any]:
    """The findings as a verb gives them."""
    return {"ok": not findings, "checks": checks, "findings": [asdict(finding) for finding in findings]}


def look_at_disk(data_dir: Path, *, least: int = LEAST_FREE_BYTES) -> list[Finding]:
    free = shutil.disk_usage(data_dir).free
    if free >= least:
        return []
    return [Finding("disk", f"{free // 2**20} MB are free", f"make room: expected at least {least // 2**20} MB")]


def look_at_files(data_dir: Path) -> list[Finding]:
    """A data directory, a key or another secret that somebody else on the machine can read."""
    found = []
    if data_dir.stat().st_mode & READABLE_BY_OTHERS:
        found.append(Finding("data directory", "others on this machine can look into it", f"run: chmod 700 {data_dir}"))
    for path in sorted((*data_dir.glob("*.key"), *data_dir.glob("*.secret"))):
        if path.stat().st_mode & READABLE_BY_OTHERS:
            found.append(Finding(path.name, "others on this machine can read it", f"run: chmod 600 {path}"))
    return found


def look_at_database(database: Database, place: str, *, thorough: bool = True) -> list[Finding]:
    """Whether it answers, and, of SQLite, whether it finds no fault in itself; the latter only when `thorough`."""
    try:
        with database.read() as session:
            command = "PRAGMA quick_check(1)" if thorough and database.dialect == "sqlite" else "SELECT 'ok'"
            said = str(session.execute(text(command)).scalar())
    except DBAPIError as error:
        said = type(error).__name__
    if said == "ok":
        return []
    return [
        Finding("database", f"it is damaged or does not answer ({said[:80]})", f"stop, and restore a backup of {place}")
    ]


def look_at_hub(name: str, api: HubApi, now: datetime) -> list[Finding]:
    """Whether another hub answers, and whether both clocks agree."""
    try:
        date = api.reach()
    except (HubUnreachable, HubRefused) as error:
        return [Finding(name, f"it does not answer: {error.message}", "ask its operator, or wait; nothing is lost")]
    return look_at_clock(name, date, now)


def look_at_backup(made_at: datetime | None, now: datetime, command: str) -> list[Finding]:
    if made_at is None:
        return [Finding("backup", "none was ever made", f"run: {command} backup FOLDER, every day")]
    age = now - made_at
    if age <= OLDEST_BACKUP:
        return []
    return [Finding("backup", f"the newest is {age.days} days old", f"run: {command} backup FOLDER, every day")]


def look_at_clock(name: str, date_header: str | None, now: datetime) -> list[Finding]:
    """The clock of this machine against the Date header of somebody else's answer."""
    try:
        there = parsedate_to_datetime(date_header or "")
    except ValueError:
        return []
    off = abs(there - now) if there.tzinfo is not None else timedelta()
    if off <= CLOCK_TOLERANCE:
        return []
    words = f"it is {off.total_seconds() // 60:.0f} minutes off that of {name}"
    return [Finding("clock", words, "set the clock, and keep it with a time service; signed reads hold for 5 minutes")]
