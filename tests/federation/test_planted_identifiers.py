"""Identifiers in texts stay in the node: through real processes, with a second person who masks what was found."""

import random
from pathlib import Path

import pytest

from tests.federation.conftest import Processes
from tests.federation.planted import PLANTS_A_TEXT, plant, play


@pytest.mark.long
def test_what_was_planted_in_texts_is_seen_nowhere_outside_the_node(processes: Processes, tmp_path: Path) -> None:
    texts = plant(10, random.Random(7))
    outcome = play(processes, tmp_path, texts)
    assert outcome.seen == ()
    assert outcome.planted == 10 * PLANTS_A_TEXT
    assert outcome.findings >= outcome.planted


@pytest.mark.long
def test_a_plant_that_is_not_found_would_be_seen(processes: Processes, tmp_path: Path) -> None:
    (text,) = plant(1, random.Random(7))
    harmless = type(text)("en", "The youth centre opened its doors.", ("youth centre",))
    seen = {place for _, place in play(processes, tmp_path, [harmless]).seen}
    assert seen == {"traffic", "hub", "backup of the hub"}
