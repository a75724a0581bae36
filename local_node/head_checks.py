"""What a node asks when it has read a hub's feed to its end: are our receipts kept, and do others see the same log?

`pull` tells the whole story; these are its last steps. A contradiction raises HeadsDiffer, which carries both signed
heads; what is only missing or late is returned, and becomes an alarm that does not stop the reading.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local_node import watch
from local_node.watch import OpenReceipt
from shared_schema.checkpoint import parse_checkpoint, split_note
from shared_schema.errors import ContractError, FeedError
from shared_schema.feed import FeedState
from shared_schema.head_times import HeadPolicy
from shared_schema.service.database import Database
from shared_schema.service.head_watch import Watched, includes_head
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable
from shared_schema.service.logging import get_logger

RECEIPTS_A_ROUND = 50
RECEIPT_GRACE = timedelta(hours=1)
"""A hub's replicas may lag; longer than this, an acknowledged statement is not in the log that we are shown."""

Connect = Callable[[str], HubApi]


@dataclass(frozen=True, slots=True)
class Checks:
    """What a node asks of its hubs' heads; `connect` opens another place, None asks nowhere."""

    policy: HeadPolicy = field(default_factory=HeadPolicy)
    connect: Connect | None = None


def check_receipts(database: Database, api: HubApi, state: FeedState, watched: Watched, now: datetime) -> bool:
    """Compare receipts with the log that was read; True when one is overdue.

    Raises HeadsDiffer when the log that gave a receipt is not the log that was read; HubUnreachable, HubRefused.
    """
    hub = state.verifier.name
    with database.read() as session:
        receipts = watch.open_receipts(session, hub, RECEIPTS_A_ROUND)
        read = {item.row_id for item in receipts if watch.was_read_at(session, hub, item.digest, item.receipt.index)}
    kept = [item for item in receipts if item.row_id in read or _is_kept(item, api, state, watched)]
    missed = [item for item in receipts if item not in kept]
    if receipts:
        with database.write() as session:
            for item in kept:
                watch.confirm(session, item.row_id, now)
            for item in missed:
                watch.miss(session, item.row_id, now)
    return any(item.missed_since is not None and now - item.missed_since >= RECEIPT_GRACE for item in missed)


def _is_kept(item: OpenReceipt, api: HubApi, state: FeedState, watched: Watched) -> bool:
    """Whether the receipt's own log is the beginning of what is shown, and its entry has been read."""
    size = parse_checkpoint(split_note(item.receipt.checkpoint)[0]).size
    if size > state.seen_size:
        return False
    try:
        return includes_head(state, watched, item.receipt.checkpoint, api) and item.receipt.index < state.next_index
    except FeedError:
        raise
    except ContractError:
        # It was verified when it came. The hub has another key since, which nobody pins without a reason, and the
        # entry itself was read or is missed by its author.
        return True


def is_longer_elsewhere(database: Database, checks: Checks, api: HubApi, state: FeedState, watched: Watched) -> bool:
    """Whether another place knows a longer log of this hub than it shows here.

    Raises HeadsDiffer when both are signed by the hub and do not fit together; HubUnreachable, HubRefused of the hub.
    """
    with database.read() as session:
        url = watch.find_elsewhere(session, state.verifier.name)
    if url is None or checks.connect is None:
        return False
    try:
        with checks.connect(url) as other:
            note = other.witnessed(state.verifier.name)
    except (HubUnreachable, HubRefused) as error:  # it may be away, or not know this log yet
        get_logger().warning("other-place-not-reached", hub=state.verifier.name, error=type(error).__name__)
        return False
    try:
        return not includes_head(state, watched, note, api)
    except FeedError:
        raise
    except ContractError as error:  # not signed by the hub: whoever says so, it says nothing about the hub
        get_logger().warning("other-place-has-no-head", hub=state.verifier.name, code=error.code.value)
        return False
