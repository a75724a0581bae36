"""What a hub says about its members and its rules, and what an author takes back."""

import base64
import hashlib
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody, UnnamedAttribution
from shared_schema.errors import ContractError
from shared_schema.keys import MemberRole, MemberStatus, PublicKey
from shared_schema.names import Base64Key, Digest, Operator, Origin, TermId, Timestamp, Version
from shared_schema.period import Area, Granularity
from shared_schema.rotation import MAX_CHAIN, SignedRotation, rotation_from_object
from shared_schema.trend import MAX_ABSOLUTE_VALUE, MeasureDefinition, TableDefinition
from shared_schema.vocabulary import SourceKind
from shared_schema.wire import WireModel

Level = Literal["region", "nation", "europe"]
DEFAULT_P_PERCENT = 15
DEFAULT_LEAST_SHOWN = 11
DEFAULT_THRESHOLD_FLOOR = 5
"""DESIGN section 4; what a policy that says nothing about them means."""
LEAST_CONTRIBUTORS = 3
"""In a sum of two, each of them knows the other. A policy that says less is read, and this counts."""
LEAST_BATCH: Final = 5
"""Of four cities, three that put their figures together know the fourth's under one hub's noise alone."""
MAX_MEMBERS: Final = 2_000
"""`canonical.MAX_ELEMENTS`: no list is longer."""
MAX_OPEN_DAYS: Final = 100
"""A quarter and some: keys that lie about for longer can be lost for longer."""


