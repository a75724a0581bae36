"""The certificate under which members reach this hub: looked at twice a day, with an alarm before it ends.

A hub whose certificate has ended is silent for everybody, and whoever renews it needs days, not minutes. From inside
some networks a hub cannot reach its own public address; that is said, and is no alarm.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import select

from regional_hub import alarms
from regional_hub.app import Hub
from regional_hub.orm import AlarmRow
from regional_hub.verb_parameters import Params, Result
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.service.certificate import CertificateSeen, look_at_certificate

CERTIFICATE_ALARM: Final = "certificate"
BETWEEN_LOOKS: Final = timedelta(hours=12)
LEAST_LEFT: Final = timedelta(days=14)
"""An authority that renews by itself does so a month before the end; two weeks before, it has failed."""


def look(hub: Hub, params: Params) -> Result:
    """Look when the last look is long enough ago (with `now` at once), and raise or end the alarm."""
    last, now = hub.certificate, hub.clock()
    place = _place(hub)
    if place is None:
        _end_alarm(hub, now)
    elif params.get("now") or last is None or abs(now - last.looked_at) >= BETWEEN_LOOKS:
        last = hub.certificate = look_at_certificate(*place, hub.tls(), now)
        _tell(hub, last)
    return {"certificate": describe(hub)}


def _place(hub: Hub) -> tuple[str, int] | None:
    """Host and port under which members reach this hub with TLS; None without."""
    address = urlsplit(hub.settings.public_url)
    return (address.hostname, address.port or 443) if address.scheme == "https" and address.hostname else None


def describe(hub: Hub) -> Result | None:
    """The line of `overview`: `unknown` while nobody has looked, or when the address cannot be reached from here.

    None for an address without TLS.
    """
    place, seen = _place(hub), hub.certificate
    if place is None:
        return None
    host = f"[{place[0]}]:{place[1]}" if ":" in place[0] else f"{place[0]}:{place[1]}"  # as openssl wants it
    if seen is None or seen.is_believed is None:
        return {"state": "unknown", "host": host, "ends_at": None, "trouble": "" if seen is None else seen.trouble}
    ends_at = None if seen.ends_at is None else format_time(seen.ends_at)
    state = "bad" if _message(seen) else "good"
    return {"state": state, "host": host, "ends_at": ends_at, "trouble": seen.trouble}


def _message(seen: CertificateSeen) -> str:
    """What is wrong, as the alarm says it; nothing when all is well or nobody knows."""
    if seen.is_believed is False:
        return f"members do not believe the certificate: {seen.trouble}"
    if seen.ends_at is not None and seen.ends_at - seen.looked_at < LEAST_LEFT:
        return f"the certificate ends at {format_time(seen.ends_at)}; renew it, or no member reaches this hub"
    return ""


def _tell(hub: Hub, seen: CertificateSeen) -> None:
    if seen.is_believed is None:
        return
    message = _message(seen)
    with hub.database.write() as session:
        if message:
            alarms.raise_alarm(session, CERTIFICATE_ALARM, ProblemCode.CERTIFICATE, message, seen.looked_at)
        else:
            alarms.resolve_alarms(session, CERTIFICATE_ALARM, seen.looked_at)


def _end_alarm(hub: Hub, now: datetime) -> None:
    """An address that has no TLS any more has no certificate to worry about."""
    about = select(AlarmRow.id).where(AlarmRow.about == CERTIFICATE_ALARM, AlarmRow.resolved_at.is_(None))
    with hub.database.read() as session:
        is_open = session.scalars(about).first() is not None
    if is_open:
        with hub.database.write() as session:
            alarms.resolve_alarms(session, CERTIFICATE_ALARM, now)


VERBS: dict[str, Callable[[Hub, Params], Result]] = {"certificate": look}
