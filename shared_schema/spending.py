"""What releases have spent of the budget for privacy, and whether they may: one rule for node, hub and third parties.

A person (or a record) stands in one month of a measure: persons are counted once in twelve months. So a table has
spent on it what its releases over that month add up to, a measure what its tables have spent in the worst month of
each, and a city what its measures have spent within twelve months. The worst month of each table and not the same one
for all, because a late record can stand in January's release of one table and in February's of another.

Releases compose by adding up (Dwork and Roth 2014, "The Algorithmic Foundations of Differential Privacy", theorem
3.16); months do not compose with each other, because a record is in one of them (McSherry 2009, "Privacy integrated
queries", theorem 4).

    check_charge(Charge.of(body, policy), charges_before, policy)        raises ReleaseRuleError
    audit_spending(bodies, policy).findings                              () when all is well
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shared_schema import canonical
from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.period import Period
from shared_schema.problem import ProblemCode
from shared_schema.release_rules import get_table
from shared_schema.sealed.bodies import ShareBody
from shared_schema.trend import TrendBody

WINDOW_MONTHS: Final = 12
"""A person is counted once, and a budget is meant, for a rolling year."""
FIRST_PREV: Final = 64 * "0"
"""What the first entry of a ledger names as the one before it."""
Charged = TrendBody | ShareBody
"""What costs: figures with noise, and a sealed share, whose noise comes at the hubs."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What one release has cost. `first_month` and `last_month` are year * 12 + month - 1, both included.

    `epsilon_milli` is 0 for a release without noise: it costs no epsilon, and keeps noise away from its months.
    """

    measure: str
    table_id: str
    first_month: int
    last_month: int
    epsilon_milli: int
    correction: int = 0

    @classmethod
    def of(cls, body: Charged, policy: PolicyBody) -> "Charge":
        """The charge of a release or a share. Raises ReleaseRuleError (`unknown-table`)."""
        first, last = months_of(body.period)
        return cls(
            measure=get_table(body.table, policy).measure,
            table_id=body.table.id,
            first_month=first,
            last_month=last,
            epsilon_milli=0 if body.privacy is None else body.privacy.epsilon_milli,
            correction=_correction_of(body),
        )

    @property
    def months(self) -> range:
        return range(self.first_month, self.last_month + 1)


def months_of(period: Period) -> tuple[int, int]:
    """The first and the last month of a period, as year * 12 + month - 1."""
    first, last = period.first_day, period.last_day
    return first.year * 12 + first.month - 1, last.year * 12 + last.month - 1


@dataclass(frozen=True, slots=True)
class Spend:
    """What a measure and all measures have spent around a period with a charge included, in thousandths."""

    of_table: int
    of_measure: int
    of_all: int


def spend_with(charge: Charge, before: Iterable[Charge]) -> Spend:
    """What will have been spent around the charge's months once it is made: the most in any twelve months they touch.

    In any twelve, so that the order of releases does not matter: what is within reach on both sides is never counted
    together when it lies further apart than a year.
    """
    first, last = charge.first_month - WINDOW_MONTHS + 1, charge.last_month + WINDOW_MONTHS - 1
    by_month: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (last - first + 1))
    for each in (*before, charge):
        if each.last_month >= first and each.first_month <= last:
            of_table = by_month[each.measure, each.table_id]
            for month in range(max(each.first_month, first), min(each.last_month, last) + 1):
                of_table[month - first] += each.epsilon_milli
    of_measure = of_all = 0
    for start in range(last - first - WINDOW_MONTHS + 2):
        of_measures: Counter[str] = Counter()
        for (measure, _), months in by_month.items():
            of_measures[measure] += max(months[start : start + WINDOW_MONTHS])
        of_measure = max(of_measure, of_measures[charge.measure])
        of_all = max(of_all, of_measures.total())
    own = by_month[charge.measure, charge.table_id]
    return Spend(max(own[month - first] for month in charge.months), of_measure, of_all)


def check_charge(charge: Charge, before: Sequence[Charge], policy: PolicyBody) -> None:
    """Raise ReleaseRuleError (`privacy-budget`) unless the policy allows this charge after those before it.

    A table never spends more than its epsilon on a month, corrections aside: a quarter after its months would be a
    second draw. Noise and rounding never meet in one measure within twelve months, because the rounded figure would
    undo the noise.
    """
    _check_engines_apart(charge, before)
    spend = spend_with(charge, before)
    tables = [table.epsilon_milli for table in policy.tables if table.id == charge.table_id]
    if not charge.correction and charge.epsilon_milli and tables:
        same = [each for each in before if each.table_id == charge.table_id and not each.correction]
        own = spend_with(charge, same).of_table
        if own > max(tables):
            raise _overspent(f"at most {max(tables)} thousandths of epsilon for {charge.table_id} in a month", own)
    if spend.of_measure > policy.epsilon_milli_per_measure:
        most = (
            f"at most {policy.epsilon_milli_per_measure} thousandths of epsilon for {charge.measure} in twelve months"
        )
        raise _overspent(most, spend.of_measure)
    if spend.of_all > policy.epsilon_milli_total:
        most = f"at most {policy.epsilon_milli_total} thousandths of epsilon over all measures in twelve months"
        raise _overspent(most, spend.of_all)


def _overspent(most: str, spent: int) -> ReleaseRuleError:
    return ReleaseRuleError(f"expected {most}; this release would make it {spent}", code=ProblemCode.PRIVACY_BUDGET)


def _check_engines_apart(charge: Charge, before: Iterable[Charge]) -> None:
    first, last = charge.first_month - WINDOW_MONTHS + 1, charge.last_month + WINDOW_MONTHS - 1
    for each in before:
        touches = each.last_month >= first and each.first_month <= last
        if touches and each.measure == charge.measure and bool(each.epsilon_milli) != bool(charge.epsilon_milli):
            raise ReleaseRuleError(
                f"expected one way of protection for {charge.measure} within twelve months, noise or threshold",
                code=ProblemCode.PRIVACY_BUDGET,
            )


# --- the chain -----------------------------------------------------------------------------------------------------


def entry_hash(body: Charged) -> str:
    """The hash of the ledger entry behind a release or a share: of what it says, its place, and the entry before it.

    Nothing that the statement does not say goes into it, so a third party can compute it. The area and the review are
    left out: they are not of the ledger.
    """
    return hash_entry(body.ledger.seq, body.ledger.prev or "", body.to_object())


_CHARGED: Final = (
    "table",
    "period",
    "source_kind",
    "mechanism",
    "privacy",
    "coverage",
    "correction",
    "cells",
)
_CHARGED_OF_SHARE: Final = ("table", "period", "source_kind", "privacy")


def hash_entry(seq: int, prev: str, body: Mapping[str, object]) -> str:
    """As `entry_hash`, for a ledger that has no statement yet: `body` has those fields of the body's object.

    Of a sealed share only what it costs: a batch that ends void, or comes to its end without this city, has told nobody
    anything, and the same entry pays for the share in the next batch. So a share is charged once however often it goes.
    """
    names = _CHARGED if "cells" in body else _CHARGED_OF_SHARE
    charged = {name: body[name] for name in names if name in body}
    return hashlib.sha256(canonical.encode({"v": 2, "seq": seq, "prev": prev, **charged})).hexdigest()


# --- what a third party can check ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpendAudit:
    """What the signed releases of one city show. `unseen` entries of its ledger were not among them."""

    releases: int
    spent_milli: Mapping[str, int]
    """Measure → the most that it has spent within any twelve months."""
    total_milli: int
    unseen: int
    findings: tuple[str, ...]


def audit_spending(
    bodies: Sequence[Charged], policy: PolicyBody, *, uncounted: Collection[str] = frozenset()
) -> SpendAudit:
    """Add up what a city's releases have spent, in the order of its ledger, and check that its ledger is one chain.

    `uncounted` are the digests of batches in which the city's share is in no sum: void, or refused in the roster. After
    one of these it may send again, for the same entry. Findings name entries by their number and never a figure.
    """
    findings: list[str] = []
    charges: list[Charge] = []
    spent: Counter[str] = Counter()
    total = 0
    # What went to two hubs has been drawn once.
    once = {(body.ledger.seq, body.ledger.head, body.ledger.prev, _content_of(body)): body for body in bodies}
    ordered = sorted(once.values(), key=lambda body: body.ledger.seq)
    for body in ordered:
        place = f"entry {body.ledger.seq}, {body.table.id} {body.period.label}"
        try:
            charge = Charge.of(body, policy)
            spend = spend_with(charge, charges)
            spent[charge.measure] = max(spent[charge.measure], spend.of_measure)
            total = max(total, spend.of_all)
            check_charge(charge, charges, policy)
        except ReleaseRuleError as error:
            findings.append(f"{place}: {error.message}")
            if error.code is ProblemCode.UNKNOWN_TABLE:
                continue
            charge = Charge.of(body, policy)
        charges.append(charge)
    findings += _chain_findings(ordered) + _share_findings(bodies, uncounted)
    last = ordered[-1].ledger.seq if ordered else 0
    unseen = last - len({body.ledger.seq for body in ordered})
    return SpendAudit(len(ordered), dict(spent), total, unseen, tuple(findings))


def _chain_findings(ordered: Sequence[Charged]) -> list[str]:
    """Two entries in one place, one release drawn twice, a hash that does not follow: a ledger that was rewritten."""
    findings: list[str] = []
    heads: dict[int, str] = {}
    contents: dict[int, str] = {}
    drawn: dict[tuple[str, str, int], tuple[int, str]] = {}
    chained = False
    for body in ordered:
        seq, head, prev = body.ledger.seq, body.ledger.head, body.ledger.prev
        content = _content_of(body)
        if (heads.setdefault(seq, head), contents.setdefault(seq, content)) != (head, content):
            findings.append(f"entry {seq}: expected one entry in this place of the ledger, got two")
        if drawn.setdefault(_subject_of(body), (seq, content)) != (seq, content):
            findings.append(f"entry {seq}: expected one draw of {body.table.id} {body.period.label}, got two")
        if prev is None:
            if chained:
                findings.append(f"entry {seq}: expected it to name the entry before it, as earlier ones do")
            continue
        chained = True
        if entry_hash(body) != head:
            findings.append(f"entry {seq}: expected the hash of what the release says")
        before = heads.get(seq - 1)
        if (prev == FIRST_PREV) != (seq == 1):
            findings.append(f"entry {seq}: expected 64 zeros before the first entry alone")
        elif before is not None and before != prev:
            findings.append(f"entry {seq}: expected it to follow entry {seq - 1}")
    return findings + _correction_findings(ordered)


def _share_findings(bodies: Sequence[Charged], uncounted: Collection[str]) -> list[str]:
    """One entry pays for one share that counts."""
    shares = [body for body in bodies if isinstance(body, ShareBody) and body.batch not in uncounted]
    counted = Counter(seq for seq, *_ in {(each.ledger.seq, each.batch, each.public_share) for each in shares})
    return [f"entry {seq}: expected one sealed share, got {shares}" for seq, shares in counted.items() if shares > 1]


def _content_of(body: Charged) -> str:
    """What a release says, without its place: equal for the same draw that went to two hubs."""
    return hash_entry(0, "", body.to_object())


def _subject_of(body: Charged) -> tuple[str, str, int]:
    return f"{body.table.id}@{body.table.version}", body.period.label, _correction_of(body)


def _correction_of(body: Charged) -> int:
    """Figures that were sealed cannot be corrected: nobody knows them."""
    return 0 if isinstance(body, ShareBody) else body.correction or 0


def _correction_findings(ordered: Sequence[Charged]) -> list[str]:
    """Corrections are numbered 1, 2, …; a gap is a release that was kept from whoever checks."""
    known = {_subject_of(body) for body in ordered}
    findings = []
    for body in ordered:
        table, label, number = _subject_of(body)
        if number and (table, label, number - 1) not in known:
            missing = min(set(range(number)) - {each for name, other, each in known if (name, other) == (table, label)})
            what = f"correction {missing}" if missing else "the release"
            findings.append(f"entry {body.ledger.seq}: expected {what} of {body.table.id} {label} as well")
    return findings
