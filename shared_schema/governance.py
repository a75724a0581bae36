"""What a hub says about its members and its rules, and what an author takes back."""

import base64
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared_schema.content import ExperienceBody, PracticeBody
from shared_schema.errors import ContractError
from shared_schema.keys import MemberRole, MemberStatus, PublicKey
from shared_schema.names import Base64Key, Digest, Origin, Timestamp, Version
from shared_schema.period import Area
from shared_schema.trend import TableDefinition
from shared_schema.wire import WireModel

Level = Literal["region", "nation", "europe"]


class MembershipBody(WireModel):
    """A hub's word that a key belongs to a member, from this place in its log on.

    The role `parent` is how a hub vouches for the hub above it, so that its members can check what comes from there.
    """

    member: Origin
    role: MemberRole
    key: Base64Key
    status: MemberStatus
    area: Area
    level: Level | None = None
    not_before: Timestamp | None = None
    not_after: Timestamp | None = None

    @field_validator("key")
    @classmethod
    def _is_strong(cls, encoded: str) -> str:
        try:
            PublicKey(base64.b64decode(encoded, validate=True))
        except ContractError as error:
            raise ValueError(error.message) from None
        return encoded

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(base64.b64decode(self.key))


class PolicyBody(WireModel):
    """The rules of a hub: its tables, the floor for privacy, the vocabulary. A node may only be stricter."""

    version: Annotated[int, Field(ge=1, le=10**6)]
    vocabulary_version: Annotated[int, Field(ge=1, le=10**6)]
    tables: Annotated[tuple[TableDefinition, ...], Field(max_length=200)]
    epsilon_milli_per_measure: Annotated[int, Field(ge=1, le=10_000)]
    epsilon_milli_total: Annotated[int, Field(ge=1, le=10_000)]
    min_contributors: Annotated[int, Field(ge=1, le=100)]

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        if len({(table.id, table.version) for table in self.tables}) != len(self.tables):
            raise ValueError("expected every version of a table once")
        return self

    def find_table(self, table_id: str, version: int | None = None) -> TableDefinition | None:
        """The table with this id, in this version or in the newest one."""
        found = [table for table in self.tables if table.id == table_id and version in (None, table.version)]
        return max(found, key=lambda table: table.version, default=None)


class WithdrawalBody(WireModel):
    """An author takes an item back; every holder erases the content and keeps the digest."""

    digest: Digest
    reason: Literal["error", "consent", "outdated", "other"]


class RelayedBody(WireModel):
    """An item whose author chose not to be named: the hub has verified the city's signature and vouches for it."""

    attribution: Literal["region", "country"]
    practice: PracticeBody | None = None
    experience: ExperienceBody | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if (self.practice is None) == (self.experience is None):
            raise ValueError("expected either a practice or an experience")
        return self


class EnrolmentRequest(WireModel):
    """A node (or a hub) asks to become a member; signed with the very key it asks for."""

    v: Version = 1
    name: Origin
    role: Literal[MemberRole.NODE, MemberRole.HUB]
    key: Base64Key
    area: Area
    code: Annotated[str, Field(pattern=r"^[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}$")]
    level: Level | None = None
    url: Annotated[str, Field(max_length=300, pattern=r"^https?://[^\s@]+$")] | None = None

    @field_validator("key")
    @classmethod
    def _is_strong(cls, encoded: str) -> str:
        try:
            PublicKey(base64.b64decode(encoded, validate=True))
        except ContractError as error:
            raise ValueError(error.message) from None
        return encoded

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(base64.b64decode(self.key))


ENROLMENT_KIND = "enrolment-request"
"""The payload type of an enrolment request; it is no statement, because nobody is a member yet."""
