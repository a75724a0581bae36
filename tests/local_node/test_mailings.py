"""An e-mail is claimed by one run alone and sent at most once; what was clearly refused is tried again."""

from datetime import timedelta

import pytest

from local_node import audit, mailings
from local_node.app import Node
from local_node.mailings import MAX_TRIES, Claim, MailingState, Rhythm
from local_node.orm import AccountRow
from tests.hub_simulator import Author, HubSimulator, MovableClock
from tests.local_node.browsing import give_account
from tests.local_node.test_search import log


@pytest.fixture
def dresden(member: Node, hub: HubSimulator) -> Author:
    return hub.city("dresden.sn.de")


@pytest.fixture
def due(member: Node, hub: HubSimulator, dresden: Author, clock: MovableClock) -> Node:
    """Anna gets a daily e-mail, which is due, and something is new."""
    choose(member, Rhythm.DAILY)
    log(member, hub, dresden.practice("New"))
    clock.advance(days=1)
    return member


def choose(node: Node, rhythm: Rhythm | None, person: str = "anna") -> None:
    with node.database.write() as session:
        mailings.choose(session, person, rhythm, node.clock())


def claim(node: Node, person: str = "anna") -> Claim | None:
    with node.database.write() as session:
        return mailings.claim(session, person, node.clock())


def must_claim(node: Node) -> Claim:
    found = claim(node)
    assert found is not None
    return found


def list_due(node: Node) -> tuple[str, ...]:
    with node.database.read() as session:
        return mailings.list_due(session, node.clock())


def states(node: Node) -> list[tuple[MailingState, str | None, bool]]:
    with node.database.read() as session:
        return [(m.state, m.code, m.is_cut_off) for m in mailings.list_mailings(session, "anna", node.clock())]


def test_two_runs_at_once_have_one_e_mail_between_them(due: Node) -> None:
    assert list_due(due) == ("anna",)
    claims = [claim(due), claim(due)]
    assert [each is None for each in claims] == [False, True]
    assert list_due(due) == ()


def test_what_was_cut_off_is_told_and_not_sent_again(due: Node, clock: MovableClock) -> None:
    must_claim(due)  # and the machine goes down
    assert states(due) == [(MailingState.SENDING, None, False)]
    clock.advance(hours=1)
    assert (claim(due), states(due)) == (None, [(MailingState.SENDING, None, True)])


def test_what_was_refused_is_tried_again_later_with_the_same_items_and_then_given_up(
    due: Node, clock: MovableClock
) -> None:
    first = found = must_claim(due)
    for tries in range(1, MAX_TRIES + 1):
        assert (found.after_item, found.up_to, found.tries) == (first.after_item, first.up_to, tries)
        with due.database.write() as session:
            mailings.mark_failed(session, found, "mail-unreachable", due.clock())
        assert claim(due) is None  # not at once
        if tries < MAX_TRIES:
            clock.advance(hours=tries)
            assert list_due(due) == ("anna",)
            found = must_claim(due)
    assert states(due) == [(MailingState.GIVEN_UP, "mail-unreachable", False)]


def test_a_late_word_about_an_older_try_changes_nothing(due: Node, clock: MovableClock) -> None:
    old = must_claim(due)
    with due.database.write() as session:
        mailings.mark_failed(session, old, "mail-refused", due.clock())
    clock.advance(hours=1)
    new = must_claim(due)
    with due.database.write() as session:
        mailings.mark_failed(session, old, "mail-refused", due.clock())  # it was tried again meanwhile
        mailings.mark_sent(session, new)
        mailings.mark_failed(session, new, "mail-refused", due.clock())  # it was sent meanwhile
    assert states(due) == [(MailingState.SENT, None, False)]


def test_nothing_new_is_no_e_mail_and_days_that_were_missed_are_one(
    due: Node, hub: HubSimulator, dresden: Author, clock: MovableClock
) -> None:
    with due.database.write() as session:
        mailings.mark_sent(session, found) if (found := mailings.claim(session, "anna", due.clock())) else None
    clock.advance(days=1)
    assert (claim(due), len(states(due))) == (None, 1)
    log(due, hub, dresden.practice("Newer"))
    clock.advance(days=5, hours=3)
    after = must_claim(due)
    assert after.up_to == after.after_item + 1
    with due.database.read() as session:
        subscription = mailings.find(session, "anna")
    assert subscription is not None
    assert subscription.next_at - due.clock() == timedelta(hours=21)  # the same time of day as ever


def test_a_link_ends_the_e_mails_once_and_what_waited_with_them(due: Node) -> None:
    found = must_claim(due)
    with due.database.write() as session:
        mailings.mark_failed(session, found, "mail-refused", due.clock())
        assert not mailings.end_by_token(session, "wrong", due.clock())
        assert mailings.end_by_token(session, found.off_token, due.clock())
        assert not mailings.end_by_token(session, found.off_token, due.clock())
        actions = [event.action for event in audit.list_events(session) if event.action.startswith("mail")]
    assert (claim(due), list_due(due)) == (None, ())
    assert actions == ["mail.never", "mail.daily"]
    choose(due, Rhythm.WEEKLY)
    with due.database.read() as session:
        again = mailings.find(session, "anna")
    assert again is not None
    assert again.off_token != found.off_token
    assert again.rhythm is Rhythm.WEEKLY


def test_choosing_the_same_again_puts_nothing_off(due: Node) -> None:
    choose(due, Rhythm.DAILY)
    assert list_due(due) == ("anna",)
    choose(due, Rhythm.WEEKLY)
    assert list_due(due) == ()
    choose(due, None)
    choose(due, None)


def test_nobody_whose_account_is_closed_gets_an_e_mail(due: Node) -> None:
    give_account(due, "anna")
    with due.database.write() as session:
        account = session.get_one(AccountRow, "anna")
        account.disabled_at = due.clock()
    assert list_due(due) == ()
    assert claim(due) is None, "closed after the run had looked who is due"
    with due.database.write() as session:
        session.get_one(AccountRow, "anna").disabled_at = None
    assert claim(due) is not None
