"""The commands for drafts that people write in their browsers: list them, and read one."""

from typing import Annotated

import typer

from local_node.cli import HERE, AsJson, DataDir, _run
from local_node.cli_words import draft

DraftId = Annotated[str, typer.Argument(metavar="DRAFT", help="The draft's id, for example d1; see draft list.")]


@draft.command("list")
def draft_list(data: DataDir = HERE, as_json: AsJson = False) -> None:
    """What people are writing at this node, whoever they are. Their texts stay here."""
    columns = ("draft", "kind", "state", "author", "agency", "saved_at", "title")
    _run(data, "draft.list", {}, as_json, columns=columns)


@draft.command("show")
def draft_show(draft_id: DraftId, data: DataDir = HERE, as_json: AsJson = False) -> None:
    """One draft, with what is missing before anybody can be asked and what could point to a person."""
    _run(data, "draft.show", {"draft": draft_id}, as_json)
