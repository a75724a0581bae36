"""What may be a password: long and not common, nothing else."""

import pytest

from shared_schema.problem import ProblemCode
from shared_schema.service import passwords
from shared_schema.service.passwords import (
    PasswordError,
    TooManyAtOnceError,
    check_password,
    hash_password,
    is_password,
)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "elevenchars",
        "x" * 129,
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "123412341234",
        "passwordpassword"[:8] + "12345678",
        "leipzig.sn.de",
        "Anna Beispiel 1",
    ],
)
def test_a_short_a_common_or_a_guessable_one_is_refused(password: str) -> None:
    with pytest.raises(PasswordError) as caught:
        check_password(password, words=("leipzig.sn.de", "anna", "Anna Beispiel"))
    assert password not in str(caught.value) or not password


@pytest.mark.parametrize(
    "password", ["late trains sing softly", "Grüße an alle Bäume", "🦀🌲🚂🎻🍋🧵🪁🥁🧊🫖🛶🪵", "a1" * 4 + "bcde fg"]
)
def test_length_is_what_counts_and_no_rule_about_signs(password: str) -> None:
    check_password(password)


def test_the_same_text_from_another_keyboard_is_the_same_password() -> None:
    composed, decomposed = "Grüße an alle Bäume", "Gru\u0308ße an alle Ba\u0308ume"
    assert is_password(hash_password(composed), decomposed)


def test_a_wrong_one_is_wrong_and_nobody_has_none() -> None:
    stored = hash_password("late trains sing softly")
    assert not is_password(stored, "late trains sing softl")
    assert not is_password(None, "nobody has this password")
    assert not is_password("no hash at all", "late trains sing softly")


def test_the_end_of_an_overlong_one_is_not_cut_off_silently() -> None:
    stored = hash_password("x" * 128)
    assert not is_password(stored, "x" * 129)


def test_a_flood_of_sign_ins_is_refused_soon_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PATIENCE_SECONDS", 0.01)
    stored = hash_password("late trains sing softly")
    for _ in range(4):
        assert passwords._AT_ONCE.acquire(blocking=False)
    try:
        for work in (lambda: is_password(stored, "late trains sing softly"), lambda: hash_password("another long one")):
            with pytest.raises(TooManyAtOnceError) as caught:
                work()
            assert caught.value.code is ProblemCode.BUSY
    finally:
        for _ in range(4):
            passwords._AT_ONCE.release()
    assert is_password(stored, "late trains sing softly")
