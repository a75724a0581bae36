"""What an operator does next about an alarm: one sentence, and the command with which it begins."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from shared_schema.messages import N_
from shared_schema.problem import ProblemCode


class Advice(NamedTuple):
    """A sentence to translate, and a command."""

    sentence: str
    command: str


_CONTRADICTS: Final = Advice(
    N_("Ring the operator of that hub, and keep this data directory: it holds what that hub signed before."),
    "regional-hub evidence list",
)
ADVICE: Final[Mapping[str, Advice]] = MappingProxyType(
    {
        ProblemCode.FEED_CHECKPOINT: _CONTRADICTS,
        ProblemCode.FEED_FORK: _CONTRADICTS,
        ProblemCode.FEED_ROLLBACK: _CONTRADICTS,
        ProblemCode.FEED_ENTRY: _CONTRADICTS,
        ProblemCode.STALE_HEAD: Advice(
            N_("Look at the clocks of both hubs, and ring the operator of that hub."), "regional-hub doctor"
        ),
        ProblemCode.TOO_FEW_WITNESSES: Advice(
            N_("Ring the operator of that hub: does it ask its witnesses?"), "regional-hub witness list"
        ),
        ProblemCode.LOG_BEHIND: Advice(N_("Bring back what the log has lost."), "regional-hub recover"),
        ProblemCode.LOG_DAMAGED: Advice(
            N_("Find the places, then stop the hub and keep its data."), "regional-hub verify"
        ),
        ProblemCode.STORAGE_FULL: Advice(
            N_("Make space on the disk; the next commit writes the files."), "regional-hub doctor"
        ),
        ProblemCode.POLICY_LOOSER_THAN_PARENT: Advice(
            N_("Put a policy in force that keeps the limits of the hub above."), "regional-hub policy show"
        ),
        ProblemCode.SEQ_CONFLICT: Advice(
            N_("Ring the member, and suspend it if it cannot explain."), "regional-hub quarantine list"
        ),
        ProblemCode.CERTIFICATE: Advice(
            N_("Renew the certificate, or no member reaches this hub any more."), "regional-hub overview"
        ),
        ProblemCode.INTERNAL: Advice(N_("Find the member whose figures are wild."), "regional-hub sums"),
    }
)
OTHER: Final = Advice(N_("Look at it on the first page of the console."), "regional-hub overview")


def advice_on(code: str) -> Advice:
    """What to do about an alarm of this code."""
    return ADVICE.get(code, OTHER)
