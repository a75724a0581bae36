"""The description of an interface for programs: OpenAPI 3.1, made of a table that stands beside the routes.

Every operation can also answer with a problem document (RFC 9457); which status belongs to which code is in
`service/problems.py`. A test compares the table with the routes, and another one asks at random what it describes.

    describe("Prevention Exchange hub", "0.2.0", OPERATIONS)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from shared_schema.problem import ProblemCode
from shared_schema.service.problems import MEDIA_TYPE, STATUS

Access = Literal["public", "signature", "token"]
"""Who is answered: anybody, a member that signs its request (RFC 9421) or its message, a script with a token."""
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
BYTES: Final = "application/octet-stream"
_PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "enum": [code.value for code in ProblemCode]},
        "detail": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operation, with its JSON schema."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    where: Literal["query", "path"] = "query"
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One address and method. `answers` are the successes: status → media types; None for one without content."""

    method: Literal["GET", "POST"]
    path: str
    summary: str
    access: Access
    answers: Mapping[int, Sequence[str]]
    parameters: tuple[Parameter, ...] = ()
    bodies: tuple[str, ...] = ()
    """Media types of what is sent."""

    @property
    def route(self) -> str:
        """As the program's own routes name it: without the kind of a path parameter."""
        return f"{self.method} {self.path}"


def describe(title: str, version: str, operations: Iterable[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    successes = {
        str(status): {"description": "Success", "content": {kind: {} for kind in kinds}}
        for status, kinds in operation.answers.items()
    }
    found: dict[str, Any] = {"summary": operation.summary, "responses": successes | _problems()}
    if operation.parameters:
        found["parameters"] = [
            {
                "name": each.name,
                "in": each.where,
                "description": each.description,
                "required": each.required or each.where == "path",
                "schema": dict(each.schema),
            }
            for each in operation.parameters
        ]
    if operation.bodies:
        schema = {kind: {"schema": {"type": "object" if kind == JSON else "string"}} for kind in operation.bodies}
        found["requestBody"] = {"required": True, "content": schema}
    if operation.access == "token":
        found["security"] = [{"token": []}]
    elif operation.access == "signature":
        found["description"] = "Signed by a member: the request (RFC 9421), or the message itself."
    return found


def _problems() -> dict[str, Any]:
    """Every problem that an address can answer with; 500 is none of them: it would be a mistake of the program."""
    codes: dict[int, list[str]] = {}
    for code, status in STATUS.items():
        if status != STATUS[ProblemCode.INTERNAL]:
            codes.setdefault(status, []).append(code.value)
    return {
        str(status): {
            "description": "A problem: " + ", ".join(found),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, found in sorted(codes.items())
    }
