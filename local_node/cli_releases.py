"""The commands for releases: ask for one, look at it, decide; and for what this city tried."""

from pathlib import Path
from typing import Annotated, Any

import typer

from local_node.cli import HERE, NEEDS_A_LOOK, AsJson, By, DataDir, _ask, _print, _run, practice, release
from shared_schema.service.control import VerbError

Seen = Annotated[
    str | None, typer.Option(help="Digest of the text that you have seen; needed when somebody else changed it.")
]
Correction = Annotated[
    bool, typer.Option("--correction", help="What has changed since the release, in place of the release itself.")
]
Request = Annotated[str, typer.Argument(help="The request's id, for example r1.")]
TableId = Annotated[str, typer.Argument(metavar="TABLE", help="The table, e.g. bias_incidents.by_offence.")]
ReleasePeriod = Annotated[str, typer.Argument(help="The period, for example 2014-01.")]
EpsilonMilli = Annotated[int | None, typer.Option(help="Spend less than the table's epsilon, in thousandths.")]


@release.command("request")
def release_request(
    table_id: TableId,
    period: ReleasePeriod,
    by: By,
    epsilon_milli: EpsilonMilli = None,
    correction: Correction = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask for the release of figures; shows exactly what would leave."""
    params: dict[str, Any] = {"table": table_id, "period": period, "by": by, "correction": correction}
    if epsilon_milli is not None:
        params["epsilon_milli"] = epsilon_milli
    result = _ask(data, "release.numbers", params)
    if as_json:
        _print(result, as_json)
        return
    _print({name: value for name, value in result.items() if name not in ("cells", "preview")}, as_json)
    _print_preview(result["preview"])


@release.command("preview")
def release_preview(
    table_id: TableId,
    period: ReleasePeriod,
    epsilon_milli: EpsilonMilli = None,
    correction: Correction = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """What a release would tell and cost, and what holds it back; nothing is drawn, charged or changed."""
    params: dict[str, Any] = {"table": table_id, "period": period, "correction": correction}
    if epsilon_milli is not None:
        params["epsilon_milli"] = epsilon_milli
    result = _ask(data, "release.preview", params)
    if as_json:
        _print(result, as_json)
    else:
        _print_preview(result)


def _print_preview(shown: dict[str, Any]) -> None:
    """As a table of cells, what it costs, and what holds it back."""
    what = f"correction {shown['correction']} of {shown['table']}" if shown["correction"] else shown["table"]
    cost = shown["cost"]
    lines: dict[str, Any] = {"preview": f"{what} {shown['period']}, protected by {shown['protection']}"}
    if shown["cells"]:
        lines["cells"] = shown["cells"]
    if cost is not None:
        lines |= {"costs": cost["words"], "left": cost["left"]}
    lines |= {"held back": [reason["reason"] for reason in shown["held_back"]], "advice": shown["advice"]}
    lines |= {"left out": shown["left_out"]}
    _print(lines, as_json=False, columns=("cell", "status", "leaves", "margin"))


@release.command("list")
def release_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """All release requests."""
    columns = ("request", "kind", "subject", "state", "by", "findings", "decided_by", "reason")
    _run(data, "release.list", {}, as_json, columns=columns)


@release.command("show")
def release_show(request: Request, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """One request, with exactly what would leave and what was found in its words."""
    _run(data, "release.show", {"request": request}, as_json)


@release.command("approve")
def release_approve(
    request: Request,
    by: By,
    accept: Annotated[list[str] | None, typer.Option(help="NUMBER=REASON: why a finding may stay; repeatable.")] = None,
    seen: Seen = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Approve as the second person."""
    accepted = {}
    for pair in accept or ():
        number, equals, reason = pair.partition("=")
        if not equals or not number.strip().isdecimal():
            raise VerbError(
                "bad-parameter", "expected --accept NUMBER=REASON, for example --accept '0=a public office'"
            )
        accepted[number.strip()] = reason.strip()
    _run(data, "release.approve", {"request": request, "by": by, "accept": accepted, "seen": seen}, as_json)


@release.command("resolve")
def release_resolve(
    request: Request,
    by: By,
    mask: Annotated[list[int] | None, typer.Option(help="Number of a finding to mask; repeatable.")] = None,
    coarsen: Annotated[
        list[int] | None, typer.Option(help="Number of a finding to put in the coarser words; repeatable.")
    ] = None,
    seen: Seen = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Mask what was found in a text, or put it in coarser words, as the second person; shows what would leave then."""
    params = {"request": request, "by": by, "mask": mask or [], "coarsen": coarsen or [], "seen": seen}
    _run(data, "release.resolve", params, as_json)


@release.command("recheck")
def release_recheck(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Look through released texts again that older rules have looked at."""
    if _run(data, "release.recheck", {}, as_json)["found"]:
        raise SystemExit(NEEDS_A_LOOK)


@release.command("refuse")
def release_refuse(
    request: Request,
    by: By,
    reason: Annotated[str, typer.Option(help="Why.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Refuse a request, or take back your own."""
    _run(data, "release.refuse", {"request": request, "by": by, "reason": reason}, as_json)


@release.command("again")
def release_again(request: Request, by: By, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Let a request that was held by a rule be decided anew."""
    _run(data, "release.again", {"request": request, "by": by}, as_json)


@practice.command("add")
def practice_add(
    file: Annotated[Path, typer.Argument(help="A JSON file with the practice; deploy/demo/practices has examples.")],
    by: By,
    audience: Annotated[str, typer.Option(help="region, nation or europe.")] = "europe",
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask for the release of a practice, whether it worked or not."""
    _run(data, "release.practice", {"file": str(file.resolve()), "by": by, "audience": audience}, as_json)
