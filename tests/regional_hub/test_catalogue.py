"""The catalogue: read as JSON-LD by another library, and held against the mandatory properties of DCAT-AP 3.0."""

import json
from datetime import date
from typing import Any

import pytest
from pyshacl import validate
from rdflib import RDF, Graph, Literal, Namespace, URIRef

from regional_hub.catalogue import LANGUAGES, Format, Site, Span, make_catalogue
from regional_hub.methods import describe
from shared_schema.period import Area, parse_period
from tests.factories import make_policy, make_table, make_weekday_table

pytestmark = pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated:DeprecationWarning")
"""rdflib's own reader of JSON-LD still uses it."""
DCAT, DCT = Namespace("http://www.w3.org/ns/dcat#"), Namespace("http://purl.org/dc/terms/")
FOAF, VCARD = Namespace("http://xmlns.com/foaf/0.1/"), Namespace("http://www.w3.org/2006/vcard/ns#")
AUTHORITY = Namespace("http://publications.europa.eu/resource/authority/")
URL = "https://hub.sachsen.example"
SAXONY = Area(scheme="NUTS", version="2024", code="DED")
LICENCE = "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"
FORMATS = (
    Format("CSV", "text/csv; charset=utf-8", "CSV", "/v1/aggregates?format=csv"),
    Format("JSON", "application/json", "JSON", "/v1/aggregates"),
)
TABLE, WEEKDAYS = make_table(), make_weekday_table(granularities=["quarter", "year"])
POLICY = make_policy([TABLE, WEEKDAYS])
SPANS = {TABLE.id: Span(parse_period("2014-01"), parse_period("2026-10"), date(2026, 11, 22))}

MANDATORY = """
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix : <urn:shapes:> .
:Catalog a sh:NodeShape ; sh:targetClass dcat:Catalog ;
    sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
        [ sh:path dct:description ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
        [ sh:path dct:publisher ; sh:minCount 1 ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
        [ sh:path dcat:dataset ; sh:minCount 1 ; sh:class dcat:Dataset ] ,
        [ sh:path dcat:service ; sh:class dcat:DataService ] ,
        [ sh:path dct:license ; sh:maxCount 1 ; sh:class dct:LicenseDocument ] .
:Dataset a sh:NodeShape ; sh:targetClass dcat:Dataset ;
    sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
        [ sh:path dct:description ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
        [ sh:path dct:publisher ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
        [ sh:path dct:accessRights ; sh:maxCount 1 ; sh:class dct:RightsStatement ] ,
        [ sh:path dct:accrualPeriodicity ; sh:maxCount 1 ; sh:class dct:Frequency ] ,
        [ sh:path dct:spatial ; sh:class dct:Location ] ,
        [ sh:path dct:temporal ; sh:class dct:PeriodOfTime ] ,
        [ sh:path dcat:distribution ; sh:class dcat:Distribution ] .
:Distribution a sh:NodeShape ; sh:targetClass dcat:Distribution ;
    sh:property [ sh:path dcat:accessURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
        [ sh:path dct:format ; sh:maxCount 1 ; sh:class dct:MediaTypeOrExtent ] ,
        [ sh:path dcat:mediaType ; sh:maxCount 1 ; sh:class dct:MediaType ] ,
        [ sh:path dct:license ; sh:maxCount 1 ; sh:class dct:LicenseDocument ] .
:DataService a sh:NodeShape ; sh:targetClass dcat:DataService ;
    sh:property [ sh:path dct:title ; sh:minCount 1 ; sh:nodeKind sh:Literal ] ,
        [ sh:path dcat:endpointURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
        [ sh:path dcat:servesDataset ; sh:class dcat:Dataset ] .
:Agent a sh:NodeShape ; sh:targetClass foaf:Agent ;
    sh:property [ sh:path foaf:name ; sh:minCount 1 ; sh:nodeKind sh:Literal ] .
:Period a sh:NodeShape ; sh:targetClass dct:PeriodOfTime ;
    sh:property [ sh:path dcat:startDate ; sh:maxCount 1 ; sh:datatype <http://www.w3.org/2001/XMLSchema#date> ] ,
        [ sh:path dcat:endDate ; sh:maxCount 1 ; sh:datatype <http://www.w3.org/2001/XMLSchema#date> ] .
"""


def site(**changes: Any) -> Site:
    values: dict[str, Any] = {
        "name": "sachsen.de",
        "url": URL,
        "area": SAXONY,
        "catalogue": f"{URL}/catalog",
        "service": f"{URL}/v1",
        "description": f"{URL}/v1/openapi.json",
        "methods": f"{URL}/methods",
        "licence": LICENCE,
        "contact": "figures@sachsen.example",
    }
    return Site(**values | changes)


def catalogue(**changes: Any) -> dict[str, Any]:
    return make_catalogue(POLICY, site(**changes), SPANS, FORMATS)


