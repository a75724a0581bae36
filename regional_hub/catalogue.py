"""The catalogue of a hub for data portals: DCAT-AP 3.0 as JSON-LD. A plain function of its arguments.

One catalogue, one dataset for every table of the policy, one distribution for every format of a table, one data
service. Names of things are addresses of the EU's authority lists (Publications Office) and of IANA's media types.
The context is in the document itself, so nobody has to fetch one.

    make_catalogue(policy, site, spans, formats)      a dictionary, ready to be written as application/ld+json

DCAT-AP 3.0: https://semiceu.github.io/DCAT-AP/releases/3.0.0/ (2024), on DCAT 3 (W3C Recommendation, 2024).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from string import ascii_letters, digits
from types import MappingProxyType
from typing import Any, Final

from regional_hub.figures import MONTHS
from regional_hub.methods import describe, newest_tables
from shared_schema.governance import PolicyBody
from shared_schema.messages import N_
from shared_schema.period import Area, Granularity, Period
from shared_schema.trend import TableDefinition

Node = dict[str, Any]
AUTHORITY: Final = "http://publications.europa.eu/resource/authority"
MEDIA_TYPES: Final = "https://www.iana.org/assignments/media-types"
CONTEXT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "adms": "http://www.w3.org/ns/adms#",
        "dcat": "http://www.w3.org/ns/dcat#",
        "dct": "http://purl.org/dc/terms/",
        "foaf": "http://xmlns.com/foaf/0.1/",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "vcard": "http://www.w3.org/2006/vcard/ns#",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
    }
)
FREQUENCIES: Final[Mapping[Granularity, str]] = MappingProxyType(
    {"month": "MONTHLY", "quarter": "QUARTERLY", "year": "ANNUAL"}
)
LANGUAGES: Final[Mapping[str, str]] = MappingProxyType(
    {"en": "ENG", "de": "DEU", "fr": "FRA", "nl": "NLD", "da": "DAN"}
)
THEMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SOCI": N_("Population and society"),
        "JUST": N_("Justice, legal system and public safety"),
    }
)
_PLAIN: Final = frozenset(f"{ascii_letters}{digits}-._~@")
CATALOGUE_TITLE: Final = N_("Prevention Exchange: figures of %(hub)s")
CATALOGUE_DESCRIPTION: Final = N_("Sums of protected figures that cities have released for prevention work.")
SERVICE_TITLE: Final = N_("Figures of %(hub)s as an API")
DISTRIBUTION_TITLE: Final = N_("%(title)s (%(format)s)")


@dataclass(frozen=True, slots=True)
class Site:
    """The hub as a publisher. `licence` is an address; `contact` an e-mail address; both may be missing.

    `service` is the address of the API, `description` that of its OpenAPI document; `methods` is the methods note.
    """

    name: str
    url: str
    area: Area
    catalogue: str
    service: str
    description: str
    methods: str
    licence: str | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """A format of figures: its name for people, its IANA media type, its code in the EU's list of file types.

    `path` is where it is served; the table is added as a parameter.
    """

    name: str
    media_type: str
    file_type: str
    path: str


@dataclass(frozen=True, slots=True)
class Span:
    """From which period to which there are figures of a table, and the day on which the newest was published."""

    first: Period
    last: Period
    modified: date


@dataclass(frozen=True, slots=True)
class _Writing:
    """The language of all texts."""

    language: str
    translate: Callable[[str], str]

    def text(self, pattern: str, **values: object) -> Node:
        return self.plain(self.translate(pattern) % values if values else self.translate(pattern))

    def plain(self, text: str) -> Node:
        return {"@language": self.language, "@value": text}


def make_catalogue(
    policy: PolicyBody,
    site: Site,
    spans: Mapping[str, Span],
    formats: Sequence[Format],
    *,
    language: str = "en",
    translate: Callable[[str], str] = str,
) -> Node:
    """The catalogue as JSON-LD. `spans` is by the table's id; a table without figures has no period yet.

    Raises KeyError for a language that is not in `LANGUAGES`.
    """
    words = _Writing(language, translate)
    tables = newest_tables(policy)
    datasets = [_dataset(table, policy, site, spans.get(table.id), formats, words) for table in tables]
    days = [span.modified for table in tables if (span := spans.get(table.id)) is not None]
    return {
        "@context": dict(CONTEXT),
        "@id": site.catalogue,
        "@type": "dcat:Catalog",
        "dct:title": words.text(CATALOGUE_TITLE, hub=site.name),
        "dct:description": words.text(CATALOGUE_DESCRIPTION),
        "dct:publisher": _publisher(site, words),
        "dct:language": _term(f"{AUTHORITY}/language/{LANGUAGES[language]}", "dct:LinguisticSystem"),
        "dct:spatial": _place(site.area),
        "foaf:homepage": _term(site.url, "foaf:Document"),
        "dcat:dataset": datasets,
        "dcat:service": _service(site, tables, words),
        **_licence(site),
        **({"dct:modified": _day(max(days))} if days else {}),
    }


def dataset_address(site: Site, table: TableDefinition) -> str:
    """What a dataset is called, for ever."""
    return f"{site.catalogue}#{_quoted(table.id)}"


def _dataset(
    table: TableDefinition,
    policy: PolicyBody,
    site: Site,
    span: Span | None,
    formats: Sequence[Format],
    words: _Writing,
) -> Node:
    by = min(table.granularities, key=MONTHS.__getitem__)
    said = " ".join(words.translate(text.pattern) % text.values for text in describe(table, policy))
    return {
        "@id": dataset_address(site, table),
        "@type": "dcat:Dataset",
        "dct:identifier": table.id,
        "dct:title": words.plain(words.translate(table.title)),
        "dct:description": words.plain(said),
        "dcat:version": str(table.version),
        "dct:publisher": _publisher(site, words),
        "dct:spatial": _place(site.area),
        "dct:accessRights": _restricted(),
        "dct:accrualPeriodicity": _term(f"{AUTHORITY}/frequency/{FREQUENCIES[by]}", "dct:Frequency"),
        "dcat:temporalResolution": {"@type": "xsd:duration", "@value": f"P{MONTHS[by]}M"},
        "dcat:theme": [_theme(code, words) for code in THEMES],
        "foaf:page": _term(site.methods, "foaf:Document"),
        "dcat:distribution": [_distribution(table, each, site, words) for each in formats],
        **_contact(site, words),
        **(_time(span) if span is not None else {}),
    }


def _distribution(table: TableDefinition, form: Format, site: Site, words: _Writing) -> Node:
    address = f"{site.url.rstrip('/')}{form.path}{'&' if '?' in form.path else '?'}table={_quoted(table.id)}"
    title = words.text(DISTRIBUTION_TITLE, title=words.translate(table.title), format=form.name)
    return {
        "@id": f"{dataset_address(site, table)}/{_quoted(form.name)}",
        "@type": "dcat:Distribution",
        "dct:title": title,
        "dcat:accessURL": _term(address, "rdfs:Resource"),
        "dcat:accessService": {"@id": _service_name(site)},
        "dcat:mediaType": _term(f"{MEDIA_TYPES}/{form.media_type.split(';')[0].strip()}", "dct:MediaType"),
        "dct:format": _term(f"{AUTHORITY}/file-type/{form.file_type}", "dct:MediaTypeOrExtent"),
        **_licence(site),
    }


def _service(site: Site, tables: Sequence[TableDefinition], words: _Writing) -> Node:
    return {
        "@id": _service_name(site),
        "@type": "dcat:DataService",
        "dct:title": words.text(SERVICE_TITLE, hub=site.name),
        "dcat:endpointURL": _term(site.service, "rdfs:Resource"),
        "dcat:endpointDescription": _term(site.description, "rdfs:Resource"),
        "dcat:servesDataset": [{"@id": dataset_address(site, table)} for table in tables],
        "dct:publisher": _publisher(site, words),
        "dct:accessRights": _restricted(),
        **_contact(site, words),
        **_licence(site),
    }


def _service_name(site: Site) -> str:
    return f"{site.catalogue}#api"


# --- parts -----------------------------------------------------------------------------------------------------------


def _term(address: str, kind: str) -> Node:
    return {"@id": address} if kind == "rdfs:Resource" else {"@id": address, "@type": kind}


def _publisher(site: Site, words: _Writing) -> Node:
    return {"@id": f"{site.catalogue}#publisher", "@type": "foaf:Agent", "foaf:name": words.plain(site.name)}


def _restricted() -> Node:
    """Figures need an account; the catalogue does not."""
    return _term(f"{AUTHORITY}/access-right/RESTRICTED", "dct:RightsStatement")


def _licence(site: Site) -> Node:
    return {} if site.licence is None else {"dct:license": _term(site.licence, "dct:LicenseDocument")}


def _contact(site: Site, words: _Writing) -> Node:
    if site.contact is None:
        return {}
    email = {"@id": f"mailto:{_quoted(site.contact)}"}
    kind = {"@id": f"{site.catalogue}#contact", "@type": ["vcard:Kind", "vcard:Organization"]}
    return {"dcat:contactPoint": kind | {"vcard:fn": words.plain(site.name), "vcard:hasEmail": email}}


def _theme(code: str, words: _Writing) -> Node:
    address = f"{AUTHORITY}/data-theme/{code}"
    return _term(address, "skos:Concept") | {"skos:prefLabel": words.text(THEMES[code])}


def _place(area: Area) -> Node:
    """NUTS codes, and those of countries, which are NUTS codes of level 0, have an address at the EU; others a code."""
    if area.scheme == "NUTS" or (area.scheme == "ISO3166" and len(area.code) == 2):
        return _term(f"http://data.europa.eu/nuts/code/{area.code}", "dct:Location")
    if area.scheme == "ISO3166":
        return _term(f"https://www.iso.org/obp/ui/#iso:code:3166:{area.code}", "dct:Location")
    return {"@type": "dct:Location", "dct:identifier": f"{area.scheme} {area.version} {area.code}"}


def _time(span: Span) -> Node:
    period = {"dcat:startDate": _day(span.first.first_day), "dcat:endDate": _day(span.last.last_day)}
    return {"dct:temporal": {"@type": "dct:PeriodOfTime"} | period, "dct:modified": _day(span.modified)}


def _quoted(text: str) -> str:
    """As a part of an address (RFC 3986): everything but plain letters, digits, and a few signs as their bytes."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in text.encode())


def _day(day: date) -> Node:
    return {"@type": "xsd:date", "@value": day.isoformat()}
