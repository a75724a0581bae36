"""The enums say what `vocabulary.json` says, and nothing else."""

import json
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from typing import Any

import pytest

from shared_schema import vocabulary
from shared_schema._generate_vocabulary import VERSION, class_name, generate, member_name
from shared_schema.vocabulary import (
    VOCABULARIES,
    VOCABULARY_VERSION,
    AgencyType,
    EvidenceLevel,
    NeverShare,
    Outcome,
    Phenomenon,
    Setting,
    Sharing,
    label,
)

PACKAGE = resources.files("shared_schema")
SOURCE = PACKAGE.joinpath("vocabulary.json").read_text(encoding="utf-8")
DOCUMENT: Mapping[str, Any] = json.loads(SOURCE)


def test_every_list_and_code_of_the_json_is_an_enum_in_the_same_order() -> None:
    in_json = {name: [term["code"] for term in terms] for name, terms in DOCUMENT["vocabularies"].items()}
    in_code = {name: [term.value for term in enum] for name, enum in VOCABULARIES.items()}
    assert in_code == in_json
    assert list(in_code) == list(in_json)


def test_every_enum_of_the_module_is_listed_under_its_name() -> None:
    enums = {value for value in vars(vocabulary).values() if isinstance(value, type) and issubclass(value, StrEnum)} - {
        StrEnum
    }
    assert set(VOCABULARIES.values()) == enums
    assert {name: enum.__name__ for name, enum in VOCABULARIES.items()} == {
        name: class_name(name) for name in VOCABULARIES
    }


def test_the_file_on_disk_is_what_the_generator_writes() -> None:
    assert PACKAGE.joinpath("vocabulary.py").read_text(encoding="utf-8") == generate(SOURCE)


def test_the_version_is_the_one_the_json_names() -> None:
    assert VOCABULARY_VERSION == VERSION
    assert f"version {VOCABULARY_VERSION}." in DOCUMENT["note"]


def test_every_term_has_the_label_of_the_json() -> None:
    for name, terms in DOCUMENT["vocabularies"].items():
        for term in terms:
            assert label(VOCABULARIES[name](term["code"])) == term["label"]
            assert term["label"].strip()


def test_the_same_code_in_two_lists_keeps_its_own_label() -> None:
    assert label(Phenomenon.UNKNOWN) == "Unknown / not stated"
    assert label(Setting.UNKNOWN) == "Other / unknown"


def test_a_term_of_a_foreign_enum_has_no_label() -> None:
    class Local(StrEnum):
        RWE = "RWE"

    with pytest.raises(KeyError):
        label(Local.RWE)


def test_the_lists_cannot_be_changed_at_run_time() -> None:
    with pytest.raises(TypeError):
        VOCABULARIES["phenomenon"] = Outcome  # type: ignore[index]


@pytest.mark.parametrize(
    ("term", "code"),
    [
        (Phenomenon.REL_ISL, "REL.ISL"),
        (Phenomenon.UNKNOWN, "_U"),
        (EvidenceLevel.LEVEL_0, "0"),
        (AgencyType.NGO_COUNSELLING, "ngo_counselling"),
        (Sharing.AMBER_STRICT, "amber+strict"),
        (NeverShare.RACIAL_OR_ETHNIC_ORIGIN, "racial-or-ethnic-origin"),
    ],
)
def test_a_code_becomes_a_valid_member_name(term: StrEnum, code: str) -> None:
    assert term.value == code
    assert term.name == member_name(code)


def test_two_codes_that_would_share_a_member_are_refused() -> None:
    terms = [{"code": "a.b", "label": "One"}, {"code": "a-b", "label": "Other"}]
    with pytest.raises(ValueError, match="got several for A_B"):
        generate(json.dumps({"vocabularies": {"clash": terms}}))