def graph_of(document: dict[str, Any]) -> Graph:
    return Graph().parse(data=json.dumps(document), format="json-ld")


def complaints(graph: Graph) -> str:
    shapes = Graph().parse(data=MANDATORY, format="turtle")
    conforms, _, text = validate(graph, shacl_graph=shapes)
    return "" if conforms else str(text)


# --- what is missing is found --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        (DCAT.Catalog, DCT.title),
        (DCAT.Catalog, DCT.description),
        (DCAT.Catalog, DCT.publisher),
        (DCAT.Dataset, DCT.title),
        (DCAT.Dataset, DCT.description),
        (DCAT.Distribution, DCAT.accessURL),
        (DCAT.DataService, DCT.title),
        (DCAT.DataService, DCAT.endpointURL),
        (FOAF.Agent, FOAF.name),
    ],
)
def test_a_catalogue_without_a_mandatory_property_does_not_pass(kind: URIRef, missing: URIRef) -> None:
    graph = graph_of(catalogue())
    one = next(graph.subjects(RDF.type, kind))
    graph.remove((one, missing, None))
    assert str(missing) in complaints(graph) or missing.split("/")[-1].split("#")[-1] in complaints(graph)


# --- what there is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"licence": None, "contact": None},
        {"area": Area(scheme="ISO3166", version="2020", code="DE")},
        {"area": Area(scheme="ISO3166", version="2020", code="DE-SN")},
        {"area": Area(scheme="LAU", version="2024", code="DE_14713000")},
    ],
    ids=str,
)
def test_every_mandatory_property_is_there(changes: dict[str, Any]) -> None:
    assert complaints(graph_of(catalogue(**changes))) == ""


def test_a_dataset_for_each_table_and_a_distribution_for_each_format() -> None:
    graph = graph_of(catalogue())
    datasets = set(graph.subjects(RDF.type, DCAT.Dataset))
    assert set(graph.objects(None, DCAT.dataset)) == datasets == set(graph.objects(None, DCAT.servesDataset))
    assert len(datasets) == 2 and len(set(graph.subjects(RDF.type, DCAT.Distribution))) == 4
    assert len(set(graph.subjects(RDF.type, DCAT.DataService))) == len(set(graph.subjects(RDF.type, FOAF.Agent))) == 1
    addresses = {str(address) for address in graph.objects(None, DCAT.accessURL)}
    assert f"{URL}/v1/aggregates?format=csv&table={TABLE.id}" in addresses
    assert f"{URL}/v1/aggregates?table={WEEKDAYS.id}" in addresses


def test_a_dataset_says_what_it_is_from_when_to_when_how_often_and_for_whom() -> None:
    graph = graph_of(catalogue())
    dataset = URIRef(f"{URL}/catalog#{TABLE.id}")
    said = " ".join(text.english for text in describe(TABLE, POLICY))
    assert graph.value(dataset, DCT.description) == Literal(said, lang="en")
    assert graph.value(dataset, DCT.accrualPeriodicity) == AUTHORITY["frequency/MONTHLY"]
    assert graph.value(dataset, DCT.accessRights) == AUTHORITY["access-right/RESTRICTED"]
    assert graph.value(dataset, DCT.spatial) == URIRef("http://data.europa.eu/nuts/code/DED")
    period = graph.value(dataset, DCT.temporal)
    assert [str(graph.value(period, end)) for end in (DCAT.startDate, DCAT.endDate)] == ["2014-01-01", "2026-10-31"]
    other = URIRef(f"{URL}/catalog#{WEEKDAYS.id}")
    assert graph.value(other, DCT.accrualPeriodicity) == AUTHORITY["frequency/QUARTERLY"]
    assert graph.value(other, DCT.temporal) is None


def test_the_contact_is_there_when_it_is_set_and_cannot_break_out_of_its_address() -> None:
    assert set(graph_of(catalogue()).objects(None, VCARD.hasEmail)) == {URIRef("mailto:figures@sachsen.example")}
    odd = graph_of(catalogue(contact='a b">@x.example'))
    assert set(odd.objects(None, VCARD.hasEmail)) == {URIRef("mailto:a%20b%22%3E@x.example")}
    assert not set(graph_of(catalogue(contact=None)).objects(None, DCAT.contactPoint))


def test_texts_are_in_the_language_that_was_asked_for() -> None:
    document = make_catalogue(POLICY, site(), SPANS, FORMATS, language="de", translate=lambda text: f"de: {text}")
    graph = graph_of(document)
    titles = [title for title in graph.objects(None, DCT.title) if isinstance(title, Literal)]
    assert titles and all(title.language == "de" and str(title).startswith("de: ") for title in titles)
    assert AUTHORITY["language/DEU"] in set(graph.objects(None, DCT.language))
    with pytest.raises(KeyError):
        make_catalogue(POLICY, site(), SPANS, FORMATS, language="xx")
    assert set(LANGUAGES) == {"en", "de", "fr", "nl", "da"}
