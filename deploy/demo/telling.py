"""What the demo found, in lines for people; also when it is bad."""

from collections.abc import Iterator

from deploy.demo import one_operator, sealed
from deploy.demo.check import Findings
from deploy.demo.federation import ANALYST, COORDINATOR, OPERATOR, PASSWORD, REVIEWER, Federation
from deploy.demo.sealed import Total
from deploy.demo.sealed_story import Sealed


def findings_in_lines(findings: Findings, federation: Federation) -> list[str]:
    """What was found, and where to look."""
    low = f"{findings.coverage_95:.1%} of {findings.aggregate_cells} added-up cells hold the true count"
    return [
        "",
        "What was found",
        f"  statements from cities        {findings.statements}",
        f"  logs                          {findings.log_sizes}, verified: {findings.logs_verified}",
        f"  practices read in every city  {findings.practices_read_in_every_city}",
        f"  practice taken back           by {findings.withdrawn_by}; {findings.recall} hubs and cities confirmed it, "
        + ("and nobody shows it any more" if findings.withdrawn_everywhere else "and SOMEBODY STILL HAS IT"),
        f"  origin signatures verified    {findings.origin_signatures_verified}, by the cities themselves",
        f"  95 % intervals                {low}",
        f"  sums back in every city       {findings.aggregates_in_every_city}",
        *_of_sealed_total(findings.sealed),
        f"  one operator for both hubs    {_of_one_operator(findings)}",
        f"  seconds                       {findings.seconds}",
        *(f"  PROBLEM: {problem}" for problem in findings.problems),
        "",
        f"Where to look (password: {PASSWORD})",
        f"  cities: sign in as {COORDINATOR}, coordinator, or {REVIEWER}, reviewer",
        f"  hubs: sign in as {ANALYST}, analyst, or {OPERATOR}, operator (with a second factor)",
        *(f"  {program.name:16} {program.url}  {program.data}" for program in federation.programs),
    ]


def _of_sealed_total(found: Sealed) -> Iterator[str]:
    hubs = " and ".join(f"{operator} ({name})" for name, operator in found.operators.items())
    each = "one share each" if set(found.shares) == {1} else f"shares of each: {found.shares}"
    yield f"  sealed total                  {sealed.TABLE}, {sealed.MONTH}; run by {hubs}"
    yield f"  its cities                    {found.cities} cities, {each}, {found.readable} readable at either hub"
    yield f"  its keys                      {found.keys_left} left in all files of both hubs"
    if found.region is None:
        yield "  published                     NOTHING"
        return
    yield from _of_total(found.region, found.nation)


def _of_total(total: Total, nation: Total | None) -> Iterator[str]:
    cells = ", ".join(f"{cell.code} {cell.total} ({cell.true})" for cell in total.cells)
    is_whole = nation is not None and nation.cells == total.cells
    off = f"{total.mean_off:.1f} on average, {total.most_off} at most"
    yield f"  published (and true)          {cells}"
    yield f"  off by                        {off}; the standard deviation that it states is {total.deviation:.1f}"
    yield f"  in the nation's sum           {'the same, and no noise was added' if is_whole else 'NOT THE SAME'}"


def _of_one_operator(findings: Findings) -> str:
    if not findings.same_operator_refused:
        return "NOT REFUSED"
    doing = f"the collection of {one_operator.NEXT_MONTH} that cities see as unreadable is this demo's own doing"
    return f"refused by the city (same-operator); {doing}"
