"""Nothing is believed that its origin has not signed, in a role and with a key that the directory knows."""

import base64
from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from local_node.trust import Trust
from shared_schema.checkpoint import NoteVerifier
from shared_schema.envelope import Envelope
from shared_schema.errors import ContractError
from shared_schema.governance import MembershipBody
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.names import format_time
from shared_schema.pins import Pin
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience, Kind, Statement
from tests.hub_simulator import SAXONY, Author, MovableClock, practice_body, seeded_key

PLACES = count()
"""Every step stands at the end of the log."""


@pytest.fixture
def saxony(clock: MovableClock) -> Author:
    return Author("sachsen.de", seeded_key("sachsen.de"), clock)


@pytest.fixture
def dresden(clock: MovableClock) -> Author:
    return Author("dresden.sn.de", seeded_key("dresden.sn.de"), clock)


@pytest.fixture
def trust(saxony: Author) -> Trust:
    return Trust(Pin(NoteVerifier(saxony.name, saxony.key.public)))


def vouch(
    trust: Trust,
    signer: Author,
    member: Author,
    *,
    role: MemberRole = MemberRole.NODE,
    status: MemberStatus = MemberStatus.ACTIVE,
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> Statement:
    """A membership statement that the trust has verified and learned."""
    body = MembershipBody(
        member=member.name,
        role=role,
        key=base64.b64encode(member.key.public.raw).decode(),
        status=status,
        area=SAXONY,
        not_before=format_time(not_before) if not_before else None,
        not_after=format_time(not_after) if not_after else None,
    )
    envelope = signer.sign(Kind.MEMBERSHIP, body, Audience.EUROPE)
    verified = trust.verify(envelope, audience=Audience.EUROPE, logged_at=signer.clock(), position=next(PLACES))
    trust.learn(verified.statement, position=next(PLACES))
    return verified.statement


def refusal(trust: Trust, envelope: Envelope, now: datetime, audience: Audience = Audience.EUROPE) -> ProblemCode:
    with pytest.raises(ContractError) as caught:
        trust.verify(envelope, audience=audience, logged_at=now, position=next(PLACES))
    return caught.value.code


def test_a_member_s_practice_is_believed(trust: Trust, saxony: Author, dresden: Author) -> None:
    vouch(trust, saxony, dresden)
    envelope = dresden.practice()
    verified = trust.verify(envelope, audience=Audience.EUROPE, logged_at=dresden.clock(), position=next(PLACES))
    assert verified.digest == envelope.digest


def test_a_key_that_nobody_vouched_for_is_not_believed(trust: Trust, dresden: Author) -> None:
    assert refusal(trust, dresden.practice(), dresden.clock()) is ProblemCode.UNKNOWN_KEY


def test_a_changed_payload_is_not_believed(trust: Trust, saxony: Author, dresden: Author) -> None:
    vouch(trust, saxony, dresden)
    envelope = dresden.practice()
    changed = replace(envelope, payload=envelope.payload.replace(b"Open evenings", b"Shut evenings"))
    assert refusal(trust, changed, dresden.clock()) is ProblemCode.BAD_SIGNATURE


def test_a_city_that_signs_in_another_city_s_name_is_not_believed(
    trust: Trust, saxony: Author, dresden: Author, clock: MovableClock
) -> None:
    chemnitz = Author("chemnitz.sn.de", seeded_key("chemnitz.sn.de"), clock)
    vouch(trust, saxony, dresden)
    vouch(trust, saxony, chemnitz)
    forged = chemnitz.sign(Kind.PRACTICE, practice_body(), Audience.EUROPE, origin="dresden.sn.de")
    assert refusal(trust, forged, clock()) is ProblemCode.WRONG_ORIGIN


def test_a_city_cannot_speak_as_a_hub(trust: Trust, saxony: Author, dresden: Author) -> None:
    vouch(trust, saxony, dresden)
    with pytest.raises(ContractError) as caught:
        vouch(trust, dresden, Author("fake.sn.de", seeded_key("fake"), dresden.clock))
    assert caught.value.code is ProblemCode.KIND_NOT_ALLOWED


def test_a_hub_cannot_speak_as_a_city(trust: Trust, saxony: Author) -> None:
    assert refusal(trust, saxony.practice(), saxony.clock()) is ProblemCode.KIND_NOT_ALLOWED


def test_an_entry_that_names_another_audience_is_not_believed(trust: Trust, saxony: Author, dresden: Author) -> None:
    vouch(trust, saxony, dresden)
    assert refusal(trust, dresden.practice(), dresden.clock(), Audience.REGION) is ProblemCode.FEED_ENTRY


def test_after_a_revocation_in_the_log_the_key_is_not_believed(trust: Trust, saxony: Author, dresden: Author) -> None:
    vouch(trust, saxony, dresden)
    vouch(trust, saxony, dresden, status=MemberStatus.REVOKED)
    assert refusal(trust, dresden.practice(), dresden.clock()) is ProblemCode.KEY_NOT_VALID


def test_an_older_word_that_arrives_later_does_not_undo_a_revocation(
    trust: Trust, saxony: Author, dresden: Author
) -> None:
    admitted = vouch(trust, saxony, dresden)
    vouch(trust, saxony, dresden, status=MemberStatus.REVOKED)
    assert trust.learn(admitted, position=next(PLACES)) is False
    assert refusal(trust, dresden.practice(), dresden.clock()) is ProblemCode.KEY_NOT_VALID


def test_a_key_is_believed_only_for_what_was_logged_while_it_was_in_force(
    trust: Trust, saxony: Author, dresden: Author, clock: MovableClock
) -> None:
    start = clock()
    vouch(trust, saxony, dresden, not_before=start)
    clock.advance(days=1)
    vouch(trust, saxony, dresden, not_before=start, not_after=clock())
    envelope = dresden.practice()
    assert refusal(trust, envelope, clock()) is ProblemCode.KEY_NOT_VALID
    assert trust.verify(envelope, audience=Audience.EUROPE, logged_at=start, position=next(PLACES))


def test_members_of_the_hub_above_are_reached_from_the_pinned_key_outwards(
    trust: Trust, saxony: Author, clock: MovableClock
) -> None:
    nation = Author("germany.de", seeded_key("germany.de"), clock)
    nrw = Author("nrw.de", seeded_key("nrw.de"), clock)
    koeln = Author("koeln.nw.de", seeded_key("koeln.nw.de"), clock)
    vouch(trust, saxony, nation, role=MemberRole.PARENT)
    vouch(trust, nation, nrw, role=MemberRole.HUB)
    vouch(trust, nrw, koeln)
    assert trust.verify(koeln.practice(), audience=Audience.EUROPE, logged_at=clock(), position=next(PLACES))


def test_no_hub_can_take_a_name_that_another_hub_has_vouched_for(
    trust: Trust, saxony: Author, dresden: Author, clock: MovableClock
) -> None:
    nation = Author("germany.de", seeded_key("germany.de"), clock)
    impostor = Author(dresden.name, seeded_key("impostor"), clock)
    vouch(trust, saxony, dresden)
    vouch(trust, saxony, nation, role=MemberRole.PARENT)
    with pytest.raises(ContractError) as caught:
        vouch(trust, nation, impostor)
    assert caught.value.code is ProblemCode.NAME_TAKEN
    assert refusal(trust, impostor.practice(), clock()) is ProblemCode.UNKNOWN_KEY


def test_the_key_id_is_only_a_hint(trust: Trust, saxony: Author, dresden: Author) -> None:
    vouch(trust, saxony, dresden)
    envelope = replace(dresden.practice(), keyid="")
    assert trust.verify(envelope, audience=Audience.EUROPE, logged_at=dresden.clock(), position=next(PLACES))
