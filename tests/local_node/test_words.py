"""What pages say in German: nouns keep their capital letters, and the words of the tables are there."""

from datetime import UTC

import pytest
from jinja2 import Environment

from local_node.narrative import WHY
from local_node.web.site import LOCALES_PACKAGE
from local_node.web.words import Words
from shared_schema.service.translations import load_language


@pytest.fixture
def german() -> Words:
    return Words(load_language(LOCALES_PACKAGE, "de"), UTC)


def test_a_sentence_begins_large_and_its_nouns_stay_as_they_are(german: Words) -> None:
    environment = Environment(autoescape=True)
    environment.filters.update(german.filters())
    said = environment.from_string("{{ text | capitalize }}.").render(text="eine E-Mail-Adresse führt zu einer Person")
    assert said == "Eine E-Mail-Adresse führt zu einer Person."


def test_every_reason_of_the_finder_is_said_in_german(german: Words) -> None:
    assert [why for why in WHY.values() if german.gettext(why) == why] == []


def test_the_tables_of_the_starter_policy_have_german_names(german: Words) -> None:
    assert german.gettext("First contacts by age") == "Erstkontakte nach Alter"
    assert german.gettext("Panel discussions") == "Fallrunden"
