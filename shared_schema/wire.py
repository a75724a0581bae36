"""The form of everything on the wire: strict, frozen, without unknown fields, and errors that echo nothing."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared_schema import canonical
from shared_schema.errors import SchemaError

_SHOWN_ERRORS = 5
_MAX_DESCRIPTION = 400
"""Characters. A problem document has at most 2 KB, and nobody reads more."""


class WireModel(BaseModel):
    """Base of every message and part of a message."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)
    field_names: ClassVar[set[str]] = set()
    """The names of all fields of all messages: the only words of a message that an error may repeat."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        WireModel.field_names.update(cls.model_fields)

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
    parts: list[str] = []
    for item in error.errors(include_input=False, include_url=False, include_context=False)[:_SHOWN_ERRORS]:
        part = f"{_place(item['loc'])}: {_message(item['type'], item['msg'])}"
        if parts and len("; ".join([*parts, part])) > _MAX_DESCRIPTION:
            break
        parts.append(part[:_MAX_DESCRIPTION])
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _message(kind: str, message: str) -> str:
    if kind == "union_tag_invalid":  # pydantic repeats the name that was sent
        return "expected a name that this version knows"
    return message.removeprefix("Value error, ")


def _place(location: tuple[int | str, ...]) -> str:
    # pydantic puts a sender's own keys into the location (unknown fields, the keys of `dims`), and "[key]" after them.
    known = [
        str(part) if isinstance(part, int) or part in WireModel.field_names else "(unknown field)"
        for part in location
        if part != "[key]"
    ]
    return ".".join(known) or "the top"
