"""No order of releases gets round the policy, and a chain that was rewritten shows."""

import base64
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_schema.errors import ReleaseRuleError
from shared_schema.governance import PolicyBody
from shared_schema.period import parse_period
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import ShareBody
from shared_schema.spending import (
    FIRST_PREV,
    Charge,
    audit_spending,
    check_charge,
    entry_hash,
    hash_entry,
    months_of,
    spend_with,
)
from shared_schema.trend import TrendBody
from tests.shared_schema import builders

MEASURES = ("incidents", "contacts", "talks")
TABLES = tuple((measure, f"{measure}.by_{name}") for measure in MEASURES for name in ("kind", "age", "place"))
POLICY = PolicyBody.from_object(
    builders.POLICY.to_object()
    | {
        "tables": [
            builders.TABLE.to_object() | {"id": table, "measure": measure, "epsilon_milli": 1000}
            for measure, table in TABLES
        ]
    }
)
NEW_YEAR = 2026 * 12


def charge(month: int = NEW_YEAR, table: int = 0, months: int = 1, **changes: Any) -> Charge:
    measure, table_id = TABLES[table]
    made = Charge(measure, table_id, month, month + months - 1, epsilon_milli=1000)
    return replace(made, **changes)


def refuse(new: Charge, before: list[Charge]) -> str:
    with pytest.raises(ReleaseRuleError) as caught:
        check_charge(new, before, POLICY)
    assert caught.value.code is ProblemCode.PRIVACY_BUDGET
    return caught.value.message


# --- what is refused -----------------------------------------------------------------------------------------------


def test_a_second_draw_of_a_month_is_refused_also_as_a_part_of_a_quarter() -> None:
    assert "in a month" in refuse(charge(), [charge()])
    refuse(charge(months=3), [charge(NEW_YEAR + 2)])
    refuse(charge(NEW_YEAR + 2), [charge(months=3)])
    refuse(charge(months=12), [charge(NEW_YEAR + 11)])


def test_a_third_table_is_refused_also_for_another_month_of_the_year() -> None:
    before = [charge(table=0), charge(NEW_YEAR + 5, table=1)]
    assert "for incidents in twelve months" in refuse(charge(NEW_YEAR + 11, table=2), before)


def test_a_window_reaches_over_new_year() -> None:
    before = [charge(NEW_YEAR - 1, table=0), charge(NEW_YEAR - 1, table=1)]  # December
    refuse(charge(NEW_YEAR, table=2), before)
    refuse(charge(NEW_YEAR + 10, table=2), before)
    check_charge(charge(NEW_YEAR + 11, table=2), before, POLICY)  # the December after


def test_a_late_record_in_another_months_release_is_paid_for() -> None:
    """A record can stand in January of one table and in February of another: both count."""
    before = [charge(NEW_YEAR, table=0), charge(NEW_YEAR + 1, table=1)]
    assert spend_with(charge(NEW_YEAR + 1, table=2, epsilon_milli=1), before).of_measure == 2001
    refuse(charge(NEW_YEAR + 1, table=2, epsilon_milli=1), before)


def test_a_third_measure_is_refused_when_two_have_spent_everything() -> None:
    before = [charge(table=table) for table in (0, 1, 3, 4)]
    assert "over all measures" in refuse(charge(table=6, epsilon_milli=1), before)


def test_corrections_are_charged_to_the_measure_but_do_not_block_the_table() -> None:
    before = [charge(), charge(correction=1, epsilon_milli=400), charge(correction=2, epsilon_milli=400)]
    refuse(charge(correction=3, epsilon_milli=400), before)
    check_charge(charge(correction=3, epsilon_milli=200), before, POLICY)
    refuse(charge(table=1), before)
    check_charge(charge(NEW_YEAR + 1), before, POLICY)  # another month of the same table


@pytest.mark.parametrize("distance", [-11, 0, 11])
def test_noise_and_threshold_never_meet_within_twelve_months(distance: int) -> None:
    rounded = charge(NEW_YEAR + distance, table=1, epsilon_milli=0)
    assert "one way of protection" in refuse(rounded, [charge()])
    assert "one way of protection" in refuse(charge(), [rounded])