class MembershipBody(WireModel):
    """A hub's word that a key belongs to a member, from this place in its log on.

    The role `parent` is how a hub vouches for the hub above it, so that its members can check what comes from there.

    `rotation` is the member's own word that the key takes the place of the one before, signed with both; without it the
    one before is lost, and counts for nothing from here on. `former_until` says until when the hub still takes what the
    key before has signed. `revoked_keys` are former keys that end here. A hub's word about its own name announces its
    next key, or says who runs it.

    `operator` is who runs a hub. Two hubs of one operator are one hub to a sealed total (`is_same_operator`).
    """

    member: Origin
    role: MemberRole
    key: Base64Key
    status: MemberStatus
    area: Area
    level: Level | None = None
    not_before: Timestamp | None = None
    not_after: Timestamp | None = None
    rotation: dict[str, Any] | None = None
    former_until: Timestamp | None = None
    revoked_keys: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=50)] | None = None
    operator: Operator | None = None

    @field_validator("key")
    @classmethod
    def _is_strong(cls, encoded: str) -> str:
        try:
            PublicKey(base64.b64decode(encoded, validate=True))
        except ContractError as error:
            raise ValueError(error.message) from None
        return encoded

    @field_validator("rotation")
    @classmethod
    def _is_rotation(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """Its form alone: whether it holds depends on the key that a reader knows (`Directory.apply`)."""
        try:
            if value is not None and rotation_from_object(value).to_object() != value:
                raise ValueError("expected the one spelling of a rotation")
        except ContractError as error:
            raise ValueError(error.message) from None
        return value

    @model_validator(mode="after")
    def _overlap_has_a_rotation(self) -> Self:
        if self.former_until is not None and self.rotation is None:
            raise ValueError("expected former_until beside a rotation only")
        return self

    @model_validator(mode="after")
    def _only_hubs_have_operators(self) -> Self:
        if self.operator is not None and self.role is MemberRole.NODE:
            raise ValueError("expected operator in the word about a hub only")
        return self

    @property
    def public_key(self) -> PublicKey:
        return PublicKey(base64.b64decode(self.key))

    @property
    def signed_rotation(self) -> SignedRotation | None:
        return None if self.rotation is None else rotation_from_object(self.rotation)


class PeriodAdvice(WireModel):
    """From `from_units` a year on (in one table) a city's figures are useful at periods of this length."""

    from_units: Annotated[int, Field(ge=0, le=10**9)]
    granularity: Granularity


class SealedTable(WireModel):
    """A table that this hub collects as a sealed total, together with `helper`, and no city releases in any other way.

    A batch is opened for each period of `granularity` when it has ended, is open for `open_days`, takes counts up to
    `maximum` in each cell, and is void with fewer than `min_batch` cities. The epsilon is the table's, at each hub.
    With `source_kind` it takes figures of that kind alone, so that a total is one of the same things.
    """

    table: TermId
    version: Annotated[int, Field(ge=1, le=10_000)]
    granularity: Granularity
    helper: Origin
    maximum: Annotated[int, Field(ge=1, le=MAX_ABSOLUTE_VALUE)]
    min_batch: Annotated[int, Field(ge=LEAST_BATCH, le=MAX_MEMBERS)]
    open_days: Annotated[int, Field(ge=1, le=MAX_OPEN_DAYS)]
    source_kind: SourceKind | None = None


class PolicyBody(WireModel):
    """The rules of a hub: its measures and tables, the floor for privacy, the vocabulary. A node may only be stricter.

    Together the tables of a measure spend at most `epsilon_milli_per_measure`, in thousandths, per unit and year; all
    measures at most `epsilon_milli_total`. A sum is shown from `min_contributors` cities on, when nobody can estimate
    one of them to within `p_percent` percent, and read as a number from `least_shown` on. Cities that refuse noise
    suppress below `threshold_floor` at least. What is absent has its DEFAULT. Holders erase contents of others after
    `retention_months`; a program older than `least_software` hands in nothing. Absent, there is no such limit.
    `sealed` tables are collected by two hubs as totals alone (docs/sealed_totals.md).
    """

    version: Annotated[int, Field(ge=1, le=10**6)]
    vocabulary_version: Annotated[int, Field(ge=1, le=10**6)]
    tables: Annotated[tuple[TableDefinition, ...], Field(max_length=200)]
    epsilon_milli_per_measure: Annotated[int, Field(ge=1, le=10_000)]
    epsilon_milli_total: Annotated[int, Field(ge=1, le=10_000)]
    min_contributors: Annotated[int, Field(ge=1, le=100)]
    measures: Annotated[tuple[MeasureDefinition, ...], Field(min_length=1, max_length=100)] | None = None
    p_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    least_shown: Annotated[int, Field(ge=1, le=1_000)] | None = None
    threshold_floor: Annotated[int, Field(ge=5, le=1_000)] | None = None
    advice: Annotated[tuple[PeriodAdvice, ...], Field(min_length=1, max_length=3)] | None = None
    retention_months: Annotated[int, Field(ge=1, le=1_200)] | None = None
    least_software: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,4})(\.(0|[1-9][0-9]{0,4})){2}$")] | None = None
    sealed: Annotated[tuple[SealedTable, ...], Field(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _sealed_are_tables(self) -> Self:
        named = [(each.table, each.version) for each in self.sealed or ()]
        if len(set(named)) != len(named):
            raise ValueError("expected every sealed table once")
        for each in self.sealed or ():
            table = self.find_table(each.table, each.version)
            if table is None or each.granularity not in table.granularities:
                raise ValueError("expected sealed tables among the tables, with a period of a length that they allow")
            if each.source_kind is not None and each.source_kind not in table.source_kinds:
                raise ValueError("expected sealed tables with a source kind that their table allows")
        return self

    @model_validator(mode="after")
    def _tables_differ(self) -> Self:
        if len({(table.id, table.version) for table in self.tables}) != len(self.tables):
            raise ValueError("expected every version of a table once")
        return self

    @model_validator(mode="after")
    def _tables_fit_measures(self) -> Self:
        """Only with measures: policies from before version 0.2 have none."""
        if self.measures is None:
            return self
        known = {measure.id: measure for measure in self.measures}
        if len(known) != len(self.measures):
            raise ValueError("expected every measure once")
        for table in self.tables:
            measure = known.get(table.measure)
            if measure is None:
                raise ValueError("expected the measure of every table in measures")
            if table.unit != measure.unit or not set(table.source_kinds) <= set(measure.source_kinds):
                raise ValueError("expected tables to have the unit and the source kinds of their measure")
        for measure in self.measures:
            if self.epsilon_milli_of(measure.id) > self.epsilon_milli_per_measure:
                raise ValueError("expected the tables of a measure to share epsilon_milli_per_measure")
        return self

    @property
    def least_contributors(self) -> int:
        return max(LEAST_CONTRIBUTORS, self.min_contributors)

    @property
    def p_rule_percent(self) -> int:
        return DEFAULT_P_PERCENT if self.p_percent is None else self.p_percent

    @property
    def least_number_shown(self) -> int:
        return DEFAULT_LEAST_SHOWN if self.least_shown is None else self.least_shown

    @property
    def least_threshold(self) -> int:
        return DEFAULT_THRESHOLD_FLOOR if self.threshold_floor is None else self.threshold_floor

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical policy: names exactly this registry of measures and tables."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def find_measure(self, measure_id: str) -> MeasureDefinition | None:
        """The measure with this id; None where the policy has none of that name, or no measures at all."""
        return next((measure for measure in self.measures or () if measure.id == measure_id), None)

    def counts_stock(self, measure_id: str) -> bool:
        """Whether a measure says how many there are, which is never added up over time."""
        measure = self.find_measure(measure_id)
        return measure is not None and measure.stock is True

    def epsilon_milli_of(self, measure_id: str) -> int:
        """What the newest versions of a measure's tables may spend together."""
        newest = {table.id: self.find_table(table.id) for table in self.tables if table.measure == measure_id}
        return sum(table.epsilon_milli for table in newest.values() if table is not None)

    def find_sealed(self, table_id: str, version: int) -> SealedTable | None:
        """How this version of a table is collected as a sealed total; None where cities release it themselves."""
        return next((each for each in self.sealed or () if (each.table, each.version) == (table_id, version)), None)

    def find_table(self, table_id: str, version: int | None = None) -> TableDefinition | None:
        """The table with this id, in this version or in the newest one."""
        found = [table for table in self.tables if table.id == table_id and version in (None, table.version)]
        return max(found, key=lambda table: table.version, default=None)


class WithdrawalBody(WireModel):
    """An author takes an item back; every holder erases the content and keeps the digest.

    With `to`, an audience below that of the item, it is taken back from those beyond it alone: that narrows it.
    `region` are the author's home hub and its members, `nation` all hubs of its nation and their members.
    """

    digest: Digest
    reason: Literal["error", "consent", "outdated", "other"]
    to: Literal["region", "nation"] | None = None


class RelayedBody(WireModel):
    """An item whose author chose not to be named: the hub has verified the city's signature and vouches for it.

    What could point to the author is general, and every reader checks that it is: the area is the hub's or the country,
    a review date is the end of a year, a language has no country, and the review note says only that a second person
    looked, not in which role and with which version of which program.
    """

    attribution: UnnamedAttribution
    practice: PracticeBody | None = None
    experience: ExperienceBody | None = None
    answer: AnswerBody | None = None

    @property
    def content(self) -> PracticeBody | ExperienceBody | AnswerBody:
        """The one that is there."""
        found = self.practice or self.experience or self.answer
        if found is None:
            raise ValueError("expected a content")
        return found

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if sum(part is not None for part in (self.practice, self.experience, self.answer)) != 1:
            raise ValueError("expected either a practice, an experience or an answer")
        return self

    @model_validator(mode="after")
    def _says_no_more(self) -> Self:
        content = self.content
        if content.attribution != self.attribution:
            raise ValueError("expected the content to have the same attribution")
        if not isinstance(content, AnswerBody) and not _is_general(content.area, self.attribution):
            raise ValueError("expected the area of the hub or the country, and of no municipality")
        if (content.review.role, content.review.detector, content.review.findings) != RELAYED_REVIEW:
            raise ValueError("expected the review note that all relayed items have")
        if getattr(content, "surroundings", None) is not None:
            raise ValueError("expected nothing about the city's size")
        if "-" in content.language:
            raise ValueError("expected a language without its country")
        if isinstance(content, PracticeBody) and content.review_by is not None and content.review_by[5:] != "12":
            raise ValueError("expected the end of a year as review_by")
        return self


RELAYED_REVIEW: Final = ("reviewer", "relayed", 0)
"""Role, detector and findings in the review note of everything that is relayed: a second person looked. The hub takes
nothing that one person released alone; which role it was and which program helped stay between it and the city."""
COUNTRY_DIGITS: Final = 2


def _is_general(area: Area, attribution: UnnamedAttribution) -> bool:
    if attribution == "country":
        return area.scheme == "ISO3166" and len(area.code) == COUNTRY_DIGITS
    return area.scheme != "LAU"


class EnrolmentRequest(WireModel):
    """A node (or a hub) asks to become a member; signed with the very key it asks for.

    `rotations` is how a hub's key was handed on, oldest first: its log began with the first one. `operator` is who runs
    a hub, as it says itself; whoever admits it writes down what is true.
    """

    v: Version = 1
    name: Origin
    role: Literal[MemberRole.NODE, MemberRole.HUB]
    key: Base64Key
    area: Area
    code: Annotated[str, Field(pattern=r"^[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}$")]
    level: Level | None = None
    url: Annotated[str, Field(max_length=300, pattern=r"^https?://[^\s@]+$")] | None = None
    rotations: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_CHAIN)] | None = None
    operator: Operator | None = None

    @model_validator(mode="after")
    def _only_hubs_have_operators(self) -> Self:
        if self.operator is not None and self.role is MemberRole.NODE:
            raise ValueError("expected operator in the request of a hub only")
        return self

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
