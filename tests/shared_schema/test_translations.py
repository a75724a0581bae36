"""Languages: what is not translated is shown in English, numbers and times are those of the place."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from shared_schema.service.translations import LOCALES, OWN_NAMES, best_language, load_language

PACKAGES = ("shared_schema.service.pages.locales",)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def test_every_language_has_a_name_and_a_catalogue() -> None:
    assert set(LOCALES) == set(OWN_NAMES)
    for code in LOCALES:
        assert load_language(PACKAGES, code).code == code
    with pytest.raises(KeyError):
        load_language(PACKAGES, "../../etc/passwd")


@pytest.mark.parametrize("code", list(LOCALES))
def test_what_a_catalogue_does_not_have_is_shown_in_english(code: str) -> None:
    language = load_language(PACKAGES, code)
    assert language.gettext("A sentence that nobody has translated.") == "A sentence that nobody has translated."
    assert language.ngettext("%(n)s owl that nobody knows", "%(n)s owls that nobody knows", 2).startswith("%(n)s owls")
    assert language.gettext("") == "", "the empty text is the header of a catalogue"


def test_numbers_and_times_are_written_as_they_are_there() -> None:
    english, german = load_language(PACKAGES, "en"), load_language(PACKAGES, "de")
    assert (english.number(12345), german.number(12345)) == ("12,345", "12.345")
    assert english.moment(NOON, UTC) == "1 Jul 2026, 12:00 UTC"
    assert german.moment(NOON, ZoneInfo("Europe/Berlin")) == "1. Juli 2026, 14:00 MESZ"
    assert german.day(date(2026, 3, 1)) == "1. März 2026"


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", "en"),
        ("de", "de"),
        ("fr-BE, de;q=0.9", "fr"),
        ("en;q=0.1, nl-BE;q=0.2", "nl"),
        ("tlh, da;q=0.1", "da"),
        ("de;q=0, en", "en"),
        ("*", "en"),
        (";;;q=,,", "en"),
        ("de;q=nan", "en"),
        ("\ud800;q=1", "en"),
        ("de," * 10_000, "de"),
    ],
)
def test_the_browser_says_which_language_it_would_like(accepted: str, expected: str) -> None:
    assert best_language(accepted) == expected
