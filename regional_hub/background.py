"""What a hub does by itself while it runs: the same verbs that an operator can type."""

import asyncio
from collections.abc import Callable
from typing import Any

from regional_hub.app import Hub
from shared_schema.service.control import VerbError
from shared_schema.service.logging import get_logger

VERIFY_LOOK_SECONDS = 600
"""How often to look whether the log is to be verified; `verify_interval_hours` says how often it is."""

DELIVER_LOOK_SECONDS = 30
"""How often to look whether somebody is to be told something; a minute after an alarm somebody knows of it."""
WORK = (
    "recover.continue",
    "follow",
    "sealed.work",
    "aggregate",
    "figures.index",
    "watch.run",
    "watch.mail",
    "relay.publish",
    "witness.collect",
    "keys.tend",
    "operator.say",
    "log.publish",
    "certificate",
)
"""What a hub does by itself, in this order."""


async def work_forever(hub: Hub, handle: Callable[[str, dict[str, Any]], Any]) -> None:
    """Follow, add up, watch trends, relay, ask witnesses and change keys at the interval of the settings.

    What fails is logged and tried again next time.
    """
    interval = hub.settings.work_interval_seconds
    while interval:
        await asyncio.sleep(interval)
        for verb in WORK:
            await _work(handle, verb)


async def verify_forever(hub: Hub, handle: Callable[[str, dict[str, Any]], Any]) -> None:
    """Hash the whole log again when the last time is long enough ago, also when that was in another run."""
    while hub.settings.verify_interval_hours and hub.settings.work_interval_seconds:
        await asyncio.sleep(VERIFY_LOOK_SECONDS)
        await _work(handle, "log.check")


async def deliver_forever(hub: Hub, handle: Callable[[str, dict[str, Any]], Any]) -> None:
    """Tell what is to be told, soon after it has happened."""
    while hub.settings.work_interval_seconds and (hub.alarm_channels or hub.mail_server is not None):
        await asyncio.sleep(DELIVER_LOOK_SECONDS)
        await _work(handle, "alarms.deliver")


async def _work(handle: Callable[[str, dict[str, Any]], Any], verb: str) -> None:
    try:
        await handle(verb, {})
    except VerbError as error:
        get_logger().warning("background-work-failed", verb=verb, code=error.code)
    except Exception as error:
        get_logger().error("background-work-failed", verb=verb, error_type=type(error).__name__)
