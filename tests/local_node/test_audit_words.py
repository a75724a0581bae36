"""Every action that this release writes into the audit log has a name for people, and no name is left over."""

import ast
from collections.abc import Iterator
from pathlib import Path

import local_node
from local_node.clashes import ClashState
from local_node.mailings import Rhythm
from local_node.own_keys import HowChanged
from local_node.request_store import RESOLVED
from local_node.resolutions import RECHECKED
from local_node.resumed import ACTION
from local_node.return_entry import CONFIRMED, OBJECTED
from local_node.share_outcomes import COUNTED, FREE
from local_node.verbs.backups import BACKUP_MADE
from local_node.web.audit_words import ACTIONS, action_name
from shared_schema.service import accounts, pages

PUT_TOGETHER = {
    "f'clash.{state}'": [f"clash.{state}" for state in ClashState],
    "f'key.{row.how}-begun'": [f"key.{how}-begun" for how in HowChanged],
    "f'mail.{rhythm.value}'": [f"mail.{rhythm}" for rhythm in Rhythm],
    "f'share.{outcome}'": [f"share.{outcome}" for outcome in (COUNTED, FREE)],
    "f'return.{CONFIRMED}'": [f"return.{CONFIRMED}"],
    "f'return.{state}'": [f"return.{CONFIRMED}", f"return.{OBJECTED}"],
    "action": ["view.changed", "view.token-renewed"],
    "ACTION": [ACTION],
    "BACKUP_MADE": [BACKUP_MADE],
    "RECHECKED": [RECHECKED],
    "RESOLVED": [RESOLVED],
}
"""Actions that the source does not spell out where it writes them → what they can be."""


def written() -> Iterator[str]:
    """The actions of all calls of `audit.append`, and of what the shared parts behind the door record in its place."""
    folders = [Path(next(iter(package.__path__))) for package in (local_node, accounts, pages)]
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("audit.append", "record")):
                yield from actions_in(call.args[2])


def actions_in(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from actions_in(node.body)
        yield from actions_in(node.orelse)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    else:
        yield from PUT_TOGETHER[ast.unparse(node)]


def test_every_action_has_a_name_and_no_name_is_left_over() -> None:
    found = set(written())
    assert len(found) > 80
    assert found == set(ACTIONS)


def test_names_tell_actions_apart() -> None:
    assert len(set(ACTIONS.values())) == len(ACTIONS)


def test_an_action_of_another_release_is_named_by_its_code() -> None:
    assert action_name("later.thing") == "Later thing"
