"""The table of evidence: every city once, failures beside successes, and what nobody has tried."""

from typing import Any

import pytest

from regional_hub.evidence_store import EvidenceShelf
from regional_hub.evidence_table import (
    EvidenceCell,
    EvidenceTable,
    Filters,
    Gap,
    Place,
    PracticeItem,
    ReportItem,
    make_table,
    with_parents,
)
from shared_schema.content import ExperienceBody
from shared_schema.envelope import parse_envelope
from shared_schema.statement import Kind
from shared_schema.versions import Version
from shared_schema.vocabulary import EvidenceLevel, InterventionType, Outcome, Phenomenon, PreventionLevel, Setting
from tests.regional_hub.running import RunningHub
from tests.shared_schema import builders

WEAK, MEASURED = EvidenceLevel.LEVEL_0, EvidenceLevel.LEVEL_2
RWE = Phenomenon.RWE


def version(digest: str, origin: str = "a.de", seq: int = 1, **changes: Any) -> Version:
    values: dict[str, Any] = {"kind": Kind.PRACTICE, "relayed": False, "replaces": None}
    return Version(digest=digest, origin=origin, seq=seq, **values | changes)


def practice(digest: str = "p", outcome: Outcome = Outcome.WORKED, **changes: Any) -> PracticeItem:
    own = {name: changes.pop(name) for name in ("origin", "seq", "relayed", "replaces") if name in changes}
    values: dict[str, Any] = {
        "phenomenon": (RWE,),
        "prevention_level": PreventionLevel.PRIMARY,
        "level": MEASURED,
        "setting": (Setting.SCHOOL,),
        "intervention": (InterventionType.EDUCATION,),
    }
    return PracticeItem(version=version(digest, **own), outcome=outcome, **values | changes)


def told(digest: str, outcome: Outcome, practice: str = "p", level: EvidenceLevel = MEASURED, **own: Any) -> ReportItem:
    return ReportItem(version(digest, kind=Kind.EXPERIENCE, **own), practice, outcome, level)


def gaps_of(table: EvidenceTable, about: Setting | InterventionType) -> dict[Phenomenon, Gap]:
    return {gap.phenomenon: gap for gap in table.gaps if gap.about is about}


# --- who counts ----------------------------------------------------------------------------------------------------


def test_a_city_counts_once_for_a_practice_with_its_newest_word() -> None:
    reports = [told(f"r{seq}", Outcome.WORKED, origin="b.de", seq=seq) for seq in range(1, 30)]
    table = make_table([practice()], [*reports, told("last", Outcome.HARM, origin="b.de", seq=99)])
    assert table.cells == {
        Place(RWE, Outcome.WORKED, MEASURED): EvidenceCell(("p",), 1, 0),
        Place(RWE, Outcome.HARM, MEASURED): EvidenceCell(("p",), 1, 0),
    }


def test_an_author_who_reports_on_the_own_practice_is_one_city() -> None:
    table = make_table([practice()], [told("r", Outcome.STOPPED, origin="a.de", seq=2)])
    assert list(table.cells) == [Place(RWE, Outcome.STOPPED, MEASURED)]


def test_versions_are_one_practice_and_what_was_said_of_any_of_them_counts_for_the_newest() -> None:
    versions = [practice("old", Outcome.TOO_EARLY), practice("new", Outcome.MIXED, seq=5, replaces="old")]
    table = make_table(versions, [told("r", Outcome.WORKED, "old", origin="b.de")])
    assert table.practices == 1
    assert {place.outcome: cell.practices for place, cell in table.cells.items()} == {
        Outcome.WORKED: ("new",),
        Outcome.MIXED: ("new",),
    }


def test_what_another_city_says_it_replaces_stays() -> None:
    table = make_table([practice("mine"), practice("yours", Outcome.HARM, origin="b.de", seq=9, replaces="mine")], [])
    assert table.practices == 2


def test_reports_of_cities_that_are_not_named_count_and_are_said_to_be_so() -> None:
    reports = [told(f"r{n}", Outcome.NO_EFFECT, origin="hub.de", seq=n, relayed=True) for n in (1, 2)]
    table = make_table([practice(outcome=Outcome.NO_EFFECT, relayed=True, origin="hub.de")], reports)
    assert table.cells[Place(RWE, Outcome.NO_EFFECT, MEASURED)] == EvidenceCell(("p",), 3, 3)


def test_a_report_on_a_practice_that_is_not_here_is_in_no_cell() -> None:
    assert make_table([], [told("r", Outcome.WORKED)]).cells == {}


# --- equal weight --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_place_and_the_same_weight(outcome: Outcome) -> None:
    practices = [practice(f"p{place}", each) for place, each in enumerate(Outcome)]
    cells = make_table(practices, []).cells
    assert cells[Place(RWE, outcome, MEASURED)].cities == 1 and len(cells) == len(Outcome)
    assert [place.outcome for place in cells] == list(Outcome)


def test_a_practice_about_two_phenomena_is_in_both_rows() -> None:
    table = make_table([practice(phenomenon=(RWE, Phenomenon.REL_ISL))], [])
    assert {place.phenomenon for place in table.cells} == {RWE, Phenomenon.REL_ISL}
    assert table.practices == 1


