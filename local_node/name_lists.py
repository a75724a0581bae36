"""Lists that come with libraries: first and family names of sixty countries, places, months. Nothing is fetched.

The names and towns are those of Faker's providers; countries, large cities and months those of the CLDR (Babel), in all
the languages that `narrative` reads. A name counts for more the more countries know it. What is missing here is still
found when it is in no dictionary (`ordinary_words`): most names that are not of the majority are.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Final

import faker.providers.address
import faker.providers.person
from babel import Locale
from babel.core import get_global

LANGUAGES: Final = ("en", "de", "fr", "nl", "da")
SHORTEST: Final = 3
"""Letters of a name in a list; shorter ones are ordinary words too often."""
PLACE_BEGINNING: Final = 5
"""So many letters do a country and its people share: `Syria`, `Syrian`."""
TOWN_LISTS: Final = ("cities", "states", "provinces", "cantons", "departments", "regions", "counties")
_WORD: Final = re.compile(r"[^\W\d_]{3,}")
_OF_A_PLACE: Final = re.compile(
    r"(?:ians?|ish|ese|ans?|is?|ners?|aise?s?|ens?|iennes?|isch\w{0,2}|er|ern|erin|ers?)$", re.IGNORECASE
)


@cache
def first_names() -> Mapping[str, int]:
    """First name in lower case → in how many countries' lists it stands."""
    return Counter(name for provider in _providers() for name in set(_names(provider, "first_name")))


@cache
def family_names() -> frozenset[str]:
    """Family names in lower case."""
    return frozenset(name for provider in _providers() for name in _names(provider, "last_name"))


@cache
def countries() -> frozenset[str]:
    """The words in the names of countries, in lower case."""
    return frozenset(
        word for tag in LANGUAGES for name in Locale(tag).territories.values() for word in _words(str(name))
    )


@cache
def months_and_days() -> frozenset[str]:
    """Months and days of the week, also shortened, in lower case."""
    return frozenset(
        name.lower().strip(".")
        for tag in LANGUAGES
        for names in (Locale(tag).months, Locale(tag).days)
        for context in ("format", "stand-alone")
        for width in ("wide", "abbreviated")
        for name in names[context][width].values()
    )


@cache
def towns() -> frozenset[str]:
    """Towns and regions of Faker's lists for the countries of the five languages, of one word, in lower case."""
    return frozenset(
        value.lower()
        for provider in _providers(faker.providers.address)
        for attribute in TOWN_LISTS
        for value in _texts(getattr(provider, attribute, ()))
        if value.isalpha() and value[0].isupper() and len(value) > SHORTEST
    )


@cache
def places() -> frozenset[str]:
    """The words in the names of countries, languages and large cities, months and days, in lower case."""
    words = set(countries() | months_and_days())
    for zone in get_global("zone_territories"):
        words.update(_words(zone.rpartition("/")[2].replace("_", " ")))
    for tag in LANGUAGES:
        locale = Locale(tag)
        for name in (*locale.languages.values(), *(zone.get("city", "") for zone in locale.time_zones.values())):
            words.update(_words(str(name)))
    return frozenset(words)


def is_of_a_place(word: str) -> bool:
    """Whether a word such as `Syrian` or `Dänen` belongs to a place of the lists, by its beginning and its end."""
    lower = word.lower()
    return len(lower) > PLACE_BEGINNING and lower[:PLACE_BEGINNING] in _beginnings() and bool(_OF_A_PLACE.search(lower))


@cache
def _beginnings() -> frozenset[str]:
    return frozenset(word[:PLACE_BEGINNING] for word in places() if len(word) >= PLACE_BEGINNING)


def _words(text: str) -> Iterator[str]:
    return (word.lower() for word in _WORD.findall(text))


def _providers(package: ModuleType = faker.providers.person) -> Iterator[type[Any]]:
    for module in iter_modules(package.__path__):
        if package is faker.providers.person or module.name[:2] in LANGUAGES:
            yield import_module(f"{package.__name__}.{module.name}").Provider


def _names(provider: type[Any], kind: str) -> Iterator[str]:
    """The names in every list of a provider that is called so: `first_names_female`, `last_names`, …"""
    for attribute in dir(provider):
        for value in _texts(getattr(provider, attribute)) if kind in attribute else ():
            for part in re.split(r"[\s-]+", value):
                if len(part) >= SHORTEST and part.isalpha() and part[0].isupper():
                    yield part.lower()


def _texts(values: object) -> Iterator[str]:
    """The texts in one of Faker's lists, which come in several forms."""
    for value in values if isinstance(values, (dict, list, tuple, set)) else ():
        yield from (text for text in (value if isinstance(value, tuple) else (value,)) if isinstance(text, str))
