"""What a form sends: bounded, as texts that are what they seem (CHECKS 19, 25), or a FormError that names the field."""

import unicodedata
from collections.abc import AsyncGenerator, Collection
from typing import Annotated, Final

from fastapi import Depends
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

from shared_schema.errors import ProgramError
from shared_schema.problem import ProblemCode
from shared_schema.service.limits import RequestError, read_body

MAX_FILE_BYTES: Final = 5 * 1024 * 1024
MAX_FORM_BYTES: Final = MAX_FILE_BYTES + 512 * 1024
MAX_FIELDS: Final = 5_000
"""A month of sixty agencies has fewer."""
SET_HERE: Final = frozenset({"at", "by", "issued_at", "now", "origin", "region", "seq", "status", "time"})
"""What no form says, because the program does: who acts, when, from where, in which state something is (CHECKS 47)."""


class FormError(ProgramError):
    """A field holds something else than expected; `field` is its name."""

    code = "form"

    def __init__(self, message: str, field: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field


class _InMemory(MultiPartParser):
    """Files stay in memory: a spooled one would leave records in a temporary file."""

    spool_max_size = MAX_FORM_BYTES


async def read_form(request: Request) -> AsyncGenerator[FormData, None]:
    """The fields and files of a form, closed after the answer.

    Raises RequestError for what is no form, or too large, or too slow, or says what `check_names` refuses.
    """
    form = await _parse_form(request)
    try:
        check_names(request, form)
        yield form
    finally:
        await form.close()


def check_names(request: Request, form: FormData) -> None:
    """Raise RequestError when a form wants to set what the program sets, or names another thing than its address does.

    Both can only be forged, or a page that is mixed up: nothing that is meant for one record reaches another.
    """
    if not (SET_HERE - _asked_for(request)).isdisjoint(form):
        raise RequestError("expected no field for what the program sets itself", code=ProblemCode.SCHEMA)
    for part, wanted in request.path_params.items():
        names = (part, "id") if part.endswith("_id") else (part,)
        if any(value != wanted for name in names for value in form.getlist(name)):
            raise RequestError(f"expected the same {part} as in the address", code=ProblemCode.ADDRESS_CONFLICT)


def _asked_for(request: Request) -> frozenset[str]:
    """What this program asks people for all the same: `app.state.asked_for`."""
    return frozenset(getattr(request.app.state, "asked_for", ()))


async def _parse_form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        raise RequestError("expected a form", code=ProblemCode.UNSUPPORTED_MEDIA_TYPE)
    body = await read_body(request, MAX_FORM_BYTES)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    try:
        if kind == "multipart/form-data":
            parser = _InMemory(
                request.headers, stream(), max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FILE_BYTES
            )
            return await parser.parse()
        return await FormParser(request.headers, stream(), max_fields=MAX_FIELDS, max_part_size=MAX_FILE_BYTES).parse()
    except MultiPartException:
        raise RequestError("expected a form that is whole", code=ProblemCode.BAD_PARAMETER) from None


Form = Annotated[FormData, Depends(read_form)]
"""A handler's parameter that is the form which was sent."""


def text_of(form: FormData, field: str, *, most: int, least: int = 0, lines: bool = False) -> str:
    """A text field: composed as Unicode's NFC, without space around it, with `\\n` between lines.

    Raises FormError: too short, too long, a control or direction character, or a line break where none belongs.
    """
    value = form.get(field, "")
    if not isinstance(value, str):
        raise FormError(f"expected a text in {field}", field)
    text = unicodedata.normalize("NFC", value.replace("\r\n", "\n").replace("\r", "\n")).strip()
    allowed = "\n\t" if lines else ""
    if any(unicodedata.category(sign) in ("Cc", "Cs") and sign not in allowed for sign in text) or any(
        "\u202a" <= sign <= "\u202e" or "\u2066" <= sign <= "\u2069" for sign in text
    ):
        raise FormError(f"expected printable characters in {field}", field)
    if not least <= len(text) <= most:
        raise FormError(f"expected {least} to {most} characters in {field}, got {len(text)}", field)
    return text


def choice_of(form: FormData, field: str, known: Collection[str]) -> str:
    """One of the known values. Raises FormError."""
    value = form.get(field, "")
    if not isinstance(value, str) or value not in known:
        raise FormError(f"expected one of the choices in {field}", field)
    return value


def choices_of(form: FormData, field: str, known: Collection[str]) -> tuple[str, ...]:
    """All known values that were ticked, each once, in the order of the form. Raises FormError for another one."""
    values = form.getlist(field)
    if any(not isinstance(value, str) or value not in known for value in values):
        raise FormError(f"expected some of the choices in {field}", field)
    return tuple(dict.fromkeys(str(value) for value in values))


def number_of(form: FormData, field: str, *, least: int, most: int) -> int:
    """A whole number in ASCII digits. Raises FormError."""
    text = text_of(form, field, most=20)
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and least <= int(text) <= most):
        raise FormError(f"expected a whole number from {least} to {most} in {field}", field)
    return int(text)


def file_of(form: FormData, field: str) -> tuple[str, bytes]:
    """The name and the bytes of an uploaded file; the name is only ever shown. Raises FormError without one."""
    value = form.get(field)
    if not isinstance(value, UploadFile) or not value.filename:
        raise FormError(f"expected a file in {field}", field)
    data = value.file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise RequestError(f"expected a file of at most {MAX_FILE_BYTES} bytes", code=ProblemCode.TOO_LARGE)
    return value.filename, data


def is_sent(form: FormData, field: str) -> bool:
    """Whether a box was ticked or a button pressed."""
    return form.get(field) is not None
