"""What a submission is held against: the item that it takes back, the release that it corrects, the figures before it.

Plain functions of their arguments; `intake` reads what they need from the log.
"""

from collections.abc import Sequence
from typing import NamedTuple

from regional_hub.errors import IntakeError
from regional_hub.orm import EntryRow
from shared_schema.problem import ProblemCode
from shared_schema.sealed.bodies import ShareBody
from shared_schema.statement import Audience, Kind, Statement
from shared_schema.trend import MAX_ABSOLUTE_VALUE, MAX_VARIANCE_MILLI, LaplaceMechanism, TrendBody


class Target(NamedTuple):
    """An item that can be withdrawn: how far it may travel, of what its figures are, and what was taken back already.

    `audience` is None for a content that is kept as evidence alone, and never travelled.
    """

    origin: str
    audience: Audience | None
    subject: str | None
    narrowed_to: Audience | None = None
    is_withdrawn: bool = False
    is_share: bool = False


def target_of(row: EntryRow) -> Target:
    narrowed_to = None if row.narrowed_to is None else Audience(row.narrowed_to)
    return Target(
        row.origin, Audience(row.audience), row.subject, narrowed_to, row.withdrawn_by is not None,
        row.kind == Kind.SHARE.value,
    )  # fmt: skip


def narrow(target: Target, to: Audience) -> Target:
    """The target with a smaller audience. Raises IntakeError: nobody gets back what was taken from him."""
    before = target.narrowed_to or target.audience
    if before is None or target.is_withdrawn:
        raise IntakeError("expected an item that is not withdrawn altogether", code=ProblemCode.RELEASE_RULE)
    if to.reach >= before.reach:
        raise IntakeError(
            f"expected an audience below {before.value}, which is how far the item may travel now",
            code=ProblemCode.RELEASE_RULE,
        )
    return target._replace(narrowed_to=to)


def check_correction(body: TrendBody, earlier: Sequence[TrendBody]) -> None:
    """A correction speaks of the same as its release, and leads to no figure that a release could not have.

    Sizes are added up, not figures: one of several corrections can be withdrawn. Without a bound a city could make a
    sum of its region that the hub above refuses, and so keep the region out of it.
    """
    release = earlier[0] if earlier else None
    if release is None or (body.table, body.source_kind, body.area) != (
        release.table,
        release.source_kind,
        release.area,
    ):
        raise IntakeError(
            "expected the table's wording, the source kind and the area of the release", code=ProblemCode.RELEASE_RULE
        )
    every = [*earlier, body]
    sizes = (sum(abs(cell.value or 0) for cell in cells) for cells in zip(*(each.cells for each in every), strict=True))
    spread = sum(each.mechanism.variance_milli for each in every if isinstance(each.mechanism, LaplaceMechanism))
    if any(size > MAX_ABSOLUTE_VALUE for size in sizes) or spread > MAX_VARIANCE_MILLI:
        raise IntakeError(
            f"expected a release and its corrections within {MAX_ABSOLUTE_VALUE}, and noise that fits into a sum",
            code=ProblemCode.RELEASE_RULE,
        )


def subjects_behind(statement: Statement) -> list[str]:
    """The subject of a release; for a correction also what must be there: the release, and the correction before."""
    body = statement.body
    if not isinstance(body, TrendBody | ShareBody):
        return []
    release = f"{body.table.id}@{body.table.version}/{body.period.label}"
    if isinstance(body, ShareBody) or body.correction is None:
        return [release]
    before = [f"{release}/c{body.correction - 1}"] if body.correction > 1 else []
    return [f"{release}/c{body.correction}", release, *before]
