"""Saved views: one's own or shared, each with a feed that only its secret opens."""

import pytest

from local_node import audit, saved_views, verbs
from local_node.app import Node
from local_node.inbox_query import Wanted, parse_wanted
from local_node.saved_views import ViewError

HARM = parse_wanted([("q", "schule & straße"), ("outcome", "harm"), ("page", "3")])


def test_what_cannot_be_a_name_is_refused(node: Node) -> None:
    with node.database.write() as session:
        for name in ("", "  ", "a" * 61, "turned\u202eround", "no\x00thing"):
            with pytest.raises(ViewError, match="1 to 60"):
                saved_views.save(session, "anna", name, HARM, shared=False, now=node.clock())
        first = saved_views.save(session, "anna", " Harm  first\r\n", HARM, shared=False, now=node.clock())
        assert first.name == "Harm first"
        with pytest.raises(ViewError, match="none of your views has"):
            saved_views.save(session, "anna", "Harm first", Wanted(), shared=False, now=node.clock())
        saved_views.save(session, "ben", "Harm first", Wanted(), shared=False, now=node.clock())


def test_a_view_keeps_its_filters_and_forgets_the_page(node: Node) -> None:
    with node.database.write() as session:
        view = saved_views.save(session, "anna", "Harm", HARM, shared=False, now=node.clock())
        (found,) = saved_views.list_views(session, "anna")
    assert view == found
    assert found.query == "q=schule+%26+stra%C3%9Fe&outcome=harm"
    assert found.wanted == parse_wanted([pair for pair in HARM.pairs() if pair[0] != "page"])


def test_a_view_of_others_is_as_if_it_were_not_there(node: Node) -> None:
    now = node.clock()
    with node.database.write() as session:
        own = saved_views.save(session, "anna", "Own", HARM, shared=False, now=now)
        shared = saved_views.save(session, "anna", "Shared", HARM, shared=True, now=now)
        assert [view.id for view in saved_views.list_views(session, "ben")] == [shared.id]
        words = set()
        for view in (own.id, 99):
            with pytest.raises(ViewError) as error:
                saved_views.get(session, "ben", view)
            words.add((error.value.message, error.value.code))
        assert len(words) == 1
        for view in (own.id, shared.id, 99):  # a shared one may be read, and changed by its owner alone
            with pytest.raises(ViewError, match="a view of yours"):
                saved_views.rename(session, "ben", view, "Mine", shared=True, now=now)
            with pytest.raises(ViewError, match="a view of yours"):
                saved_views.renew_token(session, "ben", view, now)
            with pytest.raises(ViewError, match="a view of yours"):
                saved_views.remove(session, "ben", view, now)
        assert [view.name for view in saved_views.list_views(session, "anna")] == ["Own", "Shared"]


def test_a_new_secret_ends_the_old_address(node: Node) -> None:
    with node.database.write() as session:
        view = saved_views.save(session, "anna", "Harm", HARM, shared=False, now=node.clock())
        saved_views.renew_token(session, "anna", view.id, node.clock())
        assert saved_views.find_by_token(session, view.feed_token) is None
        renewed = saved_views.get(session, "anna", view.id)
        assert saved_views.find_by_token(session, renewed.feed_token) == renewed
        saved_views.remove(session, "anna", view.id, node.clock())
        assert saved_views.find_by_token(session, renewed.feed_token) is None
    with node.database.read() as session:
        actions = [event.action for event in audit.list_events(session) if event.action.startswith("view")]
    assert actions == ["view.removed", "view.token-renewed", "view.saved"]
    assert verbs.run(node, "audit.verify", {})


def test_a_person_has_so_many_views_and_no_more(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MAX_VIEWS", 2)
    with node.database.write() as session:
        for name in ("One", "Two"):
            saved_views.save(session, "anna", name, HARM, shared=False, now=node.clock())
        with pytest.raises(ViewError, match="at most 2"):
            saved_views.save(session, "anna", "Three", HARM, shared=False, now=node.clock())


def test_what_was_seen_of_a_view_only_rises(node: Node) -> None:
    with node.database.write() as session:
        view = saved_views.save(session, "anna", "Harm", HARM, shared=True, now=node.clock())
        for up_to in (7, 3):
            saved_views.mark_seen(session, "anna", view.id, up_to)
        assert saved_views.seen_up_to(session, "anna", [view]) == {view.id: 7}
        assert saved_views.seen_up_to(session, "ben", [view]) == {view.id: 0}
