"""Statements in plain words."""

import re
from pathlib import Path
from typing import get_args

from local_node.inbox import HEALED_BY_MEMBERSHIPS, NOT_YET_EXPLAINED, InboxState
from local_node.web import presentation
from local_node.web.trends import PARTS_NOT_ALIKE
from shared_schema.service.pages import terms
from shared_schema.statement import Audience, Kind
from shared_schema.trend import Withheld
from shared_schema.vocabulary import VOCABULARIES, Outcome

FOLDERS = (Path(presentation.__file__).parent, Path(terms.__file__).parent)
"""The node's pages, and those that both programs show."""
NEVER_SAID = re.compile(r"suspect|\btargets?\b(?!_group)|threat score|hot ?spot|intelligence", re.IGNORECASE)


def test_every_kind_state_and_audience_has_a_name() -> None:
    assert set(presentation.KIND_NAMES) == set(Kind)
    assert set(presentation.STATE_NAMES) == set(InboxState)
    assert all(presentation.audience(audience.value) != audience.value for audience in Audience)


def test_every_reason_for_quarantine_that_can_heal_is_explained() -> None:
    assert {*HEALED_BY_MEMBERSHIPS, NOT_YET_EXPLAINED} <= set(presentation.REASONS)


def test_outcomes_are_shown_without_the_terms_of_other_registers() -> None:
    assert terms.term(Outcome.NO_EFFECT) == "No effect seen"
    assert terms.term(Outcome.HARM) == "Unwanted or harmful effect"


def test_every_term_of_the_vocabulary_has_words() -> None:
    labels = [terms.term(term) for enum in VOCABULARIES.values() for term in enum]
    assert all(labels)
    assert not [label for label in labels if NEVER_SAID.search(label)]


def test_codes_become_words_and_moments_become_dates() -> None:
    assert terms.words("bias_incidents.by_offence") == "Bias incidents by offence"
    assert presentation.moment("2026-11-02T09:05:00Z") == "2 Nov 2026, 09:05 UTC"
    assert presentation.moment(None) == "never"


def test_every_reason_to_hide_a_figure_and_every_obstacle_has_words() -> None:
    assert set(get_args(Withheld)) <= set(presentation.FIGURE_NOTES)
    assert set(presentation.FIGURE_NOTES) | set(presentation.OBSTACLES) >= PARTS_NOT_ALIKE


def test_cells_have_the_labels_of_the_vocabulary() -> None:
    assert terms.cell_label("phenomenon", "RWE") == "Right-wing extremism"
    assert terms.cell_label("agency", "ngo_counselling") == "Specialised counselling NGO"
    assert terms.cell_label("offence", "arson") == "Arson"
    assert terms.cell_label("age_band", "_U") == "Unknown"


def test_the_pages_never_speak_of_persons_as_cases() -> None:
    for file in (file for folder in FOLDERS for end in ("html", "py") for file in folder.rglob(f"*.{end}")):
        found = NEVER_SAID.search(file.read_text(encoding="utf-8").replace('target="_blank"', ""))
        assert found is None, file.name


def test_no_page_has_a_script_or_anything_inline() -> None:
    inline = re.compile(
        r"<script(?! src=)|<style|\bstyle=|\son[a-z]+=|javascript:|(?:src|href|action)=.https?://", re.IGNORECASE
    )
    for file in (file for folder in FOLDERS for file in folder.rglob("*.html")):
        found = inline.search(file.read_text(encoding="utf-8"))
        assert found is None, file.name
