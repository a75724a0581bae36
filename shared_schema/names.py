"""The names of nodes and hubs, digests, key ids: short texts with one form each."""

from typing import Annotated

from pydantic import Field, StringConstraints

ORIGIN_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,40}[a-z0-9])?){1,4}$"
"""Like a DNS name, because that is unique without a registrar of ours: `leipzig.sn.de`."""

Origin = Annotated[str, StringConstraints(pattern=ORIGIN_PATTERN, max_length=100)]
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
