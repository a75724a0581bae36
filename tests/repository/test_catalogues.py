"""The catalogues keep step with the pages, and a translation keeps what its source promises."""

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from shared_schema.service.pages.terms import cell_label, term
from shared_schema.service.translations import LOCALES, SOURCE_LANGUAGE
from shared_schema.vocabulary import VOCABULARIES
from tests.repository import catalogues
from tests.repository.catalogues import Shelf

OTHERS = [code for code in LOCALES if code != SOURCE_LANGUAGE]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{[^}]*\}")
MARKUP = re.compile(r"<[^>]+>")


@pytest.mark.parametrize("shelf", catalogues.SHELVES, ids=lambda shelf: shelf.package)
@pytest.mark.parametrize("code", OTHERS)
def test_a_catalogue_has_every_message_of_the_pages_and_no_other(shelf: Shelf, code: str) -> None:
    assert shelf.file(code).read_bytes() == catalogues.written(catalogues.renewed(shelf, code)), (
        "run: python -m tests.repository.catalogues"
    )


@pytest.mark.parametrize("code", catalogues.COMPLETE)
def test_nothing_is_left_in_english_where_a_language_is_complete(code: str) -> None:
    lacking = [catalogues.missing(catalogues.renewed(shelf, code)) for shelf in catalogues.SHELVES]
    assert [message.id for messages in lacking for message in messages] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_the_placeholders_and_the_markup_of_its_source(code: str) -> None:
    """A placeholder too many is an error page, one too few loses a figure or a name."""
    differing = [
        (source, said)
        for source, said in _pairs(code)
        if set(PLACEHOLDER.findall(source)) != set(PLACEHOLDER.findall(said))
        or MARKUP.findall(source) != MARKUP.findall(said)
    ]
    assert differing == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_plural_has_as_many_forms_as_its_language(code: str) -> None:
    """French has three. Where a form is missing, English would stand in the middle of the page."""
    for shelf in catalogues.SHELVES:
        catalogue = catalogues.read(shelf, code)
        said = {message.id: _forms(message.string) for message in catalogue if message.pluralizable}
        begun = {text: forms for text, forms in said.items() if any(forms)}
        assert [text for text, forms in begun.items() if not all(forms) or len(forms) != catalogue.num_plurals] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_begins_and_ends_like_its_source(code: str) -> None:
    """Texts are put beside others: a space or a full stop that is not in the source stands where none may be."""
    differing = [
        (source, said)
        for source, said in _pairs(code)
        if said != said.strip()
        or source.endswith(".") != said.endswith(".")
        or source.endswith(":") != said.endswith(":")
    ]
    assert differing == []


@pytest.mark.parametrize("code", OTHERS)
def test_two_terms_of_one_list_never_have_the_same_name(code: str) -> None:
    """Else somebody who chooses cannot tell them apart, and a table from Excel cannot be read."""
    catalogue = catalogues.read(catalogues.SHARED, code)
    for name, labels in _lists():
        said = Counter(str(message.string) for label in labels if (message := catalogue.get(label)) and message.string)
        assert [word for word, count in said.items() if count > 1] == [], name


def test_the_words_of_the_starter_policy_can_be_translated() -> None:
    known = {message.id for message in catalogues.messages(catalogues.SHARED)}
    assert {"First contacts", "First contacts by age", "Assault", "Mon"} <= known


def _pairs(code: str) -> Iterator[tuple[str, str]]:
    """Each source with what is said for it; of a plural, the first form goes with the first source."""
    for message in (message for shelf in catalogues.SHELVES for message in catalogues.read(shelf, code)):
        one, *many = _forms(message.id)
        said = _forms(message.string)
        sources = [one, *(many * (len(said) - 1))]
        yield from ((source, text) for source, text in zip(sources, said, strict=True) if source and text)


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str) or text is None else tuple(text)


def _lists() -> Iterator[tuple[str, set[str]]]:
    for name, terms in VOCABULARIES.items():
        yield name, {term(each) for each in terms}
    policy = json.loads(catalogues.STARTER_POLICY.read_text(encoding="utf-8"))
    for table in policy["tables"]:
        yield table["id"], {cell_label(table["dimension"], cell) for cell in table["cells"]}
