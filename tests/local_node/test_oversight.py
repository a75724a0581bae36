"""The data protection officer's pages: who may look and who may erase, what they show, and that it is the truth."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from local_node import audit, draft_store, verbs
from local_node.app import Node
from local_node.audit_chain import check_export
from local_node.orm import LedgerRow, ReleaseRequestRow, ReturnRecordRow
from local_node.outgoing import ROWS_A_PAGE
from local_node.retention_rules import Kind, months_for
from shared_schema.service.control import VerbError
from tests.hub_simulator import Author, HubSimulator, MovableClock
from tests.local_node.browsing import Browser
from tests.local_node.conftest import LEIPZIG
from tests.local_node.lesson_desk import LESSON, ask, employ, seat, write
from tests.local_node.test_cli import run
from tests.local_node.test_outside import put
from tests.local_node.test_spending import MAPPING, TABLE

MEASURE = "bias_incidents"
PAGES = (
    "/oversight",
    "/oversight/audit",
    "/oversight/audit.jsonl",
    "/oversight/outgoing",
    "/oversight/budget",
    "/oversight/retention",
    "/oversight/processing",
    "/messages",
)


@pytest.fixture
def city(member: Node, tmp_path: Path) -> Node:
    """A member with figures of five months, of which January is released."""
    import_figures(member, tmp_path, "".join(f"2026-0{month},{month},{9 - month}\n" for month in range(1, 6)))
    shown = verbs.run(member, "release.numbers", {"table": TABLE, "period": "2026-01", "by": "anna"})
    verbs.run(member, "release.approve", {"request": shown["request"], "by": "ben", "accept": {}})
    verbs.run(member, "sync", {})
    return member


def import_figures(node: Node, tmp_path: Path, rows: str, **params: Any) -> None:
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "figures.csv").write_text(f"month,assault,arson\n{rows}")
    files = {"file": str(tmp_path / "figures.csv"), "mapping": str(tmp_path / "mapping.toml")}
    verbs.run(node, "import", files | {"agency": "youth-office", "by": "anna"} | params)


def set_rule(node: Node, months: int = 12) -> None:
    rule = {"kind": "records", "measure": MEASURE, "months": months}
    verbs.run(node, "retention.set", {"rules": [rule], "by": "ben"})


def count_records(node: Node) -> int:
    with node.database.read() as session:
        return session.scalar(select(func.count()).select_from(ReturnRecordRow)) or 0


RULE = f"records-{MEASURE}"


def rules_seen(node: Node) -> str:
    """What the page of the rules carries in its form."""
    return str(verbs.run(node, "retention.show", {})["seen"])


# --- who may -------------------------------------------------------------------------------------------------------


def test_partners_readers_and_people_outside_see_nothing_of_it(node: Node) -> None:
    nobody = Browser(node)
    assert all(nobody.get(path).headers["location"].startswith("/sign-in") for path in PAGES)
    for person, role in (("paul", "partner"), ("rita", "reader")):
        verbs.run(node, "people.add", {"id": person, "role": role})
        browser = Browser(node).sign_in(person)
        assert [browser.get(path).status_code for path in PAGES] == [403] * len(PAGES)
    for person in ("anna", "ben"):
        browser = Browser(node).sign_in(person)
        assert [browser.get(path).status_code for path in PAGES] == [200] * len(PAGES)


def test_a_coordinator_sees_the_rules_and_neither_sets_them_nor_erases(city: Node, clock: MovableClock) -> None:
    set_rule(city)
    clock.advance(days=600)
    browser = Browser(city).sign_in("anna")
    assert "<button" not in browser.page("/oversight/retention").partition("<main")[2].partition("</main>")[0]
    fields = {"measure": MEASURE, "before": "2027-07", "total": "2"}
    assert browser.post("/oversight/erase", fields).status_code == 403
    assert browser.post("/oversight/retention", {RULE: "24"}).status_code == 403
    assert count_records(city) == 10


# --- the audit log -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    ["before=-1", "before=x", "before=99999999999999999999", "actor=" + "x" * 301, "subject=" + "y" * 301],
)
def test_an_address_that_cannot_be_is_not_there(node: Node, query: str) -> None:
    assert Browser(node).sign_in("ben").get(f"/oversight/audit?{query}").status_code == 404


def test_a_day_that_is_none_is_named_and_the_page_stays(node: Node) -> None:
    answer = Browser(node).sign_in("ben").get("/oversight/audit?since=yesterday")
    assert answer.status_code == 422
    assert "Please give days as year, month and day" in answer.text


def test_filters_stand_in_the_address_and_lead_on(city: Node) -> None:
    with city.database.write() as session:
        for number in range(60):
            audit.append(session, "ben", "test.event", f"t{number}", city.clock())
    browser = Browser(city).sign_in("ben")
    page = browser.page("/oversight/audit?actor=ben&action=test.event")
    assert page.count("Test event</td>") == 50
    assert "anna" not in page.partition("<tbody>")[2].partition("</tbody>")[0]
    older = page.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "actor=ben" in older
    assert browser.page(older).count("Test event</td>") == 10
    assert browser.page("/oversight/audit?subject=t7").count("Test event</td>") == 1
    assert "No event fits" in browser.page("/oversight/audit?subject=%27%20OR%201=1")
    assert "&lt;script&gt;" in browser.page("/oversight/audit?subject=<script>")


def test_the_page_gives_the_same_bytes_as_the_command_and_they_verify(city: Node, tmp_path: Path) -> None:
    browser = Browser(city).sign_in("ben")
    answer = browser.get("/oversight/audit.jsonl")
    file = tmp_path / "audit.jsonl"
    verbs.run(city, "audit.export", {"file": str(file)})
    assert file.read_bytes() == answer.content
    assert check_export(answer.content.splitlines(keepends=True)).node == LEIPZIG
    assert run("audit", "verify", str(file)).returncode == 0


# --- what left -----------------------------------------------------------------------------------------------------


def test_the_outgoing_log_has_every_row_with_its_receipt(city: Node, hub: HubSimulator) -> None:
    verbs.run(city, "sync", {})  # reads the log in which the receipt is found again
    author = Author(LEIPZIG, city.key, city.clock, last_seq=20)
    put(city.database, author, hub.verifier.name, ROWS_A_PAGE, "waiting")
    browser = Browser(city).sign_in("ben")
    page = browser.page("/oversight/outgoing")
    assert page.count("waits</span>") == ROWS_A_PAGE
    older = page.partition('rel="next" href="')[2].partition('"')[0]
    page = browser.page(older)
    assert "received" in page
    assert "found there" in page
    assert browser.get("/oversight/outgoing?hub=evil.de").status_code == 200


# --- the budget ----------------------------------------------------------------------------------------------------


def test_without_the_rules_of_a_hub_the_page_says_what_to_do(node: Node) -> None:
    browser = Browser(node).sign_in("ben")
    assert "Add a hub and become its member" in browser.page("/oversight/budget")
    assert browser.get("/oversight").status_code == 200


def test_the_budget_is_what_the_ledger_says(city: Node, clock: MovableClock) -> None:
    shown = verbs.run(city, "budget.show", {})
    measure = shown["measures"][0]
    assert (measure["measure"], measure["spent_milli"], measure["left_milli"]) == (MEASURE, 1000, 1000)
    assert [(each["period"], each["epsilon_milli"], each["fits"]) for each in measure["following"]] == [
        ("2026-02", 1000, True)
    ]
    assert measure["odds"] == 2.8
    page = Browser(city).sign_in("ben").page("/oversight/budget")
    assert "1 of 2 spent, 1 left (epsilon)" in page
    assert "Each record in these figures" in page
    assert "by a factor of at most 2.8" in page
    clock.advance(days=400)
    assert verbs.run(city, "budget.show", {})["measures"][0]["spent_milli"] == 0


def test_the_command_shows_the_same_budget(city: Node) -> None:
    city.close()
    done = run("ledger", "budget", "--json", data=city.data_dir)
    assert json.loads(done.stdout)["spent_milli"] == 1000
    assert "1 of 4" in run("ledger", "budget", data=city.data_dir).stdout


# --- erasing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({RULE: "11"}, "12 to 1200"),
        ({RULE: "x"}, "12 to 1200"),
        ({RULE: "24", "messages": "0"}, "1 to 1200"),
        ({RULE: "24", "drafts": "2"}, "3 to 1200"),
    ],
)
def test_a_rule_that_cannot_be_changes_none_and_is_shown_again(city: Node, fields: dict[str, str], said: str) -> None:
    answer = Browser(city).sign_in("ben").post("/oversight/retention", fields)
    assert answer.status_code == 422
    assert said in answer.text
    with city.database.read() as session:
        assert months_for(session, Kind.RECORDS, MEASURE) is None


def test_of_two_who_set_rules_the_second_is_told_and_keeps_what_was_typed(city: Node) -> None:
    ben = Browser(city).sign_in("ben")
    stale = {RULE: "36", "messages": "12", "seen": rules_seen(city)}
    assert f'value="{stale["seen"]}"' in ben.page("/oversight/retention")
    set_rule(city)
    for form in (stale, {RULE: "36"}):
        answer = ben.post("/oversight/retention", form)
        assert (answer.status_code, 'value="36"' in answer.text) == (409, True)
    with city.database.read() as session:
        assert months_for(session, Kind.RECORDS, MEASURE) != 36


def test_a_rule_that_was_not_on_the_page_stays(city: Node) -> None:
    """A measure that was read in since has no field in the form: its rule is not taken away by that."""
    set_rule(city)
    before = verbs.run(city, "retention.show", {})["records"][0]["months"]
    ben = Browser(city).sign_in("ben")
    ben.follow(ben.post("/oversight/retention", {"messages": "6", "seen": rules_seen(city)}))
    shown = verbs.run(city, "retention.show", {})
    assert (shown["records"][0]["months"], shown["messages_months"]) == (before, 6)
    assert before is not None


def test_an_unfinished_text_goes_when_its_rule_says_so_and_not_before(city: Node, clock: MovableClock) -> None:
    """`waits` is with the second person, `refused` came back from there, `handed` has just changed hands."""
    employ(city)

    def begin(person: str, title: str) -> str:
        return write(seat(city, person), form_key=title.replace(" ", "-").ljust(20, "-"), title=title)

    def titles() -> set[str]:
        with city.database.read() as session:
            return {str(draft.fields["title"]) for draft in draft_store.list_all(session)}

    drafts = {title: begin("anna", title) for title in ("idle", "waits", "refused", "refused lately")}
    handed = begin("paul", "handed")
    requests = {title: ask(seat(city, "anna"), drafts[title]) for title in drafts if title != "idle"}
    refuse = {"by": "ben", "reason": "less of the school"}
    verbs.run(city, "release.refuse", refuse | {"request": requests["refused"]})
    clock.advance(days=200)
    verbs.run(city, "release.refuse", refuse | {"request": requests["refused lately"]})
    assert seat(city, "paul").post(f"/lessons/{handed}/hand-over", {"version": "1"}).status_code == 303
    begin("anna", "new")
    verbs.run(city, "sync", {})
    assert titles() == {*drafts, "handed", "new"}, "kept, unless a person says otherwise"

    ben = Browser(city).sign_in("ben")
    ben.follow(ben.post("/oversight/retention", {"drafts": "6", "seen": rules_seen(city)}))
    assert "nobody changes for 6 months is erased" in seat(city, "anna").page("/lessons")
    verbs.run(city, "sync", {})
    assert titles() == {"waits", "refused lately", "handed", "new"}
    with city.database.read() as session:
        bodies = {row.id: row.body for row in session.scalars(select(ReleaseRequestRow))}
        actions = [event.action for event in audit.list_events(session)]
    assert [title for title, request in requests.items() if str(LESSON["summary"]) in bodies[request]] == [
        "waits", "refused lately"
    ]  # fmt: skip
    assert (actions.count("draft.expired"), actions.count("release.text-erased")) == (2, 1)
    verbs.run(city, "sync", {})
    with city.database.read() as session:
        assert [event.action for event in audit.list_events(session)].count("release.text-erased") == 1


def test_a_measure_that_nobody_knows_has_no_rule(city: Node) -> None:
    for rule in (
        {"kind": "records", "measure": "other", "months": 24},
        {"kind": "records", "months": 24},
        {"kind": "messages", "measure": MEASURE, "months": 24},
        {"kind": "audit", "months": 24},
        {"kind": "messages", "months": True},
    ):
        with pytest.raises(VerbError):
            verbs.run(city, "retention.set", {"rules": [rule], "by": "ben"})


def test_saving_a_rule_erases_nothing_and_erasing_takes_what_was_shown(city: Node, clock: MovableClock) -> None:
    clock.advance(days=600)
    browser = Browser(city).sign_in("ben")
    page = browser.follow(browser.post("/oversight/retention", {RULE: "12", "messages": "6", "seen": rules_seen(city)}))
    assert "Nothing was erased yet" in page
    assert count_records(city) == 10
    assert "2 raw records may go" in page
    assert "2026-02 (2)" in page
    assert "2 raw records are older than their rule" in browser.page("/oversight")
    stale = {"measure": MEASURE, "before": "2027-07", "total": "3"}
    answer = browser.post("/oversight/erase", stale)
    assert answer.status_code == 409
    assert count_records(city) == 10
    page = browser.follow(browser.post("/oversight/erase", stale | {"total": "2"}))
    assert "erased before 2027-07" in page
    assert count_records(city) == 8
    assert browser.post("/oversight/erase", stale | {"total": "2"}).status_code == 409  # a double click
    with city.database.read() as session:
        assert session.scalar(select(func.count()).select_from(LedgerRow)) == 1
        erased = [event for event in audit.list_events(session) if event.action == "records.erased"]
    assert [(event.actor, event.subject) for event in erased] == [("ben", f"{MEASURE}/before-2027-07/2")]


def test_after_erasing_the_same_file_and_a_correction_are_refused_in_words(
    city: Node, clock: MovableClock, tmp_path: Path
) -> None:
    set_rule(city)
    clock.advance(days=600)
    verbs.run(city, "retention.purge", {"measure": MEASURE, "by": "ben"})
    for params in ({}, {"correction": True}):
        with pytest.raises(VerbError, match="were erased") as caught:
            import_figures(city, tmp_path, "2026-01,7,7\n", **params)
        assert caught.value.code == "closed"
    assert count_records(city) == 8


def test_the_commands_plan_and_erase(city: Node, clock: MovableClock) -> None:
    clock.advance(days=600)
    with pytest.raises(VerbError) as caught:
        verbs.run(city, "retention.purge", {"measure": MEASURE, "by": "ben"})
    assert caught.value.code == "no-rule"
    set_rule(city)
    planned = verbs.run(city, "retention.purge", {"measure": MEASURE, "by": "ben", "dry_run": True})
    assert (planned["erased"], planned["total"], count_records(city)) == (0, 2, 10)
    city.close()
    assert run("retention", "show", data=city.data_dir).returncode == 0
    done = run("retention", "set", "messages", "--by", "ben", "--months", "3", data=city.data_dir)
    assert done.returncode == 0, done.stderr
    assert run("retention", "set", "records", "--by", "ben", "--months", "3", data=city.data_dir).returncode == 2


# --- the record of processing --------------------------------------------------------------------------------------


def test_the_record_of_processing_says_what_is_really_there(city: Node) -> None:
    page = Browser(city).sign_in("ben").page("/oversight/processing")
    assert "Article 30(1)" in page
    assert "Bias incidents: 10" in page
    assert "no names and no references" in page
    assert "1 account," in page
    assert "sachsen.de" in page
    assert "open only to people who are signed in" in page
