"""Enrolment: a code that works once, a key that signs its own request, a fingerprint that a person typed."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from regional_hub import audit
from regional_hub.members import CODE_LIFETIME
from regional_hub.orm import AuditRow, EnrolmentCodeRow
from shared_schema.governance import MembershipBody
from shared_schema.keys import MemberRole
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind
from tests.regional_hub.running import City, RunningHub, check_problem, enrolment, key_of
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NAME = "mainz.rp.de"
KEY = key_of(NAME)


def make_code(hub: RunningHub, name: str = NAME) -> str:
    code: str = hub.verb("enrol.code", name=name)["code"]
    return code


def events(hub: RunningHub) -> list[tuple[str, str, str]]:
    with hub.hub.database.read() as session:
        audit.verify(session)
        rows = session.scalars(select(AuditRow).order_by(AuditRow.seq)).all()
        return [(row.actor, row.action, row.subject) for row in rows]


def waiting(hub: RunningHub) -> list[str]:
    return [item["name"] for item in hub.verb("enrol.list")["waiting"]]


@pytest.mark.sqlite_is_enough(False)
def test_51_a_code_works_once(hub: RunningHub) -> None:
    code = make_code(hub)
    assert hub.post(enrolment(NAME, KEY, code), "/v1/enrolments").status_code == 202
    for name, key in ((NAME, KEY), (NAME, builders.OTHER_KEY)):
        check_problem(hub.post(enrolment(name, key, code), "/v1/enrolments"), ProblemCode.ENROLMENT_CODE, 403)
    assert waiting(hub) == [NAME]


def test_51_a_code_expires(hub: RunningHub) -> None:
    code, late = make_code(hub), make_code(hub)
    hub.clock.now += CODE_LIFETIME - timedelta(seconds=1)
    assert hub.post(enrolment(NAME, KEY, code), "/v1/enrolments").status_code == 202
    hub.clock.advance(seconds=1)
    check_problem(hub.post(enrolment(NAME, KEY, late), "/v1/enrolments"), ProblemCode.ENROLMENT_CODE, 403)


def test_51_a_code_is_for_one_name(hub: RunningHub) -> None:
    code = make_code(hub)
    other = enrolment("trier.rp.de", key_of("trier.rp.de"), code)
    check_problem(hub.post(other, "/v1/enrolments"), ProblemCode.ENROLMENT_CODE, 403)
    assert hub.post(enrolment(NAME, KEY, code), "/v1/enrolments").status_code == 202  # it was not used up


@pytest.mark.parametrize("code", ["AAAA-AAAA-AAAA-AAAA", "2345-2345-2345-2345"])
def test_51_a_code_that_nobody_made_is_refused(standing_hub: RunningHub, code: str) -> None:
    make_code(standing_hub)
    check_problem(standing_hub.post(enrolment(NAME, KEY, code), "/v1/enrolments"), ProblemCode.ENROLMENT_CODE, 403)
    assert waiting(standing_hub) == []


@pytest.mark.parametrize("code", ["", "aaaa-aaaa-aaaa-aaaa", "AAAA", "AAAA-AAAA-AAAA-AAA1", "AAAA-AAAA-AAAA-AAAA "])
def test_51_a_code_of_another_form_is_refused(standing_hub: RunningHub, code: str) -> None:
    value = builders.enrolment_request(name=NAME, code=code)
    body = builders.signed(builders.raw_json(value), "enrolment-request", builders.CITY_KEY)
    check_problem(standing_hub.post(body, "/v1/enrolments"), ProblemCode.SCHEMA, 422)


def test_a_request_that_its_own_key_did_not_sign_is_refused(hub: RunningHub) -> None:
    code = make_code(hub)
    value = builders.enrolment_request(name=NAME, code=code)
    body = builders.signed(builders.raw_json(value), "enrolment-request", builders.OTHER_KEY)
    check_problem(hub.post(body, "/v1/enrolments"), ProblemCode.BAD_SIGNATURE, 401)
    unsigned = json.loads(body) | {"signatures": []}
    check_problem(hub.post(json.dumps(unsigned).encode(), "/v1/enrolments"), ProblemCode.NO_SIGNATURE, 401)


@pytest.mark.parametrize("extra", ["status", "region", "approved", "role2"])
def test_47_a_request_cannot_set_what_is_not_its_to_set(standing_hub: RunningHub, extra: str) -> None:
    value = builders.enrolment_request(name=NAME) | {extra: "active"}
    body = builders.signed(builders.raw_json(value), "enrolment-request", builders.CITY_KEY)
    check_problem(standing_hub.post(body, "/v1/enrolments"), ProblemCode.SCHEMA, 422)


@pytest.mark.parametrize("role", ["parent", "operator", ""])
def test_nobody_can_ask_to_be_the_hub_above(standing_hub: RunningHub, role: str) -> None:
    value = builders.enrolment_request(name=NAME, role=role)
    body = builders.signed(builders.raw_json(value), "enrolment-request", builders.CITY_KEY)
    check_problem(standing_hub.post(body, "/v1/enrolments"), ProblemCode.SCHEMA, 422)


@pytest.mark.sqlite_is_enough(False)
def test_51_a_wrong_fingerprint_enrols_nobody_and_is_in_the_audit_log(hub: RunningHub) -> None:
    code = make_code(hub)
    hub.post(enrolment(NAME, KEY, code), "/v1/enrolments")
    size = hub.log_size()
    shown = KEY.public.fingerprint
    for typed in ("", "0" * 40, shown[:-1], shown + "0", builders.OTHER_KEY.public.fingerprint, shown[:4]):
        with pytest.raises(VerbError, match="nobody was enrolled") as refused:
            hub.verb("enrol.approve", name=NAME, fingerprint=typed)
        assert refused.value.code == "fingerprint-mismatch"
    assert events(hub)[-6:] == [("operator", "enrolment-refused-fingerprint-mismatch", NAME)] * 6
    assert (hub.log_size(), waiting(hub)) == (size, [NAME])
    body = City(NAME, KEY, hub).sign()
    check_problem(hub.post(body), ProblemCode.UNKNOWN_KEY, 401)


@pytest.mark.parametrize("spell", [str.upper, lambda text: text.replace(" ", ""), lambda text: text.replace(" ", ":")])
def test_51_a_fingerprint_may_be_typed_as_people_type(hub: RunningHub, spell: "type[str]") -> None:
    code = make_code(hub)
    hub.post(enrolment(NAME, KEY, code), "/v1/enrolments")
    hub.verb("enrol.approve", name=NAME, fingerprint=spell(KEY.public.fingerprint))
    hub.accept(City(NAME, KEY, hub).sign())


def test_the_list_of_requests_does_not_show_what_the_operator_must_be_told(hub: RunningHub) -> None:
    hub.post(enrolment(NAME, KEY, make_code(hub)), "/v1/enrolments")
    shown = json.dumps(hub.verb("enrol.list"))
    assert KEY.public.keyid[:8] not in shown and KEY.public.fingerprint[:9] not in shown


def test_nobody_is_approved_who_did_not_ask_or_twice(hub: RunningHub) -> None:
    fingerprint = KEY.public.fingerprint
    with pytest.raises(VerbError) as unknown:
        hub.verb("enrol.approve", name=NAME, fingerprint=fingerprint)
    hub.post(enrolment(NAME, KEY, make_code(hub)), "/v1/enrolments")
    hub.verb("enrol.approve", name=NAME, fingerprint=fingerprint)
    with pytest.raises(VerbError) as again:
        hub.verb("enrol.approve", name=NAME, fingerprint=fingerprint)
    assert (unknown.value.code, again.value.code) == ("not-found", "not-found")


def test_a_name_or_a_key_that_a_member_has_is_taken(hub: RunningHub, city: City) -> None:
    for name, key in ((city.name, KEY), (NAME, city.key)):
        body = enrolment(name, key, make_code(hub, name))
        check_problem(hub.post(body, "/v1/enrolments"), ProblemCode.NAME_TAKEN, 409)


def test_a_second_request_for_a_name_takes_the_place_of_the_first(hub: RunningHub) -> None:
    hub.post(enrolment(NAME, builders.OTHER_KEY, make_code(hub)), "/v1/enrolments")
    hub.post(enrolment(NAME, KEY, make_code(hub)), "/v1/enrolments")
    with pytest.raises(VerbError):
        hub.verb("enrol.approve", name=NAME, fingerprint=builders.OTHER_KEY.public.fingerprint)
    hub.verb("enrol.approve", name=NAME, fingerprint=KEY.public.fingerprint)


@pytest.mark.sqlite_is_enough(False)
def test_the_database_holds_no_code(hub: RunningHub) -> None:
    code = make_code(hub)
    with hub.hub.database.read() as session:
        row = session.scalars(select(EnrolmentCodeRow)).one()
        assert code not in (row.code_hash, row.name) and len(row.code_hash) == 64
    assert all(code not in part for event in events(hub) for part in event)


def test_the_audit_log_tells_the_whole_ceremony(hub: RunningHub, city: City) -> None:
    hub.verb("members.set", name=city.name, status="suspended")
    assert events(hub) == [
        ("operator", "policy-published", "1"),
        ("operator", "enrolment-code-made", city.name),
        (city.name, "enrolment-requested", city.name),
        ("operator", "member-admitted", city.name),
        ("operator", "member-suspended", city.name),
    ]


def test_a_new_member_is_a_statement_of_the_hub_in_its_log(hub: RunningHub, city: City) -> None:
    entry = city.feed()["entries"][-1]
    assert (entry["entry"]["kind"], entry["entry"]["audience"]) == ("membership", "europe")
    reader = hub.enrol("dresden.sn.de")
    (envelope,) = [
        item["envelope"] for item in reader.feed()["entries"][1:2]
    ]  # the second entry: the policy is the first
    statement = builders.receive(json.dumps(envelope).encode(), key=hub.hub.key.public).statement
    assert isinstance(statement.body, MembershipBody) and statement.kind is Kind.MEMBERSHIP
    assert (statement.body.member, statement.body.role) == (city.name, MemberRole.NODE)
    assert statement.body.public_key == city.key.public


@pytest.mark.parametrize(
    "name", ["", "x", "Leipzig.sn.de", "leipzig.sn.de\n", "../x.de", "a b.de", "-a.de", "a" * 60 + ".de"]
)
def test_a_code_is_made_for_a_name_of_the_right_form(standing_hub: RunningHub, name: str) -> None:
    with pytest.raises(VerbError) as refused:
        standing_hub.verb("enrol.code", name=name)
    assert refused.value.code == "bad-parameter"


@pytest.mark.parametrize(
    ("verb", "params"),
    [("members.set", {"name": "x.de", "status": "active"}), ("enrol.approve", {"name": "x.de", "fingerprint": "0"})],
)
def test_a_member_that_does_not_exist_is_not_found(standing_hub: RunningHub, verb: str, params: dict[str, str]) -> None:
    with pytest.raises(VerbError) as refused:
        standing_hub.verb(verb, **params)
    assert refused.value.code == "not-found"


@pytest.mark.parametrize("status", ["", "ACTIVE", "deleted"])
def test_a_status_that_does_not_exist_is_refused(hub: RunningHub, city: City, status: str) -> None:
    with pytest.raises(VerbError) as refused:
        hub.verb("members.set", name=city.name, status=status)
    assert refused.value.code == "bad-parameter"


def test_a_hub_does_not_enrol_itself(standing_hub: RunningHub) -> None:
    with pytest.raises(VerbError) as refused:
        standing_hub.verb("enrol.code", name=standing_hub.hub.name)
    assert refused.value.code == "name-taken"