def test_noise_and_threshold_may_meet_a_year_apart_or_in_two_measures() -> None:
    check_charge(charge(NEW_YEAR + 12, epsilon_milli=0), [charge()], POLICY)
    check_charge(charge(table=3, epsilon_milli=0), [charge()], POLICY)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_twelve_months_are_no_more_whatever_comes_first(order: tuple[int, ...]) -> None:
    """January 2024 and September 2025 are in no twelve months together: what lies between can be beside either."""
    far = [charge(NEW_YEAR, table=0), charge(NEW_YEAR + 20, table=1), charge(NEW_YEAR + 10, table=2, epsilon_milli=500)]
    made: list[Charge] = []
    for place in order:
        check_charge(far[place], made, POLICY)
        made.append(far[place])
    assert spend_with(far[2], far[:2]).of_measure == 1500
    assert "twelve months" in refuse(charge(NEW_YEAR + 11, table=0, epsilon_milli=501), [far[1], far[2]])


def test_over_all_measures_the_worst_twelve_months_count_too() -> None:
    before = [charge(NEW_YEAR, table=place) for place in (0, 1, 3)] + [charge(NEW_YEAR + 20, table=4)]
    assert spend_with(charge(NEW_YEAR + 10, table=6), before).of_all == 4000


# --- whatever the order --------------------------------------------------------------------------------------------

CHARGES = st.builds(
    lambda month, table, months, epsilon_milli, correction: charge(
        NEW_YEAR + month - month % months, table, months, epsilon_milli=epsilon_milli, correction=correction
    ),
    st.integers(0, 30),
    st.integers(0, len(TABLES) - 1),
    st.sampled_from((1, 1, 1, 3, 12)),
    st.sampled_from((0, 1, 300, 500, 1000, 1000)),
    st.sampled_from((0, 0, 0, 1, 2)),
)


def spent_in(window: range, charges: list[Charge]) -> tuple[dict[str, int], dict[tuple[str, int], int]]:
    """Measure → what its tables have spent in the worst month of each; (table, month) → without corrections."""
    months: dict[tuple[str, str], Counter[int]] = {}
    plain: Counter[tuple[str, int]] = Counter()
    for each in charges:
        for month in set(each.months) & set(window):
            months.setdefault((each.measure, each.table_id), Counter())[month] += each.epsilon_milli
            plain[each.table_id, month] += 0 if each.correction else each.epsilon_milli
    of_measures: Counter[str] = Counter()
    for (measure, _), of_table in months.items():
        of_measures[measure] += max(of_table.values())
    return dict(of_measures), dict(plain)


@given(st.lists(CHARGES, max_size=40))
def test_the_spend_never_exceeds_the_policy_whatever_the_order(wanted: list[Charge]) -> None:
    made: list[Charge] = []
    for each in wanted:
        try:
            check_charge(each, made, POLICY)
        except ReleaseRuleError:
            continue
        made.append(each)
    for first in range(NEW_YEAR - 12, NEW_YEAR + 54):
        window = range(first, first + 12)
        of_measures, of_tables = spent_in(window, made)
        assert all(spent <= POLICY.epsilon_milli_per_measure for spent in of_measures.values())
        assert sum(of_measures.values()) <= POLICY.epsilon_milli_total
        assert all(spent <= 1000 for spent in of_tables.values())
        for measure in MEASURES:
            near = [each for each in made if each.measure == measure and set(each.months) & set(window)]
            assert len({bool(each.epsilon_milli) for each in near}) <= 1


@given(st.lists(CHARGES, max_size=20), st.randoms(use_true_random=False))
def test_what_may_be_released_in_one_order_may_be_in_every_other(wanted: list[Charge], chance: Random) -> None:
    made: list[Charge] = []
    for each in wanted:
        with suppress(ReleaseRuleError):
            check_charge(each, made, POLICY)
            made.append(each)
    again: list[Charge] = []
    for each in chance.sample(made, len(made)):
        check_charge(each, again, POLICY)
        again.append(each)


@given(st.lists(CHARGES, max_size=12), CHARGES)
def test_a_charge_never_lowers_the_spend(before: list[Charge], new: Charge) -> None:
    without, along = spend_with(replace(new, epsilon_milli=0), before), spend_with(new, before)
    assert along.of_table >= without.of_table and along.of_measure >= without.of_measure
    assert along.of_all >= without.of_all and along.of_measure >= new.epsilon_milli


# --- from signed bodies --------------------------------------------------------------------------------------------


