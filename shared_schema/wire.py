"""The form of everything on the wire: strict, frozen, without unknown fields, and errors that echo nothing."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared_schema import canonical
from shared_schema.errors import SchemaError

_VALUES_OF_THE_SENDER = frozenset({"extra_forbidden", "invalid_key"})
_SHOWN_ERRORS = 5


class WireModel(BaseModel):
    """Base of every message and part of a message."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)

    def to_object(self) -> dict[str, Any]:
        """Plain JSON values; absent values are absent keys."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_bytes(self) -> bytes:
        """Canonical JSON. Raises SchemaError when a text may not be signed."""
        return canonical.encode(self.to_object())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read canonical JSON. Raises MalformedError or SchemaError."""
        canonical.parse_canonical(data)
        return cls.from_checked_bytes(data)

    @classmethod
    def from_checked_bytes(cls, data: bytes) -> Self:
        """As `from_bytes`, when `parse_canonical` or `parse_strict` has read these very bytes before."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise SchemaError(describe(error)) from None

    @classmethod
    def from_object(cls, value: object) -> Self:
        """Read plain JSON values, for example a part of a message. Raises SchemaError."""
        if not isinstance(value, dict):
            raise SchemaError("expected an object")
        return cls.from_checked_bytes(canonical.encode(value))


def describe(error: ValidationError) -> str:
    """One sentence with the places that are wrong; never a value, never a key that the sender chose."""
    parts = []
    for item in error.errors(include_input=False, include_url=False, include_context=False)[:_SHOWN_ERRORS]:
        location = [str(part) for part in item["loc"]]
        if item["type"] in _VALUES_OF_THE_SENDER:
            location = [*location[:-1], "(unknown field)"]
        place = ".".join(location) or "the top"
        parts.append(f"{place}: {item['msg'].removeprefix('Value error, ')}")
    more = error.error_count() - _SHOWN_ERRORS
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
