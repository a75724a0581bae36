"""Drafts belong to somebody, lose nothing when two windows write, and end when their text is signed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from local_node import audit, draft_store
from local_node.drafting import (
    Draft,
    DraftStaleError,
    DraftState,
    DraftStateError,
    DraftUnknownError,
    Writer,
    check_may_ask,
)
from local_node.orm import AgencyRow, PersonRow
from local_node.review import Role
from shared_schema.errors import ProgramError
from shared_schema.service.database import Database
from shared_schema.statement import Audience, Kind

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ANNA = Writer("anna", Role.COORDINATOR)
CARL = Writer("carl", Role.COORDINATOR)
BEN = Writer("ben", Role.REVIEWER)
PIA = Writer("pia", Role.PARTNER, "youth-office")
PAUL = Writer("paul", Role.PARTNER, "youth-office")
OLGA = Writer("olga", Role.PARTNER, "school-board")
FORM = "form-key-of-somebody"


@pytest.fixture
def session(node_database: Database) -> Iterator[Session]:
    with node_database.write() as opened:
        for agency in ("youth-office", "school-board"):
            opened.add(AgencyRow(id=agency, name=agency, kinds='{"codes":[]}', roles='{"codes":[]}', added_at=NOW))
        for writer in (ANNA, CARL, BEN, PIA, PAUL, OLGA):
            opened.add(PersonRow(id=writer.id, role=writer.role.value))
        opened.flush()
        yield opened


def begin(session: Session, writer: Writer = ANNA, form_key: str = FORM, title: str = "Open evenings") -> Draft:
    return draft_store.begin(
        session,
        form_key=form_key,
        kind=Kind.PRACTICE,
        fields={"title": title},
        audience=Audience.EUROPE,
        writer=writer,
        now=NOW,
    )


def save(session: Session, draft: Draft, version: int, title: str, writer: Writer = ANNA) -> Draft:
    later = NOW + timedelta(minutes=5)
    return draft_store.save(session, draft, version, {"title": title}, draft.audience, writer, later)


def actions(session: Session) -> list[str]:
    return [f"{event.actor} {event.action}" for event in reversed(audit.list_events(session))]


# --- whose it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [CARL, BEN, PIA, OLGA], ids=lambda writer: writer.id)
def test_somebody_elses_draft_is_told_as_one_that_never_was(session: Session, other: Writer) -> None:
    draft = begin(session)
    with pytest.raises(DraftUnknownError) as caught:
        draft_store.get(session, draft.id, other)
    with pytest.raises(DraftUnknownError) as never:
        draft_store.get(session, "d99", other)
    assert caught.value.message == never.value.message
    assert draft_store.list_for(session, other) == ()


def test_an_agencys_draft_is_its_own_and_of_no_other_agency(session: Session) -> None:
    draft = begin(session, PIA)
    assert draft_store.get(session, draft.id, PAUL).fields == {"title": "Open evenings"}
    for other in (OLGA, ANNA, BEN, Writer("pia", Role.PARTNER, "school-board")):
        with pytest.raises(DraftUnknownError):
            draft_store.get(session, draft.id, other)


def test_who_does_not_write_begins_nothing(session: Session) -> None:
    for writer in (BEN, Writer("rita", Role.READER), Writer("ada", Role.ADMINISTRATOR)):
        with pytest.raises(DraftStateError):
            begin(session, writer)
    assert draft_store.list_all(session) == ()


@pytest.mark.parametrize("form_key", ["", "short", "x" * 65, "../../../../etc/passwd", "sixteen letters…"])
def test_a_form_that_was_not_shown_begins_nothing(session: Session, form_key: str) -> None:
    with pytest.raises(DraftStateError):
        begin(session, form_key=form_key)


def test_a_form_that_is_sent_twice_begins_one_draft(session: Session) -> None:
    assert begin(session).id == begin(session).id
    assert len(draft_store.list_all(session)) == 1
    assert actions(session) == ["anna draft.begun"]
    with pytest.raises(DraftUnknownError):
        begin(session, CARL)


# --- two windows -----------------------------------------------------------------------------------------------------


def test_the_second_of_two_windows_changes_nothing(session: Session) -> None:
    draft = begin(session)
    first = save(session, draft, 1, "from the first window")
    with pytest.raises(DraftStaleError):
        save(session, draft_store.get(session, draft.id, ANNA), 1, "from the second window")
    assert draft_store.get(session, draft.id, ANNA) == first
    assert (first.version, first.fields) == (2, {"title": "from the first window"})


def test_the_same_text_once_more_is_no_change_whatever_the_form_knew(session: Session) -> None:
    draft = save(session, begin(session), 1, "twice")
    assert save(session, draft, 1, "twice").version == 2


def test_many_saves_are_one_line_of_the_audit_log_for_every_writer(session: Session) -> None:
    draft = begin(session, PIA)
    for number in range(1, 6):
        draft = save(session, draft, number, f"version {number}", PIA)
    draft = save(session, draft, 6, "a colleague's", PAUL)
    assert draft.writers == ("pia", "paul")
    assert actions(session) == ["pia draft.begun", "paul draft.written"]


# --- from hand to hand -----------------------------------------------------------------------------------------------


def test_a_draft_goes_to_the_coordinators_and_back(session: Session) -> None:
    draft = draft_store.hand_over(session, begin(session, PIA), 1, PIA, NOW)
    assert draft.state is DraftState.HANDED
    with pytest.raises(DraftStateError):
        save(session, draft, 2, "too late", PIA)
    draft = save(session, draft_store.get(session, draft.id, ANNA), 2, "finished by Anna", ANNA)
    back = draft_store.give_back(session, draft, 3, ANNA, NOW)
    assert (back.state, back.writers) == (DraftState.WRITING, ("pia", "anna"))
    with pytest.raises(DraftUnknownError):
        draft_store.get(session, draft.id, ANNA)
    assert save(session, back, 4, "by Pia", PIA).fields == {"title": "by Pia"}
    assert actions(session)[1:] == ["pia draft.handed-over", "anna draft.written", "anna draft.given-back"]


def test_a_draft_of_the_city_itself_is_handed_to_nobody(session: Session) -> None:
    draft = begin(session)
    for writer, error in ((ANNA, DraftStateError), (CARL, DraftUnknownError), (PIA, DraftUnknownError)):
        with pytest.raises(error):
            draft_store.hand_over(session, draft, 1, writer, NOW)
    with pytest.raises(DraftStateError):
        draft_store.give_back(session, draft, 1, ANNA, NOW)


def test_a_draft_is_handed_over_once(session: Session) -> None:
    draft = begin(session, PIA)
    draft_store.hand_over(session, draft, 1, PIA, NOW)
    with pytest.raises(DraftStaleError):
        draft_store.hand_over(session, draft, 1, PAUL, NOW)


def test_a_partner_asks_for_nothing(session: Session) -> None:
    with pytest.raises(DraftStateError, match="hand the draft over"):
        check_may_ask(begin(session, PIA), PIA)


# --- the end ---------------------------------------------------------------------------------------------------------


def test_what_is_thrown_away_is_erased_and_not_by_a_stale_form(session: Session) -> None:
    draft = save(session, begin(session), 1, "something new")
    with pytest.raises(DraftStaleError):
        draft_store.discard(session, draft, 1, ANNA, NOW)
    with pytest.raises(ProgramError):
        draft_store.discard(session, draft, 2, CARL, NOW)
    draft_store.discard(session, draft, 2, ANNA, NOW)
    assert session.execute(text("SELECT count(*) FROM drafts")).scalar() == 0
    assert session.info["forgotten"] == {"drafts"}
    assert actions(session)[-1] == "anna draft.discarded"
