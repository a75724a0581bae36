"""The codes are stable: programs on other machines choose by them."""

import re

import pytest

from shared_schema.errors import (
    ContractError,
    FeedError,
    MalformedError,
    ReleaseRuleError,
    SchemaError,
    VerificationError,
)
from shared_schema.problem import PROBLEM_TYPE_PREFIX, ProblemCode, problem_type


@pytest.mark.parametrize("code", ProblemCode)
def test_a_code_is_lower_case_words_and_the_end_of_its_type(code: ProblemCode) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code.value)
    assert code.value == code.name.lower().replace("_", "-")
    assert problem_type(code) == PROBLEM_TYPE_PREFIX + code.value


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ContractError, ProblemCode.SCHEMA),
        (SchemaError, ProblemCode.SCHEMA),
        (MalformedError, ProblemCode.MALFORMED_JSON),
        (VerificationError, ProblemCode.BAD_SIGNATURE),
        (ReleaseRuleError, ProblemCode.RELEASE_RULE),
        (FeedError, ProblemCode.FEED_FORK),
    ],
)
def test_every_error_has_a_code_of_its_own_and_takes_a_finer_one(error: type[ContractError], code: ProblemCode) -> None:
    assert error("expected something").code is code
    finer = error("expected something", code=ProblemCode.TEXT)
    assert (finer.code, finer.message, str(finer)) == (ProblemCode.TEXT, "expected something", "expected something")
    assert error.code is code
