"""Which of two policies is stricter. Plain rules; what they find is said in words.

A hub's own policy may only be stricter than that of the hub above, and a node's settings only stricter than its hub's.

    find_looser(own, parent)    ("min_contributors: expected at least 5, got 3",)
    stricter_of(own, parent)    what counts where both speak
"""

import re
from dataclasses import dataclass
from typing import Final

from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.problem import ProblemCode

VERSION_PATTERN: Final = r"^(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$"
"""Major, minor and patch, as in semantic versioning; what comes before a release counts as that release."""
OLDEST: Final = "0.0.0"
"""What a program counts as that does not name its version."""


@dataclass(frozen=True, slots=True)
class NodeLimits:
    """What a node's own settings say; None where they say nothing."""

    threshold: int | None = None
    retention_months: int | None = None


def parse_version(text: str | None) -> tuple[int, int, int]:
    """The three numbers of a version; those of OLDEST for a text that is none."""
    found = re.match(VERSION_PATTERN, (text or "").partition("-")[0].partition("+")[0])
    return (0, 0, 0) if found is None else (int(found[1]), int(found[2]), int(found[3]))


def is_too_old(version: str | None, policy: PolicyBody) -> bool:
    """Whether a program of this version may not hand in anything under this policy."""
    return policy.least_software is not None and parse_version(version) < parse_version(policy.least_software)


def check_software(version: str | None, policy: PolicyBody) -> None:
    """Raise ReleaseRuleError (`software-too-old`), with what to do, for a program that is too old."""
    if is_too_old(version, policy):
        raise ReleaseRuleError(too_old_in_words(version, policy), code=ProblemCode.SOFTWARE_TOO_OLD)


def too_old_in_words(version: str | None, policy: PolicyBody) -> str:
    """For both sides the same."""
    found = "one that does not say its version" if version is None else ".".join(map(str, parse_version(version)))
    return (
        f"expected a program of version {policy.least_software} or newer, got {found}; update it. Nothing is lost: "
        f"what waits is sent afterwards, and reading goes on"
    )


def find_looser(own: PolicyBody, parent: PolicyBody) -> tuple[str, ...]:
    """Where `own` allows more than `parent`, in words; empty when it is as strict or stricter everywhere."""
    looser = [
        *(_at_most(name, getattr(own, name), getattr(parent, name)) for name in _CAPS),
        *(_at_least(name, getattr(own, name), getattr(parent, name)) for name in _FLOORS),
        _at_least("vocabulary_version", own.vocabulary_version, parent.vocabulary_version),
        _retention(own.retention_months, parent.retention_months),
        _software(own.least_software, parent.least_software),
    ]
    for table in own.tables:
        known = parent.find_table(table.id, table.version)
        if known is not None:
            looser.append(_at_most(f"epsilon_milli of table {table.id}", table.epsilon_milli, known.epsilon_milli))
    return tuple(words for words in looser if words)


_CAPS: Final = ("epsilon_milli_per_measure", "epsilon_milli_total")
_FLOORS: Final = ("least_contributors", "p_rule_percent", "least_number_shown", "least_threshold")
"""Properties of a policy, so that what is absent has its default."""


def _at_most(name: str, own: int, parent: int) -> str:
    return f"{name}: expected at most {parent}, got {own}" if own > parent else ""


def _at_least(name: str, own: int, parent: int) -> str:
    return f"{name}: expected at least {parent}, got {own}" if own < parent else ""


def _retention(own: int | None, parent: int | None) -> str:
    if parent is None or (own is not None and own <= parent):
        return ""
    return f"retention_months: expected at most {parent}, got {'no limit' if own is None else own}"


def _software(own: str | None, parent: str | None) -> str:
    if parse_version(own) >= parse_version(parent):
        return ""
    return f"least_software: expected {parent} or newer, got {own or 'none'}"


def stricter_of(own: PolicyBody, parent: PolicyBody) -> PolicyBody:
    """`own` with every limit that is stricter in `parent`; tables and measures are its own."""
    months = [each for each in (own.retention_months, parent.retention_months) if each is not None]
    newest = max(own.least_software, parent.least_software, key=parse_version)
    return own.model_copy(
        update={
            "epsilon_milli_per_measure": min(own.epsilon_milli_per_measure, parent.epsilon_milli_per_measure),
            "epsilon_milli_total": min(own.epsilon_milli_total, parent.epsilon_milli_total),
            "min_contributors": max(own.least_contributors, parent.least_contributors),
            "p_percent": max(own.p_rule_percent, parent.p_rule_percent),
            "least_shown": max(own.least_number_shown, parent.least_number_shown),
            "threshold_floor": max(own.least_threshold, parent.least_threshold),
            "retention_months": min(months, default=None),
            "least_software": newest,
        }
    )


def check_stricter(node: NodeLimits, policy: PolicyBody) -> tuple[str, ...]:
    """Where a node's own settings allow more than its hub's policy, in words."""
    looser = []
    if node.threshold is not None:
        looser.append(_at_least("threshold", node.threshold, policy.least_threshold))
    if node.retention_months is not None:
        looser.append(_retention(node.retention_months, policy.retention_months))
    return tuple(words for words in looser if words)


def retention_of(node: NodeLimits, policy: PolicyBody | None) -> int | None:
    """For how many months contents of others are kept: the shorter of both; None for no limit."""
    months = [node.retention_months, None if policy is None else policy.retention_months]
    return min((each for each in months if each is not None), default=None)
