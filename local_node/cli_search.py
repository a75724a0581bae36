"""The commands for finding and reading what other cities have written: `search`, `digest` and `show`."""

from typing import Annotated, Any

import typer

from local_node.cli import HERE, AsJson, DataDir, _ask, _print, _run, cli

COLUMNS = ("digest", "title", "outcome", "author", "note", "alike")


@cli.command()
def search(
    words: Annotated[list[str] | None, typer.Argument(help="Words to look for, a phrase in quotation marks.")] = None,
    phenomenon: Annotated[list[str] | None, typer.Option(help="RWE, REL, REL.ISL, POL, …; repeatable.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="worked, mixed, no_effect, harm, not_delivered, stopped, …; repeatable.")
    ] = None,
    evidence: Annotated[int | None, typer.Option(help="Evidence of at least this level, 0 to 5.")] = None,
    level: Annotated[list[str] | None, typer.Option(help="primary, secondary or tertiary; repeatable.")] = None,
    setting: Annotated[list[str] | None, typer.Option(help="school, youth_centre, online, …; repeatable.")] = None,
    agency: Annotated[list[str] | None, typer.Option(help="youth, police, edu_sec, …; repeatable.")] = None,
    language: Annotated[str | None, typer.Option(help="The language it is written in, for example de.")] = None,
    area: Annotated[str | None, typer.Option(help="Beginning of an area code, for example 14 or DED.")] = None,
    near: Annotated[bool, typer.Option("--near", help="Only what members of our own hub say.")] = False,
    size: Annotated[list[str] | None, typer.Option(help="XS, S, M, L, XL, XXL; repeatable.")] = None,
    urbanisation: Annotated[
        list[str] | None, typer.Option(help="1 city, 2 town or suburb, 3 rural area; repeatable.")
    ] = None,
    similar: Annotated[
        bool, typer.Option("--similar", help="Cities of this city's size and degree of urbanisation.")
    ] = False,
    kind: Annotated[list[str] | None, typer.Option(help="practice, experience, bulletin, …; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(help="So many at most; 20 without it, never more than 50.")] = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Find lessons, failures as well as successes. Words need no grammar; several filters must all fit."""
    params: dict[str, Any] = {
        "words": " ".join(words or ()),
        "phenomenon": phenomenon,
        "outcome": outcome,
        "evidence": evidence,
        "level": level,
        "setting": setting,
        "agency": agency,
        "language": language,
        "area": area,
        "near": near,
        "size": size,
        "urbanisation": urbanisation,
        "similar": similar,
        "kind": kind,
        "limit": limit,
    }
    result = _ask(data, "search", params)
    if as_json:
        _print(result, as_json)
        return
    if result["items"] and not result["every_word"]:
        _print({"note": "nothing has all these words; these have at least one of them"}, as_json)
    _print_list("found", result["items"])


digest_cli = typer.Typer(invoke_without_command=True, help="The newest lessons, and the e-mails with what is new.")
cli.add_typer(digest_cli, name="digest")


@digest_cli.callback()
def digest(
    context: typer.Context,
    days: Annotated[int, typer.Option(help="How far back.")] = 30,
    limit: Annotated[int, typer.Option(help="So many at most.")] = 10,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """The newest lessons. Successes and failures are both in it, from before these days if need be."""
    if context.invoked_subcommand is not None:
        return
    result = _ask(data, "digest", {"days": days, "limit": limit})
    if as_json:
        _print(result, as_json)
        return
    items = [item | {"note": _older(item)} for item in result["items"]]
    _print_list(f"lessons of {result['days']} days", items)


@digest_cli.command("send")
def send_mails(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whose is due, and send nothing.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Send the e-mails of what is new that are due. The serving node does so by itself; each is sent once at most."""
    _run(data, "digest.send", {"dry_run": dry_run}, as_json)


def _older(item: dict[str, Any]) -> str | None:
    notes = ("from before these days" if item["older"] else None, item["note"])
    return "; ".join(filter(None, notes)) or None


def _print_list(heading: str, items: list[dict[str, Any]]) -> None:
    """As a table; what says the same is named in the last column, with its outcome."""
    rows = [item | {"alike": _alike(item["alike"])} for item in items]
    _print({heading: rows}, as_json=False, columns=COLUMNS)


def _alike(others: list[dict[str, Any]]) -> str | None:
    return "; ".join(f"{other['author']}: {other['outcome'] or other['title']}" for other in others) or None


@cli.command()
def show(
    item: Annotated[str, typer.Argument(metavar="DIGEST", help="The item's digest, or its first digits.")],
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """One lesson: what it says, what all cities say that tried it, where it came from, what its versions changed."""
    result = _ask(data, "show", {"digest": item})
    if as_json:
        _print(result, as_json)
        return
    lines = {name: value for name, value in result.items() if name not in ("evidence", "lineage", "versions")}
    if result["evidence"]:
        lines["evidence"] = result["evidence"]["line"]
    if result["lineage"]:
        lines["lineage"] = "\n" + "\n".join(result["lineage"])
    if len(result["versions"]) > 1:
        lines["versions"] = "\n" + "\n".join(line for version in result["versions"] for line in _version(version))
    _print(lines, as_json)


def _version(version: dict[str, Any]) -> list[str]:
    changes = [f"  {change['field']}: {change['marked']}" for change in version["changes"]]
    return [f"- {version['issued_at']} {version['digest'][:12]} {version['title']}", *changes]
