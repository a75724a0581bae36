"""The directory: no authority but what follows from the root, and no key that counts beyond its end.

What is refused comes first; `place` counts the entries of the log.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from shared_schema.directory import Directory, KeyState, verify_with
from shared_schema.envelope import parse_envelope
from shared_schema.errors import VerificationError
from shared_schema.governance import MembershipBody
from shared_schema.keys import Member, MemberRole, MemberStatus, SigningKey
from shared_schema.problem import ProblemCode
from shared_schema.rotation import SignedRotation
from tests.shared_schema.builders import (
    CITY,
    CITY_KEY,
    HUB,
    HUB_KEY,
    NOW,
    OTHER_KEY,
    membership_body,
    rotation,
    signed_statement,
)

PLACES = count()
THIRD_KEY = SigningKey.from_seed(b"thrd" * 8)

NATION, NATION_KEY = "deutschland.de", SigningKey.from_seed(b"nati" * 8)
REGION = Member(HUB, MemberRole.HUB, HUB_KEY.public, MemberStatus.ACTIVE, vouched_by="")
NODE = Member(CITY, MemberRole.NODE, CITY_KEY.public, MemberStatus.ACTIVE, vouched_by="")


@pytest.fixture
def directory() -> Directory:
    """A nation as root, one region below it, one city below that."""
    directory = Directory(NATION, NATION_KEY.public)
    assert directory.apply(position=next(PLACES), signer=NATION, member=REGION)
    assert directory.apply(position=next(PLACES), signer=HUB, member=NODE)
    return directory


def test_a_stranger_vouches_for_nobody(directory: Directory) -> None:
    before = directory.members()
    with pytest.raises(VerificationError, match="signed by an active hub"):
        directory.apply(
            position=next(PLACES),
            signer="stranger.example.org",
            member=replace(NODE, name="halle.st.de", key=OTHER_KEY.public),
        )
    assert directory.members() == before


def test_a_node_vouches_for_nobody(directory: Directory) -> None:
    with pytest.raises(VerificationError, match="signed by an active hub"):
        directory.apply(
            position=next(PLACES), signer=CITY, member=replace(NODE, name="halle.st.de", key=OTHER_KEY.public)
        )


@pytest.mark.parametrize("status", [MemberStatus.REVOKED, MemberStatus.SUSPENDED, MemberStatus.LEFT])
def test_a_hub_that_is_not_active_vouches_for_nobody(directory: Directory, status: MemberStatus) -> None:
    assert directory.apply(position=next(PLACES), signer=NATION, member=replace(REGION, status=status))
    with pytest.raises(VerificationError, match="signed by an active hub"):
        directory.apply(
            position=next(PLACES), signer=HUB, member=replace(NODE, name="halle.st.de", key=OTHER_KEY.public)
        )


def test_nobody_speaks_about_a_name_that_another_hub_has_vouched_for(directory: Directory) -> None:
    with pytest.raises(VerificationError, match="no other hub") as caught:
        directory.apply(position=next(PLACES), signer=NATION, member=replace(NODE, key=OTHER_KEY.public))
    assert caught.value.code is ProblemCode.NAME_TAKEN
    assert directory.find(CITY) == replace(NODE, vouched_by=HUB)


def test_another_hub_that_says_the_same_key_changes_nothing(directory: Directory) -> None:
    assert not directory.apply(position=next(PLACES), signer=NATION, member=replace(NODE, status=MemberStatus.REVOKED))
    assert directory.find(CITY) == replace(NODE, vouched_by=HUB)


def test_nobody_speaks_about_itself_or_about_the_root(directory: Directory) -> None:
    assert not directory.apply(position=next(PLACES), signer=HUB, member=replace(REGION, key=OTHER_KEY.public))
    assert not directory.apply(
        position=next(PLACES), signer=HUB, member=replace(REGION, name=NATION, key=OTHER_KEY.public)
    )
    found = directory.find(NATION)
    assert found is not None
    assert found.key == NATION_KEY.public
    assert directory.find(HUB) == replace(REGION, vouched_by=NATION)


def test_a_hub_says_who_runs_it_and_the_hub_above_may_say_it_too(directory: Directory) -> None:
    """The root about itself, because nobody stands above it here; of any other hub the one that vouches for it."""
    root = Member(NATION, MemberRole.HUB, NATION_KEY.public, MemberStatus.ACTIVE, vouched_by="", operator="Bund")
    assert directory.apply(position=next(PLACES), signer=NATION, member=root)
    assert not directory.apply(position=next(PLACES), signer=NATION, member=root)
    assert directory.apply(position=next(PLACES), signer=NATION, member=replace(REGION, operator="Freistaat"))
    suspended = replace(REGION, status=MemberStatus.SUSPENDED)
    assert directory.apply(position=next(PLACES), signer=NATION, member=suspended)  # says nothing about it
    found = {member.name: member.operator for member in directory.members()}
    assert found == {NATION: "Bund", HUB: "Freistaat", CITY: None}


def test_nobody_else_says_who_runs_the_root_or_oneself(directory: Directory) -> None:
    root = Member(NATION, MemberRole.PARENT, NATION_KEY.public, MemberStatus.ACTIVE, vouched_by="", operator="Bund")
    assert not directory.apply(position=next(PLACES), signer=HUB, member=root)
    assert not directory.apply(position=next(PLACES), signer=HUB, member=replace(REGION, operator="Freistaat"))
    assert not any(member.operator for member in directory.members())


def test_the_operator_of_the_root_outlives_its_key(directory: Directory) -> None:
    root = Member(NATION, MemberRole.HUB, NATION_KEY.public, MemberStatus.ACTIVE, vouched_by="", operator="Bund")
    directory.apply(position=next(PLACES), signer=NATION, member=root)
    proof = rotation(name=NATION, old=NATION_KEY, new=THIRD_KEY)
    next_key = replace(root, key=THIRD_KEY.public, operator=None)
    assert directory.apply(position=next(PLACES), signer=NATION, member=next_key, rotation=proof)
    found = directory.find(NATION)
    assert found is not None and (found.key, found.operator) == (THIRD_KEY.public, "Bund")


def test_a_key_belongs_to_one_member(directory: Directory) -> None:
    with pytest.raises(VerificationError, match="no other member uses") as caught:
        directory.apply(position=next(PLACES), signer=HUB, member=replace(NODE, name="halle.st.de"))
    assert caught.value.code is ProblemCode.NAME_TAKEN
    assert directory.find("halle.st.de") is None


def test_the_same_word_twice_changes_nothing(directory: Directory) -> None:
    assert not directory.apply(position=next(PLACES), signer=HUB, member=NODE)


def test_a_rotated_key_takes_the_place_of_the_old_one(directory: Directory) -> None:
    assert directory.apply(position=next(PLACES), signer=HUB, member=replace(NODE, key=OTHER_KEY.public))
    assert [known.key for known in directory.keys_of(CITY)] == [CITY_KEY.public, OTHER_KEY.public]
    member = directory.find(CITY)
    assert member is not None
    assert member.key == OTHER_KEY.public


def test_a_revoked_key_stays_known_so_that_nobody_else_takes_it(directory: Directory) -> None:
    directory.apply(position=next(PLACES), signer=HUB, member=replace(NODE, status=MemberStatus.REVOKED))
    with pytest.raises(VerificationError):
        directory.apply(position=next(PLACES), signer=HUB, member=replace(NODE, name="halle.st.de"))
    assert [member.name for member in directory.members()] == [NATION, HUB, CITY]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": MemberStatus.SUSPENDED}, ProblemCode.MEMBER_NOT_ACTIVE),
        ({"status": MemberStatus.REVOKED}, ProblemCode.KEY_NOT_VALID),
        ({"status": MemberStatus.LEFT}, ProblemCode.KEY_NOT_VALID),
        ({"not_before": NOW + timedelta(seconds=1)}, ProblemCode.KEY_NOT_VALID),
        ({"not_after": NOW}, ProblemCode.KEY_NOT_VALID),
    ],
)
def test_a_member_out_of_force_may_not_sign(changes: dict[str, object], code: ProblemCode) -> None:
    with pytest.raises(VerificationError) as caught:
        replace(NODE, **changes).check_may_sign(NOW)  # type: ignore[arg-type]
    assert caught.value.code is code


def test_a_member_may_sign_from_its_first_second_to_its_last() -> None:
    replace(NODE, not_before=NOW, not_after=NOW + timedelta(seconds=1)).check_may_sign(NOW)


@pytest.mark.parametrize("status", [MemberStatus.REVOKED, MemberStatus.LEFT])
def test_a_key_that_has_ended_never_comes_back(directory: Directory, status: MemberStatus) -> None:
    assert directory.apply(position=next(PLACES), signer=HUB, member=replace(NODE, status=status))
    for changed in (NODE, replace(NODE, status=MemberStatus.SUSPENDED)):
        with pytest.raises(VerificationError, match="never revoked") as caught:
            directory.apply(position=next(PLACES), signer=HUB, member=changed)
        assert caught.value.code is ProblemCode.KEY_NOT_VALID
    assert directory.apply(position=next(PLACES), signer=HUB, member=replace(NODE, key=OTHER_KEY.public))
    with pytest.raises(VerificationError, match="never revoked"):
        directory.apply(position=next(PLACES), signer=HUB, member=NODE)


# --- keys with a history -------------------------------------------------------------------------------------------


def say(directory: Directory, place: int, *, by: str = HUB, rotated: SignedRotation | None = None,
        until: datetime | None = None, revoked: Sequence[str] = (), member: Member = NODE,
        **changes: object) -> bool:  # fmt: skip
    """What a hub says of a member at a place of the log."""
    return directory.apply(
        signer=by,
        member=replace(member, **changes),  # type: ignore[arg-type]
        position=place,
        rotation=rotated,
        former_until=until,
        revoked_keys=revoked,
    )


def refusal(
    directory: Directory, key: SigningKey, place: int | None = None, *, at: datetime = NOW, at_home: bool = False
) -> ProblemCode | None:
    """Why what `key` signs at a place is refused; None when it is taken."""
    known = directory.find_key(key.public.keyid)
    assert known is not None
    try:
        directory.check_may_sign(known, at, position=place, at_home=at_home)
    except VerificationError as error:
        return error.code
    return None


def states(directory: Directory, name: str = CITY) -> list[tuple[KeyState, int | None]]:
    return [(known.state, known.ended_at) for known in directory.keys_of(name)]


@pytest.mark.parametrize(
    ("old", "new", "name", "says"),
    [
        (OTHER_KEY, THIRD_KEY, CITY, THIRD_KEY),
        (CITY_KEY, OTHER_KEY, CITY, THIRD_KEY),
        (CITY_KEY, OTHER_KEY, "halle.st.de", OTHER_KEY),
    ],
    ids=["of another key", "to another key", "of another member"],
)
def test_a_hub_cannot_swap_a_key_with_a_rotation_that_does_not_lead_there(
    directory: Directory, old: SigningKey, new: SigningKey, name: str, says: SigningKey
) -> None:
    with pytest.raises(VerificationError):
        say(directory, 5, key=says.public, rotated=rotation(old, new, name=name))
    member = directory.find(CITY)
    assert member is not None and member.key == CITY_KEY.public
    assert states(directory) == [(KeyState.CURRENT, None)]


def test_a_rotation_whose_signature_was_made_by_the_hub_is_refused(directory: Directory) -> None:
    signed = rotation(CITY_KEY, OTHER_KEY)
    forged = {keyid: HUB_KEY.sign(b"x") for keyid, _ in signed.signatures}
    with pytest.raises(VerificationError):
        say(directory, 5, key=OTHER_KEY.public, rotated=replace(signed, signatures=tuple(forged.items())))
    assert refusal(directory, CITY_KEY, 9) is None


def test_a_key_that_has_ended_cannot_be_rotated(directory: Directory) -> None:
    say(directory, 5, status=MemberStatus.REVOKED)
    with pytest.raises(VerificationError, match="that counts"):
        say(directory, 6, key=OTHER_KEY.public, rotated=rotation(CITY_KEY, OTHER_KEY))


def test_a_rotated_key_counts_everywhere_and_at_home_until_its_day(directory: Directory) -> None:
    until = NOW + timedelta(days=30)
    assert say(directory, 5, key=OTHER_KEY.public, rotated=rotation(CITY_KEY, OTHER_KEY), until=until)
    assert states(directory) == [(KeyState.ROTATED, None), (KeyState.CURRENT, None)]
    assert refusal(directory, CITY_KEY, at=until - timedelta(seconds=1), at_home=True) is None
    assert refusal(directory, CITY_KEY, at=until, at_home=True) is ProblemCode.KEY_NOT_VALID
    assert refusal(directory, CITY_KEY, 99, at=until + timedelta(days=900)) is None
    assert refusal(directory, OTHER_KEY, at=until, at_home=True) is None


def test_a_rotated_key_does_not_come_back(directory: Directory) -> None:
    say(directory, 5, key=OTHER_KEY.public, rotated=rotation(CITY_KEY, OTHER_KEY))
    with pytest.raises(VerificationError, match="given up") as caught:
        say(directory, 6, key=CITY_KEY.public, rotated=rotation(OTHER_KEY, CITY_KEY))
    assert caught.value.code is ProblemCode.KEY_NOT_VALID


@pytest.mark.parametrize("former", [KeyState.ROTATED, KeyState.REPLACED])
def test_nobody_else_takes_a_former_key(directory: Directory, former: KeyState) -> None:
    say(directory, 5, key=OTHER_KEY.public,
        rotated=rotation(CITY_KEY, OTHER_KEY) if former is KeyState.ROTATED else None)  # fmt: skip
    with pytest.raises(VerificationError, match="no other member uses"):
        say(directory, 6, name="halle.st.de")


def test_a_key_that_was_lost_ends_where_the_new_one_begins(directory: Directory) -> None:
    assert say(directory, 5, key=OTHER_KEY.public)
    assert states(directory) == [(KeyState.REPLACED, 5), (KeyState.CURRENT, None)]
    assert [refusal(directory, CITY_KEY, place) for place in (4, 5, 6, None)] == [
        None, ProblemCode.KEY_NOT_VALID, ProblemCode.KEY_NOT_VALID, ProblemCode.KEY_NOT_VALID,
    ]  # fmt: skip


def test_a_revoked_member_comes_back_with_a_new_key_and_never_with_the_old_one(directory: Directory) -> None:
    say(directory, 5, status=MemberStatus.REVOKED)
    assert say(directory, 7, key=OTHER_KEY.public)
    assert states(directory) == [(KeyState.REVOKED, 5), (KeyState.CURRENT, None)]
    assert (refusal(directory, CITY_KEY, 4), refusal(directory, CITY_KEY, 8)) == (None, ProblemCode.KEY_NOT_VALID)
    assert refusal(directory, OTHER_KEY, 8) is None


def test_whatever_ends_a_member_ends_its_rotated_keys_too(directory: Directory) -> None:
    say(directory, 5, key=OTHER_KEY.public, rotated=rotation(CITY_KEY, OTHER_KEY))
    say(directory, 7, key=OTHER_KEY.public, status=MemberStatus.REVOKED)
    assert states(directory) == [(KeyState.REVOKED, 7), (KeyState.REVOKED, 7)]


def test_one_rotated_key_is_revoked_and_the_member_goes_on(directory: Directory) -> None:
    say(directory, 5, key=OTHER_KEY.public, rotated=rotation(CITY_KEY, OTHER_KEY))
    assert say(directory, 8, key=OTHER_KEY.public, revoked=[CITY_KEY.public.keyid])
    assert states(directory) == [(KeyState.REVOKED, 8), (KeyState.CURRENT, None)]
    assert (refusal(directory, CITY_KEY, 7), refusal(directory, CITY_KEY, 9)) == (None, ProblemCode.KEY_NOT_VALID)
    assert not say(directory, 9, key=OTHER_KEY.public, revoked=[CITY_KEY.public.keyid])


def test_a_hub_revokes_no_key_of_somebody_else(directory: Directory) -> None:
    say(directory, 4, name="halle.st.de", key=OTHER_KEY.public)
    assert not say(directory, 5, revoked=[OTHER_KEY.public.keyid, "ab" * 32])
    assert refusal(directory, OTHER_KEY) is None


def test_a_suspended_member_and_everybody_below_wait_and_nothing_of_them_has_ended(directory: Directory) -> None:
    say(directory, 5, by=NATION, member=REGION, status=MemberStatus.SUSPENDED)
    assert refusal(directory, CITY_KEY, 6) is ProblemCode.MEMBER_NOT_ACTIVE
    assert states(directory) == [(KeyState.CURRENT, None)]
    say(directory, 7, by=NATION, member=REGION)
    assert refusal(directory, CITY_KEY, 6) is None


@pytest.mark.parametrize("status", [MemberStatus.REVOKED, MemberStatus.LEFT])
def test_whom_a_hub_has_vouched_for_counts_no_longer_than_the_hub(directory: Directory, status: MemberStatus) -> None:
    say(directory, 5, by=NATION, member=REGION, status=status)
    assert states(directory) == [(KeyState.CUT_OFF, 5)]
    assert (refusal(directory, CITY_KEY, 4), refusal(directory, CITY_KEY, 6)) == (None, ProblemCode.KEY_NOT_VALID)


def test_a_city_whose_hub_is_gone_or_which_has_left_goes_to_another_hub_with_a_new_key(directory: Directory) -> None:
    other = replace(REGION, name="nrw.de", key=THIRD_KEY.public)
    say(directory, 4, by=NATION, member=other)
    assert not directory.is_free(CITY)
    with pytest.raises(VerificationError, match="no other hub"):
        say(directory, 5, by="nrw.de", key=OTHER_KEY.public)
    say(directory, 6, status=MemberStatus.LEFT)
    with pytest.raises(VerificationError, match="given up"):
        say(directory, 7, by="nrw.de")
    assert say(directory, 8, by="nrw.de", key=OTHER_KEY.public)
    assert directory.find(CITY) == replace(NODE, key=OTHER_KEY.public, vouched_by="nrw.de")


def test_a_city_two_levels_below_a_hub_that_is_gone_goes_to_another_hub(directory: Directory) -> None:
    district = Member("bezirk.sn.de", MemberRole.HUB, THIRD_KEY.public, MemberStatus.ACTIVE, vouched_by="")
    say(directory, 4, member=district)
    city = replace(NODE, name="halle.st.de", key=SigningKey.from_seed(b"hall" * 8).public)
    say(directory, 5, by="bezirk.sn.de", member=city)
    assert not directory.is_free("halle.st.de")
    say(directory, 6, by=NATION, member=REGION, status=MemberStatus.REVOKED)
    assert states(directory, "halle.st.de") == [(KeyState.CUT_OFF, 6)]
    say(directory, 7, by=NATION, member=replace(REGION, name="nrw.de", key=OTHER_KEY.public))
    fresh = SigningKey.from_seed(b"frsh" * 8).public
    assert say(directory, 8, by="nrw.de", member=city, key=fresh)
    assert directory.find("halle.st.de") == replace(city, key=fresh, vouched_by="nrw.de")


def test_a_name_that_was_revoked_belongs_to_the_hub_that_revoked_it(directory: Directory) -> None:
    say(directory, 4, by=NATION, member=replace(REGION, name="nrw.de", key=THIRD_KEY.public))
    say(directory, 5, status=MemberStatus.REVOKED)
    with pytest.raises(VerificationError, match="no other hub"):
        say(directory, 6, by="nrw.de", key=OTHER_KEY.public)


def test_the_root_announces_its_own_next_key_and_both_count(directory: Directory) -> None:
    root = Member(NATION, MemberRole.HUB, OTHER_KEY.public, MemberStatus.ACTIVE, vouched_by="")
    assert not say(directory, 4, by=NATION, member=root)  # without its old key's word
    with pytest.raises(VerificationError):
        say(directory, 5, by=NATION, member=root, rotated=rotation(THIRD_KEY, OTHER_KEY, name=NATION))
    assert say(directory, 6, by=NATION, member=root, rotated=rotation(NATION_KEY, OTHER_KEY, name=NATION))
    assert states(directory, NATION) == [(KeyState.ROTATED, None), (KeyState.CURRENT, None)]
    assert (refusal(directory, NATION_KEY), refusal(directory, OTHER_KEY)) == (None, None)


def test_a_copy_learns_alone(directory: Directory) -> None:
    other = directory.copy()
    say(other, 5, status=MemberStatus.REVOKED)
    assert (refusal(directory, CITY_KEY), refusal(other, CITY_KEY)) == (None, ProblemCode.KEY_NOT_VALID)


def test_an_older_word_that_comes_later_changes_nothing(directory: Directory) -> None:
    suspended = MembershipBody.from_object(membership_body(status="suspended"))
    assert directory.learn(suspended, signer=HUB, seq=9, position=5)
    assert not directory.learn(MembershipBody.from_object(membership_body()), signer=HUB, seq=8, position=6)
    assert refusal(directory, CITY_KEY) is ProblemCode.MEMBER_NOT_ACTIVE


def test_a_statement_without_a_key_id_is_verified_with_any_key_that_its_member_had(directory: Directory) -> None:
    say(directory, 5, key=OTHER_KEY.public, rotated=rotation(CITY_KEY, OTHER_KEY))
    for key in (CITY_KEY, OTHER_KEY):
        envelope = replace(parse_envelope(signed_statement(key=key)), keyid="")
        assert verify_with(envelope, directory.keys_of(CITY))[1].key == key.public
    with pytest.raises(VerificationError) as caught:
        verify_with(replace(parse_envelope(signed_statement(key=HUB_KEY)), keyid=""), directory.keys_of(CITY))
    assert caught.value.code is ProblemCode.BAD_SIGNATURE