def body(seq: int, label: str, prev: str | None = None, **changes: Any) -> TrendBody:
    """A release; with `prev` its ledger entry can be checked."""
    value = builders.trend_body(period=parse_period(label).to_object()) | changes
    head = f"{seq:064x}" if prev is None else hash_entry(seq, prev, value)
    ledger = {"seq": seq, "head": head} | ({} if prev is None else {"prev": prev})
    return TrendBody.from_object({"ledger": ledger} | {name: value[name] for name in value if name != "ledger"})


def chain(*labels: str) -> list[TrendBody]:
    bodies: list[TrendBody] = []
    for seq, label in enumerate(labels, 1):
        bodies.append(body(seq, label, bodies[-1].ledger.head if bodies else "0" * 64))
    return bodies


def only_finding(*bodies: TrendBody) -> str:
    (finding,) = audit_spending(bodies, builders.POLICY).findings
    return finding


def test_an_overspend_is_found_with_its_place() -> None:
    found = only_finding(*chain("2026-05", "2026-Q2"))
    assert found.startswith("entry 2, bias_incidents.by_offence 2026-Q2: expected at most 1000")


def test_two_entries_in_one_place_are_found() -> None:
    assert "entry 1: expected one entry" in only_finding(body(1, "2026-01"), body(1, "2026-02", "0" * 64))


def test_one_release_drawn_twice_is_found() -> None:
    findings = audit_spending([body(1, "2026-01"), body(2, "2026-01")], builders.POLICY).findings
    assert any("expected one draw" in finding for finding in findings)


def test_two_draws_that_claim_one_entry_are_found() -> None:
    """The same place, the same head, and other figures: an older ledger's head says nothing of what is released."""
    value = builders.trend_body(period=parse_period("2026-01").to_object())
    one, other = (
        TrendBody.from_object(
            value | {"cells": [{"dims": {"offence": code}, "status": "A", "value": number} for code in builders.GRID]}
        )
        for number in (3, 9)
    )
    findings = audit_spending([one, other], builders.POLICY).findings
    assert any("expected one draw of bias_incidents.by_offence 2026-01, got two" in finding for finding in findings)
    assert any("expected one entry in this place" in finding for finding in findings)


def test_the_same_draw_for_two_hubs_is_one() -> None:
    (honest,) = chain("2026-01")
    again = TrendBody.from_object(honest.to_object() | {"review": builders.REVIEW | {"findings": 1}})
    assert audit_spending([honest, again], builders.POLICY).findings == ()


CORRECTION = {
    "mechanism": builders.mechanism(Fraction(20)),
    "privacy": builders.trend_body()["privacy"] | {"epsilon_milli": 100},
}


@pytest.mark.parametrize(
    ("numbers", "missing"), [((0, 1, 2), None), ((0, 2), 1), ((1,), 0), ((7,), 0), ((0, 1, 3), 2), ((0,), None)]
)
def test_a_correction_without_what_comes_before_it_is_found(numbers: tuple[int, ...], missing: int | None) -> None:
    bodies, prev = [], "0" * 64
    for seq, number in enumerate(numbers, 1):
        bodies.append(body(seq, "2026-01", prev, **({"correction": number} | CORRECTION if number else {})))
        prev = bodies[-1].ledger.head
    findings = audit_spending(bodies, builders.POLICY).findings
    if missing is None:
        assert findings == ()
    else:
        what = f"correction {missing}" if missing else "the release"
        assert [finding.partition(": ")[2] for finding in findings] == [
            f"expected {what} of bias_incidents.by_offence 2026-01 as well"
        ]


def test_a_first_entry_that_follows_another_is_found() -> None:
    assert only_finding(body(1, "2026-01", "ee" * 32)) == "entry 1: expected 64 zeros before the first entry alone"
    assert only_finding(body(2, "2026-01", "0" * 64)) == "entry 2: expected 64 zeros before the first entry alone"


def test_an_entry_that_no_longer_names_the_one_before_is_found() -> None:
    bodies = [*chain("2026-01", "2026-02"), body(3, "2026-03")]
    assert only_finding(*bodies) == "entry 3: expected it to name the entry before it, as earlier ones do"
    assert (
        audit_spending([body(1, "2026-01"), *chain("2026-02", "2026-03")[1:]], builders.POLICY)
        .findings[0]
        .startswith("entry 2: expected it to follow")
    )


def test_a_figure_that_was_changed_after_the_draw_is_found() -> None:
    (honest,) = chain("2026-01")
    cells = [cell.to_object() | {"value": 99} for cell in honest.cells]
    changed = TrendBody.from_object(honest.to_object() | {"cells": cells})
    assert "hash of what the release says" in only_finding(changed)
    assert entry_hash(changed) != changed.ledger.head


