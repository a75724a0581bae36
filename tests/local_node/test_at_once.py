"""Two requests at the same moment: what one of them takes away, the other does not get any more."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from local_node import verbs
from local_node.account_changes import AccountForm, account_changes
from local_node.app import Node
from local_node.door import accounts, invitations, second_factor, second_steps
from local_node.settings import load_settings
from local_node.verbs import settings as settings_verbs
from shared_schema.service.accounts.sessions import MAX_FAILURES
from shared_schema.service.control import VerbError
from shared_schema.service.pages.entering import STEP_COOKIE
from shared_schema.service.pages.site import SESSION_COOKIE
from tests.browsing import PASSWORD
from tests.local_node.browsing import Browser, app_of, give_account

NEW = "quiet lanterns count the rain"


def at_once(node: Node, *acts: Callable[[], Any]) -> list[Any]:
    """Run all of them in threads that begin together; what each returned or raised, in order."""
    app_of(node)  # made before, by one thread
    start = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(number: int, act: Callable[[], Any]) -> None:
        start.wait(30)
        try:
            results[number] = act()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def reset(node: Node, person: str) -> None:
    with node.database.write() as session:
        account_changes.reset(session, person, by="anna", now=node.clock(), from_console=True)


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """The next time that somebody's password has been checked, this happens before anything else."""
    check = accounts.check_credentials

    def check_then_act(*arguments: Any) -> Any:
        found = check(*arguments)
        monkeypatch.setattr(accounts, "check_credentials", check)
        act()
        return found

    monkeypatch.setattr(accounts, "check_credentials", check_then_act)


@pytest.mark.parametrize("what", ["reset", "password", "disabled"])
def test_a_password_that_is_taken_away_while_it_is_checked_opens_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    give_account(node, "anna", administrates=True)
    give_account(node, "ben")

    def act() -> None:
        if what == "password":
            verbs.run(node, "account.set", {"id": "ben", "password": NEW})
        elif what == "disabled":
            verbs.run(node, "account.disable", {"id": "ben"})
        else:
            reset(node, "ben")

    meanwhile(monkeypatch, act)
    ben = Browser(node)
    answer = ben.post("/sign-in", {"person": "ben", "password": PASSWORD})
    assert (answer.status_code, SESSION_COOKIE in ben.cookies, STEP_COOKIE in ben.cookies) == (403, False, False)
    assert ben.get("/").status_code == 303


def test_whoever_is_changing_a_password_while_the_account_is_reset_changes_nothing(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = Browser(node).sign_in("ben")
    meanwhile(monkeypatch, lambda: reset(node, "ben"))
    answer = ben.post("/account/password", {"current": PASSWORD, "password": NEW, "again": NEW})
    assert answer.status_code == 401, "the session ended with the reset"
    with node.database.read() as session:
        assert not accounts.get_account(session, "ben").has_password


def test_whoever_gave_the_old_password_does_not_get_in_with_the_code(node: Node) -> None:
    give_account(node, "ben")
    with node.database.write() as session:
        step = second_steps.begin(session, "ben", node.clock())
    verbs.run(node, "account.set", {"id": "ben", "password": NEW})
    with node.database.read() as session:
        assert second_steps.find(session, step, node.clock()) is None


def test_of_many_tries_at_once_ten_are_looked_at(node: Node) -> None:
    give_account(node, "anna")

    def attempt() -> int:
        return Browser(node).post("/sign-in", {"person": "anna", "password": "wrong"}).status_code

    statuses = at_once(node, *[attempt] * (MAX_FAILURES + 6))
    assert sorted(statuses) == [403] * MAX_FAILURES + [429] * 6


def test_a_link_that_is_used_twice_at_once_sets_one_password(node: Node) -> None:
    with node.database.write() as session:
        accounts.make_account(session, "ben", "Ben", by="anna", now=node.clock())
        link, _ = invitations.invite(session, "ben", by="anna", now=node.clock())
    passwords = [PASSWORD, NEW]

    def use(password: str) -> int:
        return Browser(node).post(f"/welcome/{link}", {"password": password, "again": password}).status_code

    statuses = at_once(node, *[lambda each=each: use(each) for each in passwords])
    assert sorted(statuses) == [303, 410]
    with node.database.read() as session:
        won = [accounts.check_credentials(session, "ben", password) is not None for password in passwords]
    assert won == [status == 303 for status in statuses]


def test_a_recovery_code_that_is_typed_twice_at_once_opens_one_session(node: Node) -> None:
    from shared_schema.service.accounts.one_time_codes import code_at

    give_account(node, "ben")
    with node.database.write() as session:
        secret = second_factor.begin(session, "ben", node.clock())
        code = second_factor.confirm(session, "ben", code_at(secret, node.clock()), node.clock())[0]
    browsers = [Browser(node), Browser(node)]
    for browser in browsers:
        browser.post("/sign-in", {"person": "ben", "password": PASSWORD})
    at_once(node, *[lambda each=each: each.post("/sign-in/code", {"code": code}) for each in browsers])
    assert sorted(SESSION_COOKIE in browser.cookies for browser in browsers) == [False, True]


def test_two_administrators_who_take_each_other_the_right_away_leave_one(node: Node) -> None:
    people = {"anna": Browser(node).sign_in("anna", administrates=True)}
    people["ben"] = Browser(node).sign_in("ben", administrates=True)
    statuses = at_once(
        node,
        lambda: people["anna"].post("/accounts/ben/state", {"state": "disabled"}).status_code,
        lambda: people["ben"].post("/accounts/anna/state", {"state": "disabled"}).status_code,
    )
    assert statuses.count(303) >= 1
    with node.database.read() as session:
        left = [
            each for each in accounts.list_accounts(session) if "administrator" in each.roles and not each.is_disabled
        ]
    assert len(left) == 1


def test_of_two_who_change_settings_at_once_the_second_is_told(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = verbs.run(node, "settings.show", {})["revision"]
    load, others = load_settings, list[object]()

    def change(name: str, value: Any) -> dict[str, Any]:
        return verbs.run(node, "settings.change", {"changes": {name: value}, "seen": seen, "by": "anna"})

    def second() -> None:
        try:
            others.append(change("threshold", 12))
        except VerbError as error:
            others.append(error.code)

    thread = threading.Thread(target=second)

    def load_slowly(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(settings_verbs, "load_settings", load)
        thread.start()
        thread.join(0.3)  # it waits for us, or is through by then
        return load(*arguments, **options)

    monkeypatch.setattr(settings_verbs, "load_settings", load_slowly)
    assert change("display_name", "Wurzen")["changed"] == ["display_name"]
    thread.join(30)
    assert others == ["changed"]
    assert node.settings.threshold != 12


def test_an_account_that_two_people_change_at_once_is_changed_once(node: Node) -> None:
    give_account(node, "anna", administrates=True)
    give_account(node, "ben")
    with node.database.read() as session:
        seen = account_changes.seen(accounts.get_account(session, "ben"))

    def change(name: str) -> object:
        with node.database.write() as session:
            form = AccountForm(name, "reviewer")
            return account_changes.change(session, "ben", form, seen, by="anna", now=node.clock()).name

    results = at_once(node, lambda: change("Benno"), lambda: change("Benjamin"))
    assert sum(isinstance(each, str) for each in results) == 1
