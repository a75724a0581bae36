"""The languages of the pages: catalogues of messages (gettext, PO files) and dates and numbers as people write them.

English is in the code. A catalogue is a `.po` file in a package; it is read when the first page in its language is
asked for. What a catalogue does not have is shown in English, never left out.

    language = load_language(("local_node.web.locales", "shared_schema.service.pages.locales"), "de")
    language.gettext("Returns"), language.moment(now, zone)
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_datetime, format_skeleton, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from shared_schema.messages import N_ as N_
from shared_schema.period import Period

SOURCE_LANGUAGE: Final = "en"
LOCALES: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "en_GB", "de": "de", "fr": "fr", "nl": "nl", "da": "da"}  # the day before the month, as in all of Europe
)
"""Language → the locale of its dates and numbers."""
OWN_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "English", "de": "Deutsch", "fr": "Français", "nl": "Nederlands", "da": "Dansk"}
)
"""What each language calls itself, as it stands in the switch."""


@dataclass(frozen=True)
class Language:
    """One language: its messages, and how it writes numbers and times."""

    code: str
    locale: Locale
    messages: NullTranslations

    def gettext(self, text: str) -> str:
        """The translation; the text itself where there is none. An empty text has none."""
        if not text:
            return ""
        found = self.messages.gettext(text)
        return self.messages.ngettext(text, text, 1) if found == text else found  # it may be there with a plural only

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The form for `count`. Where a catalogue has the two as sentences of their own, the one that fits."""
        found = self.messages.ngettext(one, many, count)
        return self.gettext(found) if found in (one, many) else found

    def number(self, value: float) -> str:
        """`1,234` or `1.234`."""
        return format_decimal(value, locale=self.locale)

    def percent(self, fraction: float) -> str:
        return format_percent(fraction, locale=self.locale)

    def day(self, day: date) -> str:
        """`22 Nov 2026`."""
        return format_skeleton("yMMMd", day, locale=self.locale)

    def month(self, day: date) -> str:
        """`November 2026`."""
        return format_skeleton("yMMMM", day, locale=self.locale)

    def period(self, period: Period) -> str:
        """`Nov 2026`, `Q4 2026` or `2026`."""
        skeletons = {"month": "yMMM", "quarter": "yQQQ", "year": "y"}
        return format_skeleton(skeletons[period.granularity], period.first_day, locale=self.locale)

    def moment(self, at: datetime, zone: tzinfo) -> str:
        """`22 Nov 2026, 09:00 UTC`, in the time of `zone`, which it names."""
        return f"{self.day(at.astimezone(zone))}, {format_datetime(at, 'HH:mm z', tzinfo=zone, locale=self.locale)}"

    def clock(self, at: datetime, zone: tzinfo) -> str:
        """`09:00`."""
        return format_time(at, "HH:mm", tzinfo=zone, locale=self.locale)


@cache
def load_language(packages: tuple[str, ...], code: str) -> Language:
    """The language `code`, with the messages of each `package`/`code`.po; the first that has one says it.

    Raises KeyError for an unknown code.
    """
    locale = Locale.parse(LOCALES[code])
    messages = NullTranslations()
    if code != SOURCE_LANGUAGE:
        for package in reversed(packages):
            found = _read_catalogue(package, code)
            found.add_fallback(messages)
            messages = found
    return Language(code, locale, messages)


def _read_catalogue(package: str, code: str) -> GNUTranslations:
    with (files(package) / f"{code}.po").open("rb") as source:
        catalogue = read_po(source, locale=code)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def best_language(accepted: str) -> str:
    """The first known language of an Accept-Language header (RFC 9110, 12.5.4), English where none is known."""
    ranked = []
    for position, part in enumerate(accepted[:400].split(",")):
        tag, _, quality = part.partition(";q=")
        try:
            weight = float(quality or 1)
            code = Locale.parse(tag.strip(), sep="-").language
        except (ValueError, TypeError, UnknownLocaleError):
            continue
        if code in LOCALES and weight > 0:
            ranked.append((-weight, position, code))
    return min(ranked)[2] if ranked else SOURCE_LANGUAGE
