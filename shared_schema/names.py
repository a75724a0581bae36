"""The names of nodes and hubs, digests, key ids, times: short texts with one form each."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

ORIGIN_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?){1,4}$"
"""Like a DNS name, because that is unique without a registrar of ours: `leipzig.sn.de`."""

Origin = Annotated[str, StringConstraints(pattern=ORIGIN_PATTERN, max_length=100)]
LOG_NAME_PATTERN = r"^[!-*,-~]{1,200}$"
"""What a log of somebody else is called, such as `example.com/log/42`: printable ASCII without a space and a plus
sign, because it is printed on people's screens. C2SP signed-note allows nearly everything."""
LogName = Annotated[str, StringConstraints(pattern=LOG_NAME_PATTERN)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Version = Annotated[int, Field(ge=1, le=1)]
"""The version of the protocol. Not `Literal[1]`: pydantic lets `true` pass for that."""
Base64Of32 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$")]
"""32 bytes in base64. The last digit carries four bits; as the other two are 0, there is one spelling."""
Base64Key = Base64Of32
TermId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*$", max_length=80)]
"""Identifier of a measure, a table or a dimension: `bias_incidents.by_offence`."""
CellCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.+-]{1,40}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$", max_length=35)]
"""BCP 47 language tag; `und` when it is not known."""
Operator = Annotated[str, StringConstraints(min_length=1, max_length=120)]
"""Who runs a hub, in words: the body that is answerable for its machine and its administrators."""

TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)


def is_same_operator(one: str, other: str) -> bool:
    """Whether two texts name one operator, whatever the capitals, the spaces and the forms of the letters are.

    Unicode section 3.13, compatibility caseless match, twice normalised because folding can undo a normal form.
    """
    return _plain(one) == _plain(other)


def _plain(text: str) -> str:
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.split())


def format_time(moment: datetime) -> str:
    """UTC, to the second: `2026-11-22T09:00:00Z` (RFC 3339)."""
    return moment.astimezone(UTC).strftime(TIME_FORMAT)


def parse_time(text: str) -> datetime:
    """The inverse of `format_time`. Raises ValueError, whose message repeats nothing of the text."""
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("expected a time such as 2026-11-22T09:00:00Z")


def _check_time(text: str) -> str:
    parse_time(text)
    return text


Timestamp = Annotated[str, AfterValidator(_check_time)]
