"""What pages say in German: nouns keep their capital letters, and the words of the tables are there."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import Environment

from local_node import sync
from local_node.narrative import WHY
from local_node.sync import Alarm
from local_node.web import overview, site
from local_node.web.presentation import membership
from local_node.web.today import Need
from local_node.web.where_words import where_in_words
from local_node.web.words import CATALOGUES, Words
from shared_schema.explain import Place
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.problem import ProblemCode
from shared_schema.service.translations import load_language
from shared_schema.statement import Kind

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@pytest.fixture
def german() -> Words:
    return Words(load_language(CATALOGUES, "de"), UTC)


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


def test_the_headline_of_what_has_no_title_begins_with_its_kind_in_german(german: Words) -> None:
    assert german.headline("Experience: Later trains helped.", Kind.EXPERIENCE) == "Erprobung: Later trains helped."
    assert german.headline("Answer: We did.", Kind.ANSWER) == "Antwort: We did."
    assert german.headline("Experience: what we learned", Kind.PRACTICE) == "Experience: what we learned"


def test_a_city_that_is_not_named_is_told_in_german(german: Words) -> None:
    assert german.author("a city in the region") == "eine Stadt in der Region"
    assert german.author("dresden.sn.de") == "dresden.sn.de"


def test_every_place_of_an_item_has_a_sentence_in_german(german: Words) -> None:
    sentences = [where_in_words(place) for place in (*Place, "no answer")]
    assert len(set(sentences)) == len(Place) + 1
    assert [text for text in sentences if german.gettext(text) == text] == []


def test_every_state_of_a_member_has_german_words(german: Words) -> None:
    for value in (*set(MemberRole) - {MemberRole.HUB}, *MemberStatus):  # a hub is called so in German, too
        assert german.gettext(membership(value)) != value, value


def test_a_need_translates_the_sentences_that_it_carries(german: Words) -> None:
    needs = overview.about_hubs((), (Alarm("sachsen.de", ProblemCode.FEED_ROLLBACK, "short", NOW, None),))
    said = next(need.said(german.gettext, german.ngettext) for need in needs)
    assert "kürzer" in said
    assert "shorter" not in said


def test_a_need_is_said_in_german_for_one_and_for_many(german: Words) -> None:
    for count, words in ((1, "1 Meldung fehlt."), (18, "18 Meldungen fehlen.")):
        need = Need("1 return is missing.", many="%(num)s returns are missing.", count=count)
        assert need.said(german.gettext, german.ngettext) == words
    assert german.gettext("1 lesson was shared with other cities:") == "1 Erfahrung wurde mit anderen Städten geteilt:"


def test_no_page_sends_people_to_a_console_that_they_do_not_have() -> None:
    """Two commands are for others, who check this node with a program of their own."""
    folder = Path(site.__file__).parent / "templates"
    found = {
        (path.name, command)
        for path in folder.iterdir()
        for command in re.findall(r"<code>(local-node [a-z -]+[a-z])", path.read_text(encoding="utf-8"))
    }
    assert found == {
        ("oversight_budget.html", "local-node verify-spend"),
        ("oversight_audit.html", "local-node audit verify audit"),
    }
    assert all("local-node " not in sentence for sentence in sync.SENTENCES.values())
