"""Questions at random from the description of an interface, and every answer held to it.

Schemathesis makes requests that fit the description and such that do not. No answer may be a 5xx that is not described
(503 and 507 are), no status, content type or problem document may be one that is not described.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from shared_schema.service.interface import Operation

CHECKS: Final = [status_code_conformance, content_type_conformance, response_schema_conformance]


def ask_at_random(
    described: Mapping[str, Any],
    operation: Operation,
    url: str,
    headers: Callable[[Any], Mapping[str, str]],
    examples: int,
) -> None:
    """Ask one operation so many times. Raises schemathesis' failure with the request and the answer."""
    schema = schemathesis.openapi.from_dict(dict(described))

    @given(case=schema[operation.path][operation.method].as_strategy())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=url, headers=dict(headers(case)), checks=CHECKS)

    ask()
