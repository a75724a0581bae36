"""Partner agencies: what may be typed, who was faster, and that nothing is lost when one ends."""

from dataclasses import replace

import pytest

from local_node import audit
from local_node.agencies import (
    Agency,
    AgencyError,
    AgencyForm,
    Contact,
    add_agency,
    change_agency,
    end_agency,
    find_agency,
    get_agency,
    list_agencies,
    propose_id,
    resume_agency,
)
from shared_schema.service.database import Database
from shared_schema.vocabulary import AgencyRole, AgencyType
from tests.factories import NOW

YOUTH = AgencyForm(
    "Youth Office", ("youth", "social"), ("deliver", "refer"), (Contact("Vera", "vera@city.example", "+49 341 123-4"),)
)


@pytest.fixture
def youth(node_database: Database) -> Agency:
    with node_database.write() as session:
        return add_agency(session, "youth-office", YOUTH, by="anna", now=NOW)


def actions(database: Database) -> list[tuple[str, str]]:
    with database.read() as session:
        return [(event.action, event.subject) for event in audit.list_events(session)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": " "}, "agency-name"),
        ({"name": "x" * 121}, "agency-name"),
        ({"name": "Office\u202eevil"}, "agency-name"),
        ({"name": "lone \ud800"}, "agency-name"),
        ({"kinds": ()}, "agency-kinds"),
        ({"kinds": ("youth", "spies")}, "agency-kinds"),
        ({"roles": ()}, "agency-roles"),
        ({"roles": ("command",)}, "agency-roles"),
        ({"contacts": (Contact("", "vera@city.example"),)}, "agency-contact"),
        ({"contacts": (Contact("Vera", "vera@city"),)}, "agency-contact"),
        ({"contacts": (Contact("Vera", "vera@city.example\nBcc: all@city.example"),)}, "agency-contact"),
        ({"contacts": (Contact("Vera", "", "call me"),)}, "agency-contact"),
        ({"contacts": tuple(Contact(f"Vera {number}") for number in range(11))}, "agency-contact"),
    ],
)
def test_a_form_that_is_wrong_names_the_field_and_adds_nothing(
    node_database: Database, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(AgencyError) as caught, node_database.write() as session:
        add_agency(session, "youth-office", replace(YOUTH, **changes), by="anna", now=NOW)  # type: ignore[arg-type]
    assert caught.value.code == code
    with node_database.read() as session:
        assert list_agencies(session) == ()
    assert actions(node_database) == []


@pytest.mark.parametrize("agency_id", ["", "new", "Youth", "a b", "../x", "-a", "a" * 61, "jugendämter"])
def test_an_id_is_plain(node_database: Database, agency_id: str) -> None:
    with pytest.raises(AgencyError) as caught, node_database.write() as session:
        add_agency(session, agency_id, YOUTH, by="anna", now=NOW)
    assert caught.value.code == "agency-id"


def test_an_id_is_given_once_for_ever(node_database: Database, youth: Agency) -> None:
    with node_database.write() as session:
        end_agency(session, youth.id, youth.seen, by="anna", now=NOW)
    with pytest.raises(AgencyError) as caught, node_database.write() as session:
        add_agency(session, youth.id, YOUTH, by="anna", now=NOW)
    assert caught.value.code == "agency-known"


def test_of_two_people_who_change_an_agency_at_once_the_second_is_told(node_database: Database, youth: Agency) -> None:
    with node_database.write() as session:
        change_agency(session, youth.id, replace(YOUTH, name="First"), youth.seen, by="anna", now=NOW)
    with pytest.raises(AgencyError) as caught, node_database.write() as session:
        change_agency(session, youth.id, replace(YOUTH, name="Second"), youth.seen, by="carla", now=NOW)
    assert caught.value.code == "agency-changed"
    with pytest.raises(AgencyError), node_database.write() as session:
        end_agency(session, youth.id, youth.seen, by="carla", now=NOW)
    with node_database.read() as session:
        assert get_agency(session, youth.id).name == "First"


def test_an_agency_that_nobody_added_cannot_be_changed(node_database: Database) -> None:
    with pytest.raises(AgencyError) as caught, node_database.write() as session:
        change_agency(session, "nobody", YOUTH, "", by="anna", now=NOW)
    assert caught.value.code == "agency-unknown"


def test_an_agency_has_several_kinds_roles_and_contacts(node_database: Database, youth: Agency) -> None:
    two = (Contact("  Vera   K "), Contact("Uwe", "uwe@city.example"), Contact("", "", ""))
    form = replace(YOUTH, kinds=("police", "youth"), roles=("refer",), contacts=two)
    with node_database.write() as session:
        changed = change_agency(session, youth.id, form, youth.seen, by="anna", now=NOW)
    assert changed.kinds == (AgencyType.YOUTH, AgencyType.POLICE)  # in the order of the vocabulary
    assert changed.roles == (AgencyRole.REFER,)
    assert changed.contacts == (Contact("Vera K"), Contact("Uwe", "uwe@city.example"))


def test_saving_without_a_change_leaves_no_trace(node_database: Database, youth: Agency) -> None:
    with node_database.write() as session:
        change_agency(session, youth.id, YOUTH, youth.seen, by="anna", now=NOW)
    assert actions(node_database) == [("agency.added", "youth-office")]


def test_an_agency_that_ended_stays_readable_and_can_come_back(node_database: Database, youth: Agency) -> None:
    with node_database.write() as session:
        ended = end_agency(session, youth.id, youth.seen, by="anna", now=NOW)
    with node_database.read() as session:
        assert find_agency(session, youth.id) == ended
        assert ended.contacts == youth.contacts
        assert list_agencies(session, with_ended=False) == ()
        assert list_agencies(session) == (ended,)
    with pytest.raises(AgencyError) as caught, node_database.write() as session:
        change_agency(session, youth.id, YOUTH, ended.seen, by="anna", now=NOW)
    assert caught.value.code == "agency-ended"
    with node_database.write() as session:
        assert resume_agency(session, youth.id, ended.seen, by="anna", now=NOW) == youth
    assert [action for action, _ in actions(node_database)] == ["agency.resumed", "agency.ended", "agency.added"]


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("Jugendamt Süd", "jugendamt-sued"),
        ("  Café & Straße ", "cafe-strasse"),
        ("Łódź", "lodz"),
        ("Служба", ""),
        ("Grønne Å", "groenne-aa"),
        ("x" * 80, "x" * 60),
    ],
)
def test_an_id_is_proposed_from_the_name(name: str, proposed: str) -> None:
    assert propose_id(name) == proposed
