"""Words: seven fields suffice, failures are as welcome as successes, and there is no field for a person."""

from typing import Any

import pytest

from shared_schema.content import AnswerBody, BulletinBody, ExperienceBody, PracticeBody, QuestionBody
from shared_schema.errors import SchemaError
from shared_schema.vocabulary import EvidenceLevel, FailureFactor, Outcome, Phenomenon
from shared_schema.wire import WireModel
from tests.shared_schema.builders import DIGEST, LEIPZIG, REVIEW, experience_body, practice_body, question_body

SEVEN = {"title", "summary", "phenomenon", "prevention_level", "agencies", "outcome", "lessons"}
PASSAGE = {"text": "One thing.", "review": REVIEW}
PEOPLE = [
    *("name", "names", "person", "persons", "contact", "email", "phone", "address", "account", "handle", "birth_date"),
    *("age", "nationality", "religion", "author", "story", "suspect", "target", "case", "threat_score", "hot_spot"),
]


@pytest.mark.parametrize("name", PEOPLE)
@pytest.mark.parametrize(
    ("model", "body"),
    [
        (PracticeBody, practice_body()),
        (ExperienceBody, experience_body()),
        (BulletinBody, question_body(area=LEIPZIG)),
        (QuestionBody, question_body()),
        (AnswerBody, PASSAGE | {"question": DIGEST}),
    ],
)
def test_there_is_no_field_for_a_person(model: type[WireModel], body: dict[str, Any], name: str) -> None:
    assert name not in model.model_fields
    with pytest.raises(SchemaError):
        model.from_object(body | {name: "x"})
    model.from_object(body)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "ab"},
        {"title": "a" * 121},
        {"summary": ""},
        {"summary": "word " * 101},
        {"summary": "a" * 1201},
        {"lessons": "word " * 201},
        {"lessons": "a" * 2401},
        {"phenomenon": []},
        {"phenomenon": ["RWE"] * 6},
        {"phenomenon": ["rwe"]},
        {"phenomenon": "RWE"},
        {"phenomenon": ["LOCAL.TERM"]},
        {"prevention_level": "quaternary"},
        {"agencies": []},
        {"agencies": [{"type": "police"}]},
        {"agencies": [{"type": "police", "role": "deliver", "name": "x"}]},
        {"agencies": [{"type": "police", "role": "deliver"}] * 21},
        {"outcome": "success"},
        {"outcome": ""},
        {"evidence_level": 3},
        {"evidence_level": "6"},
        {"language": "German"},
        {"language": "d"},
        {"language": "de_DE"},
        {"attribution": "anonymous"},
        {"failure_factors": ["bad_luck"]},
        {"target_group": ""},
        {"target_group": "a" * 201},
        {"emmie": {"effect": ""}},
        {"emmie": {"verdict": "x"}},
        {"cost": 12000},
        {"cost": "huge"},
        {"reach": "17 persons"},
        {"adapted_from": "x"},
        {"review_by": "2027-13"},
        {"review_by": "2027-01-01"},
        {"review_by": "２０２７-01"},
        {"replaces": "x"},
        {"archived": False},
        {"review": REVIEW | {"name": "x"}},
        {"review": REVIEW | {"role": "author"}},
    ],
)
def test_a_practice_of_another_form_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        PracticeBody.from_object(practice_body(**change))


@pytest.mark.parametrize("text", ["word " * 100, "wort\n" * 100, "字 " * 100])
def test_a_hundred_words_are_a_summary(text: str) -> None:
    assert PracticeBody.from_object(practice_body(summary=text)).summary == text


def test_seven_fields_suffice_beside_what_the_node_adds_itself() -> None:
    required = {name for name, field in PracticeBody.model_fields.items() if field.is_required()}
    assert required == SEVEN | {"area", "review"}
    body = PracticeBody.from_object(practice_body())
    assert (body.evidence_level, body.language, body.attribution) == (EvidenceLevel.LEVEL_0, "und", "city")


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("level", EvidenceLevel)
def test_outcome_and_evidence_are_two_axes(outcome: Outcome, level: EvidenceLevel) -> None:
    body = PracticeBody.from_object(practice_body(outcome=outcome.value, evidence_level=level.value))
    assert (body.outcome, body.evidence_level) == (outcome, level)


@pytest.mark.parametrize("phenomenon", Phenomenon)
def test_every_phenomenon_takes_the_same_fields(phenomenon: Phenomenon) -> None:
    for body in (practice_body(phenomenon=[phenomenon.value]), practice_body(phenomenon=["_U", phenomenon.value])):
        assert phenomenon in PracticeBody.from_object(body).phenomenon


def test_all_that_may_be_said_about_a_practice_is_read_back() -> None:
    body = PracticeBody.from_object(
        practice_body(
            evidence_level="3",
            language="de-AT",
            attribution="country",
            intervention=["exit", "family"],
            setting=["_U", "youth_centre"],
            failure_factors=[factor.value for factor in FailureFactor],
            target_group="Fan projects",
            unintended_effects="None seen.",
            transfer_conditions="A fan project.",
            emmie={"effect": "Small.", "mechanism": "Trust.", "economics": "Two posts."},
            cost="low",
            staff="medium",
            reach="none",
            adapted_from=DIGEST,
            review_by="2027-06",
            replaces=DIGEST,
            archived=True,
        )
    )
    assert PracticeBody.from_bytes(body.to_bytes()) == body


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ExperienceBody, experience_body(practice="x")),
        (ExperienceBody, experience_body(changes="")),
        (ExperienceBody, experience_body(outcome="fine")),
        (BulletinBody, question_body(area=LEIPZIG, tension="5")),
        (BulletinBody, question_body()),
        (BulletinBody, question_body(area=LEIPZIG, text="word " * 201)),
        (QuestionBody, question_body(about="x")),
        (QuestionBody, question_body(area=LEIPZIG)),
        (QuestionBody, question_body(title="")),
        (AnswerBody, PASSAGE),
        (AnswerBody, PASSAGE | {"question": "x"}),
    ],
)
def test_other_words_of_another_form_are_refused(model: type[WireModel], body: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        model.from_object(body)
