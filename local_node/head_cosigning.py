"""This node as a witness: it vouches for a hub's head that it has verified, when its settings say so.

Off unless `cosign_heads` is set: the hub's checkpoint is public, so it tells everybody that this city reads this log.
Only a head that was read to the end, and about which there is no alarm, is cosigned. The hub may say no, or know no
such thing: that is no reason for an alarm.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from local_node import watch
from local_node.orm import HubRow
from shared_schema.checkpoint import NoteVerifier, parse_checkpoint, split_note
from shared_schema.cosignature import cosigner
from shared_schema.keys import SigningKey
from shared_schema.member_cosignature import write_cosigned
from shared_schema.merkle import Frontier
from shared_schema.problem import ProblemCode
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable
from shared_schema.service.logging import get_logger

AGAIN_SECONDS = 3600
"""A head that has stayed the same is vouched for again after an hour, as its hub does."""
NOT_ABOUT_THE_HEAD = frozenset({ProblemCode.TOO_FEW_WITNESSES.value})
"""The one alarm that does not hinder: when nodes are the witnesses, somebody has to be the first."""


@dataclass(slots=True)
class HeadCosigner:
    """Vouches for heads under the node's name; `last` is what was sent since the start, by hub."""

    name: str
    key: SigningKey
    last: dict[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def verifier(self) -> NoteVerifier:
        return cosigner(self.name, self.key)

    def vouch(self, text: str, hub: str, api: HubApi, key: SigningKey, now: datetime) -> None:
        """Cosign the checkpoint body of a head that `find_verified` gave; `key` is the node's signing key."""
        known, sent_at = self.last.get(hub, ("", 0))
        time = int(now.timestamp())
        if known == text and time - sent_at < AGAIN_SECONDS:
            return
        try:
            api.hand_in_cosignature(write_cosigned(self.name, key, self.key, text, time))
        except (HubUnreachable, HubRefused) as error:
            get_logger().info("head-not-cosigned", hub=hub, why=getattr(error, "code", None) or "unreachable")
            return
        self.last[hub] = (text, time)


def find_verified(session: Session, hub: str, alarms: Collection[str]) -> str | None:
    """The body of a hub's newest checkpoint, when this node has read to it and nothing is wrong; else None.

    `alarms` are the codes of those that are open about the hub.
    """
    row, note = session.get_one(HubRow, hub), watch.load(session, hub).seen_note
    if note is None or set(alarms) - NOT_ABOUT_THE_HEAD or row.frontier_size != row.seen_size:
        return None
    text, _ = split_note(note)
    checkpoint = parse_checkpoint(text)
    read = Frontier.from_bytes(row.frontier_size, row.frontier)
    return text if (checkpoint.size, checkpoint.root) == (read.size, read.root()) else None