# --- filters -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filters", "takes"),
    [
        (Filters(), True),
        (Filters(phenomenon=frozenset({Phenomenon.REL})), True),
        (Filters(phenomenon=frozenset({Phenomenon.REL_ISL, RWE})), True),
        (Filters(phenomenon=frozenset({Phenomenon.REL_OTH})), False),
        (Filters(setting=frozenset({Setting.SCHOOL})), True),
        (Filters(setting=frozenset({Setting.PRISON})), False),
        (Filters(prevention_level=frozenset({PreventionLevel.TERTIARY})), False),
        (Filters(intervention=frozenset({InterventionType.EXIT})), False),
        (Filters(setting=frozenset({Setting.SCHOOL}), intervention=frozenset({InterventionType.EXIT})), False),
    ],
)
def test_filters_leave_out_what_was_not_asked_for(filters: Filters, takes: bool) -> None:
    assert make_table([practice(phenomenon=(Phenomenon.REL_ISL,))], [], filters).practices == int(takes)


def test_a_phenomenon_is_that_above_it_as_well() -> None:
    assert with_parents(Phenomenon.REL_ISL) == (Phenomenon.REL, Phenomenon.REL_ISL)
    assert with_parents(Phenomenon.UNKNOWN) == (Phenomenon.UNKNOWN,)


# --- gaps ----------------------------------------------------------------------------------------------------------


def test_where_nothing_was_tried_there_is_a_gap_for_every_phenomenon_alike() -> None:
    found = gaps_of(make_table([practice()], []), Setting.SCHOOL)
    assert set(found) == set(Phenomenon) - {RWE, Phenomenon.UNKNOWN}
    assert {gap.reason for gap in found.values()} == {"nothing"}
    assert set(gaps_of(make_table([], []), Setting.SCHOOL)) == set(Phenomenon) - {Phenomenon.UNKNOWN}


def test_only_failures_are_a_gap_with_their_practices() -> None:
    practices = [practice("x", Outcome.HARM), practice("y", Outcome.STOPPED, origin="b.de")]
    assert gaps_of(make_table(practices, []), Setting.SCHOOL)[RWE] == Gap(
        RWE, Setting.SCHOOL, "failures-only", ("x", "y")
    )
    again = make_table(practices, [told("r", Outcome.MIXED, "x", origin="c.de")])
    assert RWE not in gaps_of(again, Setting.SCHOOL)


def test_only_weak_evidence_is_a_gap_until_one_city_has_measured_something() -> None:
    weak = practice(level=WEAK)
    assert gaps_of(make_table([weak], []), InterventionType.EDUCATION)[RWE].reason == "weak-only"
    measured = make_table([weak], [told("r", Outcome.WORKED, origin="b.de", level=MEASURED)])
    assert RWE not in gaps_of(measured, InterventionType.EDUCATION)


def test_what_is_known_of_a_part_is_no_gap_of_the_whole_and_the_other_way_round() -> None:
    part = gaps_of(make_table([practice(phenomenon=(Phenomenon.REL_ISL,))], []), Setting.SCHOOL)
    assert Phenomenon.REL not in part and Phenomenon.REL_OTH in part
    whole = gaps_of(make_table([practice(phenomenon=(Phenomenon.REL,))], []), Setting.SCHOOL)
    assert Phenomenon.REL_ISL in whole


def test_gaps_are_those_of_what_was_asked_for() -> None:
    asked = Filters(phenomenon=frozenset({RWE}), setting=frozenset({Setting.PRISON}))
    found = [gap for gap in make_table([practice()], [], asked).gaps if isinstance(gap.about, Setting)]
    assert found == [Gap(RWE, Setting.PRISON, "nothing", ())]


# --- the log -------------------------------------------------------------------------------------------------------


@pytest.mark.sqlite_is_enough
def test_the_log_is_read_with_what_is_relayed_and_without_what_was_taken_back(region: RunningHub) -> None:
    author, tester, other, *_ = [region.enrol(f"{name}.sn.de") for name in ("leipzig", "dresden", "riesa", "pirna")]
    first, second = author.sign(Kind.PRACTICE), author.sign(Kind.PRACTICE, builders.practice_body(outcome="harm"))
    region.accept_many([first, second])
    digest = parse_envelope(first).digest
    told_it = tester.sign(Kind.EXPERIENCE, builders.experience_body(practice=digest))
    region.accept(told_it)
    quiet = ExperienceBody.from_object(
        builders.experience_body(practice=digest, attribution="region", outcome="stopped")
    )
    for city in (tester, other):
        assert region.post(city.confide(quiet), "/v1/relay").status_code == 201
    region.clock.advance(hours=40)
    region.verb("relay.publish")
    shelf = EvidenceShelf()
    with region.hub.database.read() as session:
        table = make_table(*shelf.read(session))
    assert {place.outcome: (cell.cities, cell.unnamed) for place, cell in table.cells.items()} == {
        Outcome.NO_EFFECT: (1, 0),
        Outcome.HARM: (1, 0),
        Outcome.WORKED: (1, 0),
        Outcome.STOPPED: (2, 2),
    }
    region.accept(author.withdrawal(second))
    region.accept(tester.withdrawal(told_it))
    with region.hub.database.read() as session:
        again = make_table(*shelf.read(session))
    assert {place.outcome for place in again.cells} == {Outcome.NO_EFFECT, Outcome.STOPPED}
    assert parse_envelope(second).digest not in shelf.known