def test_an_entry_that_does_not_follow_is_found() -> None:
    first = body(1, "2026-01", "0" * 64)
    assert only_finding(first, body(2, "2026-02", "ab" * 32)) == "entry 2: expected it to follow entry 1"


def test_a_table_that_no_policy_names_is_found_and_the_rest_is_added_up() -> None:
    table = builders.TABLE.reference.to_object() | {"version": 7}
    audit = audit_spending([body(1, "2026-01", table=table), body(2, "2026-02")], builders.POLICY)
    assert len(audit.findings) == 1 and audit.total_milli == 1000


def test_an_honest_chain_has_no_findings_in_any_order_and_gaps_are_counted() -> None:
    bodies = chain(*(f"2026-0{month}" for month in range(1, 7)))
    audit = audit_spending([bodies[5], bodies[0], bodies[3]], builders.POLICY)
    assert (audit.findings, audit.unseen, audit.releases) == ((), 3, 3)
    assert audit.spent_milli == {"bias_incidents": 1000}


def share(seq: int, prev: str, **changes: Any) -> ShareBody:
    """A sealed share with a ledger entry of its own."""
    body = builders.share_body(**changes)
    head = hash_entry(seq, prev, body)
    return ShareBody.from_object(body | {"ledger": {"seq": seq, "prev": prev, "head": head}})


def test_a_sealed_share_is_charged_like_a_release_with_its_epsilon() -> None:
    charge = Charge.of(share(1, FIRST_PREV), builders.POLICY)
    released = Charge.of(TrendBody.from_object(builders.trend_body()), builders.POLICY)
    assert replace(charge, epsilon_milli=released.epsilon_milli) == released
    assert charge.epsilon_milli == 500


def test_a_chain_goes_on_through_sealed_shares() -> None:
    first = share(1, FIRST_PREV)
    month = {"start": "2026-09-01", "end": "2026-09-30", "granularity": "month", "basis": "recorded"}
    second = share(2, first.ledger.head, period=month)
    audit = audit_spending([second, first], builders.POLICY)
    assert (audit.findings, audit.releases, audit.unseen) == ((), 2, 0)


@pytest.mark.parametrize("changes", [{"batch": "cd" * 32}, {"public_share": base64.b64encode(b"x" * 64).decode()}])
def test_a_second_share_for_one_entry_and_one_slot_is_found(changes: dict[str, str]) -> None:
    """The same figures in another batch, or in other halves: never both."""
    first = share(1, FIRST_PREV)
    again = ShareBody.from_object(first.to_object() | changes)
    assert audit_spending([first, again], builders.POLICY).findings == ("entry 1: expected one sealed share, got 2",)


def test_a_share_of_a_batch_in_which_it_was_in_no_sum_is_paid_for_once() -> None:
    first = share(1, FIRST_PREV)
    again = ShareBody.from_object(first.to_object() | {"batch": "cd" * 32})
    audit = audit_spending([first, again], builders.POLICY, uncounted={first.batch})
    assert (audit.findings, audit.releases, audit.total_milli) == ((), 1, 500)


def test_a_sealed_share_and_a_release_for_one_slot_are_found() -> None:
    first = share(1, FIRST_PREV)
    body = builders.trend_body()
    head = hash_entry(2, first.ledger.head, body)
    release = TrendBody.from_object(body | {"ledger": {"seq": 2, "prev": first.ledger.head, "head": head}})
    assert any("got two" in finding for finding in audit_spending([first, release], builders.POLICY).findings)


def test_what_is_not_of_the_ledger_does_not_change_its_hash() -> None:
    (honest,) = chain("2026-01")
    reviewed = TrendBody.from_object(
        honest.to_object() | {"review": builders.REVIEW | {"findings": 7}, "area": builders.LEIPZIG}
    )
    assert entry_hash(reviewed) == honest.ledger.head


@pytest.mark.parametrize(
    ("label", "months"), [("2026-01", (0, 0)), ("2026-Q4", (9, 11)), ("2026", (0, 11)), ("2027-01", (12, 12))]
)
def test_the_months_of_a_period(label: str, months: tuple[int, int]) -> None:
    assert months_of(parse_period(label)) == (NEW_YEAR + months[0], NEW_YEAR + months[1])
