"""Every code that can stop an item has one sentence on what to do."""

import pytest

from shared_schema.explain import OTHERWISE, TO_DO, to_do_about
from shared_schema.problem import ProblemCode


@pytest.mark.parametrize("code", list(ProblemCode))
def test_every_code_says_what_to_do_in_one_sentence(code: ProblemCode) -> None:
    assert code in TO_DO
    sentence = to_do_about(code.value)
    assert sentence == TO_DO[code]
    assert 10 < len(sentence) <= 120 and not sentence.endswith(".")


def test_a_code_of_a_later_release_has_an_answer_too() -> None:
    assert to_do_about("gossip") == to_do_about("") == OTHERWISE
