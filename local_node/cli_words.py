"""The commands for words: a blank form, a check before anybody asks, and the request for every kind of item."""

from pathlib import Path
from typing import Annotated, Any

import typer

from local_node.cli import HERE, NEEDS_A_LOOK, AsJson, By, DataDir, _print, _run, cli, release
from shared_schema.service.control import VerbError

draft = typer.Typer(help="Write something, and check it before you ask for its release.", no_args_is_help=True)
cli.add_typer(draft, name="draft")

DraftFile = Annotated[Path, typer.Argument(help="JSON, or Markdown with a front matter; see draft new.")]
KindName = Annotated[str, typer.Argument(metavar="KIND", help="practice, experience, bulletin, question or answer.")]
About = Annotated[str, typer.Argument(metavar="DIGEST", help="The item that it is about; its first 8 digits do.")]
Reach = Annotated[
    str | None, typer.Option(help="region, nation or europe. Without: Europe, or as the question of an answer.")
]


@draft.command("new")
def draft_new(
    kind: KindName,
    file: Annotated[Path | None, typer.Option(help="A new file. Without: print the form.")] = None,
    as_json: AsJson = False,
) -> None:
    """A blank form: fill it in with any editor."""
    from local_node.drafts import SECTIONS, blank_form
    from shared_schema.statement import Kind

    known = {each.value: each for each in SECTIONS}
    if kind not in known:
        raise VerbError("bad-parameter", f"expected one of {', '.join(known)}")
    form = blank_form(Kind(kind))
    if file is None and not as_json:
        typer.echo(form, nl=False)
        return
    if file is not None:
        _write_new(file, form)
    following = f"local-node draft check {kind} {file}" if file else "write it to a file"
    _print({"kind": kind, "next": following} | ({"form": form} if as_json else {}), as_json)


def _write_new(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as target:
            target.write(text)
    except OSError:
        raise VerbError("exists", f"expected to make a new file at {file}") from None


@draft.command("check")
def draft_check(kind: KindName, file: DraftFile, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """Is it complete, and what could point to a person? Nothing is stored. Exit code 1 when something was found."""
    columns = ("number", "field", "kind", "passage", "why", "coarser")
    if _run(data, "words.check", {"kind": kind, "file": str(file.resolve())}, as_json, columns=columns)["findings"]:
        raise SystemExit(NEEDS_A_LOOK)


@draft.command("import")
def draft_import(
    file: Annotated[Path, typer.Argument(help="A list of practices: a JSON array of objects, or CSV.")],
    mapping: Annotated[Path, typer.Option(help="A TOML file that says what the columns mean.")],
    into: Annotated[Path, typer.Option(help="A new folder for the drafts.")],
    as_json: AsJson = False,
) -> None:
    """Make a draft of every practice in a list from elsewhere. Exit code 1 when some are not complete."""
    from local_node.drafts import MAX_DRAFT_BYTES, DraftError
    from local_node.practice_list import MAX_LIST_BYTES, parse_list, parse_list_mapping
    from local_node.verbs.parameters import read_file

    try:
        meaning = parse_list_mapping(read_file(str(mapping), MAX_DRAFT_BYTES))
        found = parse_list(read_file(str(file), MAX_LIST_BYTES), meaning)
    except DraftError as error:
        raise VerbError(error.code, error.message) from None
    try:
        into.mkdir()
    except OSError:
        raise VerbError("exists", f"expected to make a new folder at {into}") from None
    for each in found.drafts:
        _write_new(into / each.name, each.text)
    incomplete = [{"file": each.name, "missing": each.missing} for each in found.drafts if each.missing]
    _print(
        {"drafts": len(found.drafts), "repeated": len(found.repeated), "incomplete": incomplete},
        as_json,
        columns=("file", "missing"),
    )
    if incomplete:
        raise SystemExit(NEEDS_A_LOOK)


@release.command("words")
def release_words(
    kind: KindName,
    file: DraftFile,
    by: By,
    replaces: Annotated[
        str | None, typer.Option(help="Digest of an own released item that this one takes the place of.")
    ] = None,
    audience: Reach = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask for the release of a practice, an experience, a bulletin, a question or an answer."""
    _request(data, kind, file, by, audience, as_json, replaces=replaces)


@release.command("renew")
def release_renew(
    digest: About,
    by: By,
    review_by: Annotated[str | None, typer.Option(help="Confirm it until this month, for example 2028-06.")] = None,
    archive: Annotated[bool, typer.Option("--archive", help="No longer stand behind it.")] = False,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Confirm an own practice for longer, or archive it; another person approves, as with every release."""
    params = {"digest": digest, "by": by, "review_by": review_by, "archive": archive}
    _run(data, "release.renewed", params, as_json)


@cli.command("experience")
def tell_experience(
    practice: About, file: DraftFile, by: By, audience: Reach = None, data: DataDir = HERE, as_json: AsJson = False
) -> None:
    """Tell how another city's practice went here."""
    _request(data, "experience", file, by, audience, as_json, about=practice)


@cli.command("ask")
def ask_question(
    file: DraftFile,
    by: By,
    about: Annotated[str | None, typer.Option(help="Ask the author of this item: its digest.")] = None,
    audience: Reach = None,
    data: DataDir = HERE,
    as_json: AsJson = False,
) -> None:
    """Ask the other cities, or the author of one item."""
    _request(data, "question", file, by, audience, as_json, about=about)


@cli.command("answer")
def answer_question(
    question: About, file: DraftFile, by: By, audience: Reach = None, data: DataDir = HERE, as_json: AsJson = False
) -> None:
    """Answer another city's question."""
    _request(data, "answer", file, by, audience, as_json, about=question)


def _request(
    data: Path,
    kind: str,
    file: Path,
    by: str,
    audience: str | None,
    as_json: bool,
    about: str | None = None,
    replaces: str | None = None,
) -> None:
    more = {"audience": audience, "about": about, "replaces": replaces}
    params: dict[str, Any] = {"kind": kind, "file": str(file.resolve()), "by": by}
    params |= {name: value for name, value in more.items() if value is not None}
    _run(data, "release.words", params, as_json)
