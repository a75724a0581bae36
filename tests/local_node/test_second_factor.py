"""The second factor: codes that count once, in their half minute, and recovery codes for a lost telephone."""

from datetime import UTC, datetime, timedelta

import pytest

from local_node import audit
from local_node.door import second_factor
from shared_schema.service.accounts.one_time_codes import (
    address_for_telephone,
    code_at,
    encode_secret,
    find_step,
    format_recovery_codes,
    hash_recovery_code,
)
from shared_schema.service.accounts.second_factor import SecondFactorError
from shared_schema.service.database import Database
from tests.factories import NOW, add_people

SECRET = encode_secret(b"12345678901234567890")
"""The secret of the examples in RFC 6238, appendix B."""
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def secret(node_database: Database) -> str:
    """Anna's telephone has read this; it is not confirmed yet."""
    with node_database.write() as session:
        add_people(session)
        return second_factor.begin(session, "anna", NOW)


@pytest.fixture
def recovery_codes(node_database: Database, secret: str) -> tuple[str, ...]:
    with node_database.write() as session:
        return second_factor.confirm(session, "anna", code_at(secret, NOW), NOW)


def spend(database: Database, code: str, now: datetime, person: str = "anna") -> bool:
    try:
        with database.write() as session:
            second_factor.spend_code(session, person, code, now)
    except SecondFactorError as error:
        assert error.code == "second-factor-code"
        return False
    return True


@pytest.mark.parametrize(
    ("seconds", "code"), [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    """The last six of the eight digits in RFC 6238, appendix B."""
    moment = datetime.fromtimestamp(seconds, UTC)
    assert code_at(SECRET, moment) == code
    assert find_step(SECRET, code, moment, 0) == seconds // 30


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "٢٨٧٠٨٢", "287082\x00", "0" * 100_000, "\ud800"])
def test_what_is_no_code_is_wrong(typed: str) -> None:
    assert find_step(SECRET, typed, datetime.fromtimestamp(59, UTC), 0) is None


def test_a_code_counts_half_a_minute_before_and_after_its_time_and_no_longer() -> None:
    code = code_at(SECRET, NOW)
    counted = [find_step(SECRET, code, NOW + timedelta(seconds=30 * steps), 0) is not None for steps in range(-2, 3)]
    assert counted == [False, True, True, True, False]


def test_a_code_may_be_typed_with_a_space() -> None:
    code = code_at(SECRET, NOW)
    assert find_step(SECRET, f" {code[:3]} {code[3:]}", NOW, 0)


def test_the_telephone_is_told_whose_code_it_is() -> None:
    address = address_for_telephone(SECRET, "anna", "Leipzig")
    assert address.startswith("otpauth://totp/Leipzig:anna?secret=")
    assert "issuer=Leipzig" in address


def test_recovery_codes_are_written_in_groups_and_read_in_any_spelling() -> None:
    (code,) = format_recovery_codes([b"0123456789"])
    assert code == "gayt-emzu-gu3d-oobz"
    assert hash_recovery_code(" GAYT EMZU-gu3d oobz ") == hash_recovery_code(code)


def test_without_its_first_code_a_second_factor_does_not_count(node_database: Database, secret: str) -> None:
    with pytest.raises(SecondFactorError), node_database.write() as session:
        second_factor.confirm(session, "anna", "000000", NOW)
    assert not spend(node_database, code_at(secret, NOW), NOW)
    with node_database.read() as session:
        assert not second_factor.standing(session, "anna").is_on


def test_the_page_may_be_loaded_again_before_the_first_code(node_database: Database, secret: str) -> None:
    with node_database.write() as session:
        assert second_factor.begin(session, "anna", LATER) == secret
        assert second_factor.waiting_secret(session, "anna", LATER) == secret


def test_a_secret_that_was_never_confirmed_is_not_offered_an_hour_later(node_database: Database, secret: str) -> None:
    """Whoever was at the telephone's side then must not know the factor that is turned on now."""
    hour = NOW + timedelta(hours=1)
    with node_database.write() as session:
        assert second_factor.waiting_secret(session, "anna", hour) is None
        with pytest.raises(SecondFactorError):
            second_factor.confirm(session, "anna", code_at(secret, hour), hour)
        assert second_factor.begin(session, "anna", hour) != secret


def test_the_code_that_turned_it_on_does_not_sign_in_as_well(
    node_database: Database, secret: str, recovery_codes: tuple[str, ...]
) -> None:
    assert not spend(node_database, code_at(secret, NOW), NOW)
    assert spend(node_database, code_at(secret, LATER), LATER)


def test_a_code_works_once_also_within_its_window(
    node_database: Database, secret: str, recovery_codes: tuple[str, ...]
) -> None:
    code = code_at(secret, LATER)
    assert spend(node_database, code, LATER)
    assert not spend(node_database, code, LATER)
    assert not spend(node_database, code, LATER + timedelta(seconds=30))
    assert not spend(node_database, code_at(secret, LATER - timedelta(seconds=30)), LATER)  # older than the last one


def test_a_code_of_somebody_else_is_wrong(
    node_database: Database, secret: str, recovery_codes: tuple[str, ...]
) -> None:
    assert not spend(node_database, code_at(secret, LATER), LATER, person="bert")
    assert not spend(node_database, recovery_codes[0], LATER, person="bert")


def test_each_recovery_code_works_once(node_database: Database, recovery_codes: tuple[str, ...]) -> None:
    assert len(set(recovery_codes)) == 10
    assert spend(node_database, recovery_codes[3].upper(), LATER)
    assert not spend(node_database, recovery_codes[3], LATER)
    with node_database.read() as session:
        assert second_factor.standing(session, "anna").codes_left == 9


def test_new_recovery_codes_end_the_old_ones(node_database: Database, recovery_codes: tuple[str, ...]) -> None:
    with node_database.write() as session:
        new = second_factor.renew_recovery_codes(session, "anna", LATER)
    assert not spend(node_database, recovery_codes[0], LATER)
    assert spend(node_database, new[0], LATER)


def test_somebody_without_one_gets_no_recovery_codes(node_database: Database, secret: str) -> None:
    with pytest.raises(SecondFactorError), node_database.write() as session:
        second_factor.renew_recovery_codes(session, "anna", NOW)


def test_one_that_is_on_is_not_begun_or_confirmed_again(
    node_database: Database, secret: str, recovery_codes: tuple[str, ...]
) -> None:
    with node_database.write() as session:
        with pytest.raises(SecondFactorError):
            second_factor.begin(session, "anna", LATER)
        with pytest.raises(SecondFactorError):
            second_factor.confirm(session, "anna", code_at(secret, LATER), LATER)
        assert second_factor.waiting_secret(session, "anna", LATER) is None


def test_turning_it_off_takes_everything_with_it(
    node_database: Database, secret: str, recovery_codes: tuple[str, ...]
) -> None:
    with node_database.write() as session:
        second_factor.remove(session, "anna", by="anna", now=LATER)
        second_factor.remove(session, "anna", by="anna", now=LATER)
        assert second_factor.begin(session, "anna", LATER) != secret
    assert not spend(node_database, recovery_codes[0], LATER)
    with node_database.read() as session:
        events = [event.action for event in audit.list_events(session)]
    assert events == ["second-factor.off", "second-factor.on"]


def test_neither_secret_nor_codes_are_in_the_audit_log(
    node_database: Database, secret: str, recovery_codes: tuple[str, ...]
) -> None:
    assert spend(node_database, recovery_codes[0], LATER)
    with node_database.read() as session:
        log = repr(audit.list_events(session))
    for hidden in (secret, *recovery_codes):
        assert hidden not in log
