"""A member's word that it leaves a hub, signed with its key."""

from typing import Annotated

from pydantic import Field

from shared_schema.names import Origin, Timestamp, Version
from shared_schema.wire import WireModel

LEAVE_KIND = "leave-request"
"""The payload type of a request to leave; it is no statement: what the log gets is the hub's membership statement."""


class LeaveRequest(WireModel):
    """`name` leaves `hub`. It names the hub, so that one hub cannot show it to another."""

    v: Version = 1
    hub: Origin
    name: Origin
    made_at: Timestamp
    nonce: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{22,64}$")]
