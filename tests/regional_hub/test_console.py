"""The operator's console, each action from its bad side first."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from regional_hub import alarms, audit
from regional_hub.orm import AuditRow, MemberRow, QuarantineRow
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from tests.regional_hub.browsing import Browser
from tests.regional_hub.running import City, RunningHub, enrolment, key_of
from tests.regional_hub.test_figures import NAMES
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough

NAME = "leipzig.sn.de"
READING_PAGES = (
    "/", "/members", f"/members/{NAME}", f"/members/{NAME}/items", "/enrolments", "/quarantine", "/policy",
    "/withdrawals", "/questions", "/sums", "/witnesses", "/audit", "/audit.jsonl",
)  # fmt: skip


@pytest.fixture
def olga(region: RunningHub) -> Browser:
    return Browser(region).sign_in("olga")


def standing(region: RunningHub, name: str = NAME) -> str:
    with region.hub.database.read() as session:
        return session.get_one(MemberRow, name).status


def acts(region: RunningHub, action: str) -> list[str]:
    """Who did it, oldest first."""
    with region.hub.database.read() as session:
        return list(session.scalars(select(AuditRow.actor).where(AuditRow.action == action).order_by(AuditRow.seq)))


# --- who may -----------------------------------------------------------------------------------------------------


def test_an_auditor_sees_every_page_and_no_form_that_changes_anything(region: RunningHub, town: City) -> None:
    region.accept(town.sign())
    aldo = Browser(region).sign_in("aldo")
    for path in READING_PAGES:
        answer = aldo.get(path)
        assert answer.status_code == 200, path
        forms = set(re.findall(r'method="post" action="([^"]*)"', answer.text))
        assert forms <= {"/sign-out", "/language"}, path
    for path, fields in (("state", {"change": "suspend", "seen": "active"}), ("code", {})):
        assert aldo.post(f"/members/{NAME}/{path}", fields).status_code == 403
    assert standing(region) == "active"


def test_an_analyst_sees_nothing_of_the_console(region: RunningHub, town: City) -> None:
    nils = Browser(region).sign_in("nils")
    assert {nils.get(path).status_code for path in READING_PAGES if path != "/"} == {403}
    start = nils.page("/")
    assert NAME not in start and "/members" not in start


def test_reading_the_console_writes_nothing(region: RunningHub, town: City, olga: Browser) -> None:
    region.accept(town.sign())
    written: list[object] = []
    region.hub.database.after_write = written.append
    for path in READING_PAGES:
        assert olga.get(path).status_code == 200, path
    assert written == []


# --- the first page ----------------------------------------------------------------------------------------------


def test_when_all_is_well_the_first_page_says_so_in_one_sentence(
    region: RunningHub, town: City, olga: Browser, tmp_path: Path
) -> None:
    assert "All is well" not in olga.page("/"), "there is no backup, and nobody has read"
    region.hub.data_dir.chmod(0o700)
    region.verb("backup", target=f"{tmp_path}/backups")
    region.verb("log.check", now=True)
    town.feed()
    page = olga.page("/")
    assert "All is well" in page, page
    region.clock.advance(hours=25)
    olga.sign_in("olga")
    assert "All is well" not in olga.page("/"), "a member is late"


def test_alarms_come_first_and_are_told_in_words(region: RunningHub, olga: Browser) -> None:
    with region.hub.database.write() as session:
        alarms.raise_alarm(session, "bayern.de", ProblemCode.FEED_FORK, "expected one\x1b log", region.clock())
    page = olga.page("/")
    assert page.index("A hub has signed two logs") < page.index("standing")
    assert "\x1b" not in page and "\\u001b" in page


def test_a_member_is_in_time_for_a_day_and_silent_after_a_week(region: RunningHub, town: City) -> None:
    def state() -> str:
        (member,) = region.verb("members.list")["members"]
        return str(member["reading"])

    assert state() == "silent", "it never read"
    town.feed()
    for step, expected in (
        (timedelta(hours=24), "in-time"),
        (timedelta(seconds=1), "late"),
        (timedelta(days=6) - timedelta(seconds=1), "late"),
        (timedelta(seconds=1), "silent"),
    ):
        region.clock.now += step
        assert state() == expected


# --- members -----------------------------------------------------------------------------------------------------


def test_nobody_is_revoked_without_the_typed_name_or_by_an_old_page(
    region: RunningHub, town: City, olga: Browser
) -> None:
    path = f"/members/{NAME}/state"
    size = region.log_size()
    wrong = [
        ({"change": "revoke", "seen": "active"}, 422),
        ({"change": "revoke", "seen": "active", "typed": "dresden.sn.de"}, 422),
        ({"change": "leave", "seen": "active", "typed": "Leipzig.sn.de"}, 422),
        ({"change": "revoke", "seen": "suspended", "typed": NAME}, 409),
        ({"change": "activate", "seen": "active"}, 409),
        ({"change": "destroy", "seen": "active", "typed": NAME}, 422),
    ]
    for fields, status in wrong:
        assert olga.post(path, fields).status_code == status, fields
    assert (standing(region), region.log_size()) == ("active", size)


def test_a_revoked_member_stays_revoked(region: RunningHub, town: City, olga: Browser) -> None:
    path = f"/members/{NAME}/state"
    revoke = {"change": "revoke", "seen": "active", "typed": NAME}
    assert olga.post(path, revoke).status_code == 303
    size = region.log_size()
    assert olga.post(path, revoke).status_code == 409, "sent twice"
    assert olga.post(path, {"change": "activate", "seen": "revoked"}).status_code >= 400
    assert (standing(region), region.log_size()) == ("revoked", size)
    assert acts(region, "member-revoked") == ["olga"]


def test_a_member_is_suspended_and_activated_again_by_the_person_who_asks(
    region: RunningHub, town: City, olga: Browser
) -> None:
    path = f"/members/{NAME}/state"
    assert "is suspended" in olga.follow(olga.post(path, {"change": "suspend", "seen": "active"}))
    assert standing(region) == "suspended"
    assert olga.post(path, {"change": "suspend", "seen": "active"}).status_code == 409, "sent twice"
    olga.post(path, {"change": "activate", "seen": "suspended"})
    assert standing(region) == "active"
    assert acts(region, "member-suspended") == acts(region, "member-active") == ["olga"]


def test_a_member_that_is_none_has_no_page(olga: Browser) -> None:
    for path in ("/members/nobody.sn.de", "/members/nobody.sn.de/items", "/members/%00"):
        assert olga.get(path).status_code == 404


def test_the_last_items_of_a_member_say_that_a_hub_cannot_sign_for_a_city(
    region: RunningHub, town: City, olga: Browser
) -> None:
    receipts = [region.accept(town.sign()) for _ in range(12)]
    items = region.verb("members.items", name=NAME)["items"]
    assert [item["seq"] for item in items] == list(range(12, 2, -1))
    page = olga.page(f"/members/{NAME}/items")
    assert "A hub cannot sign for a city" in page
    assert page.count("in force") == 10 and len(receipts) == 12


# --- admitting ---------------------------------------------------------------------------------------------------


def ask_for_admission(region: RunningHub, olga: Browser, key: SigningKey) -> None:
    page = olga.post("/enrolments", {"member": NAME}).text
    (code,) = re.findall(r"<code>([A-Z2-7-]{19})</code>", page)
    assert region.post(enrolment(NAME, key, code), "/v1/enrolments").status_code == 202


def test_a_wrong_fingerprint_admits_nobody_and_the_right_one_is_never_shown(region: RunningHub, olga: Browser) -> None:
    key = key_of(NAME)
    ask_for_admission(region, olga, key)
    page = olga.page("/enrolments")
    assert NAME in page and key.public.fingerprint not in page and key.public.keyid not in page
    wrong = olga.post(f"/enrolments/{NAME}/approve", {"fingerprint": key_of("x").public.fingerprint})
    assert (wrong.status_code, "That is not the fingerprint" in wrong.text) == (422, True)
    assert key.public.fingerprint not in wrong.text
    assert region.verb("members.list")["members"] == []
    assert acts(region, "enrolment-refused-fingerprint-mismatch") == ["olga"]
    right = olga.post(f"/enrolments/{NAME}/approve", {"fingerprint": key.public.fingerprint})
    assert right.status_code == 303 and standing(region) == "active"
    again = olga.post(f"/enrolments/{NAME}/approve", {"fingerprint": key.public.fingerprint})
    assert again.status_code == 404, "sent twice"


@pytest.mark.parametrize("name", ["", "Leipzig", "a b", "x" * 101, "sachsen.de", "\x00"])
def test_a_code_is_made_for_a_name_only(region: RunningHub, olga: Browser, name: str) -> None:
    assert olga.post("/enrolments", {"member": name}).status_code == 422
    assert acts(region, "enrolment-code-made") == []


# --- quarantine --------------------------------------------------------------------------------------------------


def set_aside(region: RunningHub, digest: str = "ab" * 32) -> str:
    """Something from a hub that nobody knows."""
    with region.hub.database.write() as session:
        session.add(
            QuarantineRow(
                digest=digest,
                source="bayern.de",
                source_index=7,
                code="unknown-key",
                envelope=builders.signed_statement(key=key_of("nobody.by.de"), origin="nobody.by.de"),
                since=region.clock(),
            )
        )
    return digest


def test_what_was_set_aside_is_told_with_its_reason_tried_again_and_dropped(region: RunningHub, olga: Browser) -> None:
    digest = set_aside(region)
    page = olga.page("/quarantine")
    assert "Nobody here knows the key that signed it" in page and "bayern.de" in page
    assert "It still cannot be taken" in olga.follow(olga.post(f"/quarantine/{digest}/retry"))
    assert olga.post("/quarantine/retry").status_code == 303
    assert olga.post(f"/quarantine/{'cd' * 32}/drop").status_code == 404
    assert "It was deleted here" in olga.follow(olga.post(f"/quarantine/{digest}/drop"))
    assert olga.post(f"/quarantine/{digest}/drop").status_code == 404, "sent twice"
    assert acts(region, "quarantine-dropped") == ["olga"]


# --- policy ------------------------------------------------------------------------------------------------------


def stricter(region: RunningHub, **changes: object) -> str:
    policy = region.verb("policy.show")
    return json.dumps(policy | {"version": policy["version"] + 1} | changes)


def mark_of(page: str) -> str:
    return str(re.findall(r'name="tested" value="([0-9a-f]{64})"', page)[0])


def test_a_policy_comes_into_force_only_as_it_was_tested(region: RunningHub, town: City, olga: Browser) -> None:
    before = region.verb("policy.show")
    text = stricter(region, least_software="99.0.0")
    assert olga.post("/policy", {"policy": text}).status_code == 422, "never tested"
    tested = olga.post("/policy/test", {"policy": text}).text
    assert "1 member would be refused" in tested and NAME in tested
    mark = mark_of(tested)
    other = stricter(region, min_contributors=9)
    assert olga.post("/policy", {"policy": other, "tested": mark}).status_code == 422, "another text"
    assert region.verb("policy.show") == before
    assert olga.post("/policy", {"policy": text, "tested": mark}).status_code == 303
    assert region.verb("policy.show")["least_software"] == "99.0.0"
    size = region.log_size()
    assert olga.post("/policy", {"policy": text, "tested": mark}).status_code == 422, "sent twice"
    assert region.log_size() == size
    assert acts(region, "policy-published")[-1] == "olga"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1, "version": 2}', "9" * 3000, "{" * 5000])
def test_what_is_no_policy_is_told_and_shown_again(region: RunningHub, olga: Browser, text: str) -> None:
    answer = olga.post("/policy/test", {"policy": text})
    assert (answer.status_code, 'name="tested"' in answer.text) in ((422, False), (400, False))
    assert "<textarea" in answer.text


def test_a_policy_of_the_same_version_can_be_tested_and_not_put_in_force(region: RunningHub, olga: Browser) -> None:
    answer = olga.post("/policy/test", {"policy": json.dumps(region.verb("policy.show"))})
    assert "must be above" in answer.text and 'name="tested"' not in answer.text


# --- what moves --------------------------------------------------------------------------------------------------


def test_sums_with_new_figures_are_named_before_they_are_published(region: RunningHub, olga: Browser) -> None:
    for city in [region.enrol(name) for name in NAMES]:
        region.accept(city.trend(50, 70, 90))
    assert "There is nothing to publish" not in olga.page("/sums")
    assert "sums are published" in olga.follow(olga.post("/sums"))
    assert "There was nothing to publish" in olga.follow(olga.post("/sums")), "sent twice"
    assert region.verb("sums.changed") == {"sums": []}


def test_a_withdrawal_stands_on_its_page_until_everybody_has_confirmed(
    region: RunningHub, town: City, olga: Browser
) -> None:
    other = region.enrol("dresden.sn.de")
    item = town.sign()
    region.accept(item)
    region.accept(town.withdrawal(item))
    assert "under way" in olga.page("/withdrawals")
    region.clock.advance(days=8)
    olga.sign_in("olga")
    page = olga.page("/withdrawals")
    assert "dresden.sn.de" in page and "late" in page
    other.feed(first=region.log_size(), seen=region.log_size())
    assert "done" in olga.page("/withdrawals")


def test_who_asked_to_relay_something_is_not_shown(region: RunningHub, town: City, olga: Browser) -> None:
    assert region.post(town.confide(), "/v1/relay").status_code in (201, 202)
    page = olga.page("/questions")
    assert "waits for the window" in page and NAME not in page
    assert "Nothing is due yet" in olga.follow(olga.post("/questions/publish"))
    assert olga.post(f"/questions/{'ab' * 32}/forward").status_code == 404


# --- the audit trail ---------------------------------------------------------------------------------------------


GUIDE = Path(__file__).parents[2] / "docs" / "operator_guide.md"


def is_whole(exported: str) -> bool:
    """The rule as the guide has it, with nothing of the hub's program."""
    (rule,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert 'open("audit.jsonl")' in rule
    try:
        exec(rule.replace('open("audit.jsonl")', "lines"), {"lines": exported.splitlines()})  # noqa: S102 - our own guide
    except (AssertionError, json.JSONDecodeError):
        return False
    return True


def test_the_exported_chain_verifies_by_the_documented_rule_and_a_changed_byte_breaks_it(
    region: RunningHub, town: City, olga: Browser
) -> None:
    with region.hub.database.write() as session:
        audit.record(session, "olga", "test", "ä", region.clock())
    exported = olga.get("/audit.jsonl").text
    with region.hub.database.read() as session:
        assert len(exported.splitlines()) == audit.verify(session)
    assert exported.isascii()
    assert is_whole(exported)
    for place in (exported.index("member-admitted"), exported.index("olga"), exported.rindex('"entry_hash"') + 15):
        sign = "b" if exported[place] != "b" else "c"
        assert not is_whole(exported[:place] + sign + exported[place + 1 :])
    lines = exported.splitlines()
    assert not is_whole("\n".join(lines[1:])) and not is_whole("\n".join([lines[0], *lines[2:]]))


def test_the_trail_is_filtered_and_paged_by_number_and_hides_no_sign(region: RunningHub, olga: Browser) -> None:
    with region.hub.database.write() as session:
        for number in range(120):
            audit.record(session, "olga" if number % 2 else "aldo", "test", f"<b>{number}", region.clock())
        session.scalars(select(AuditRow).order_by(AuditRow.seq.desc()).limit(1)).one().subject = "a\x1b[2J\x7f\u202e"
    page = olga.page("/audit?action=test&person=olga")
    assert page.count("<tr>") == 51 and ">aldo</td>" not in page
    assert "\x1b" not in page and "\\u001b" in page and "<b>" not in page
    exported = olga.get("/audit.jsonl").text
    assert exported.isascii() and not {"\x1b", "\x7f"} & set(exported)
    (before,) = re.findall(r"before=(\d+)", page)
    older = olga.page(f"/audit?action=test&person=olga&before={before}")
    assert older.count("<tr>") == 11
    for wrong in ("before=x", "before=" + "9" * 50, "before=-1", "action=%01", "person=%27"):
        assert olga.get(f"/audit?{wrong}").status_code == 200, wrong
