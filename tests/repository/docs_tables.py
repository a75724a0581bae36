"""The parts of the documents that repeat what the programs say, made from the programs.

    python -m tests.repository.docs_tables      rewrites them all

A part stands between `<!-- made: NAME -->` and `<!-- end: NAME -->`. What a program knows (names, statuses, defaults,
help) comes from the program. What only a document says (what a code means) is the last column of its table: it is
written there by hand, and kept.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import typer
from fastapi.routing import APIRoute
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from local_node import cli as node_cli
from local_node import review
from local_node.settings import NodeSettings
from regional_hub import cli as hub_cli
from regional_hub.settings import HubSettings
from regional_hub.web import node_api, recovery_api
from shared_schema.envelope import payload_type
from shared_schema.problem import ProblemCode
from shared_schema.sealed.states import TRANSITIONS, BatchEvent, BatchState
from shared_schema.sealed.terms import Refusal, Role
from shared_schema.service.problems import STATUS
from shared_schema.statement import HUB_KINDS, KINDS_OF_BOTH, STATEMENT_BODIES, Kind

ROOT = Path(__file__).resolve().parents[2]
UNSIGNED_READS = frozenset(
    {
        "/health",
        "/checkpoint",
        "/tile/entries/{path}",
        "/tile/{level}/{path}",
        "/receipt/{name}",
        "/v1/hub",
        "/v1/recovery",
        "/v1/seen/{origin}",
        "/v1/cosigner",
        "/v1/witnessed/{origin}",
    }
)
"""What anybody may read; `test_docs_match_code` asks the hub whether that is so."""


PROVES_ITSELF = frozenset({"/v1/heads", "/v1/recovery/entries"})
"""What anybody may bring, because the hub's own signature is in it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A made part of a document. `make` gets what stands there now and returns what should."""

    name: str
    file: str
    make: Callable[[str], str]


# --- tables --------------------------------------------------------------------------------------------------------


def write_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def read_words(table: str) -> dict[str, str]:
    """First cell → last cell of every row: the words that a person wrote."""
    rows = [line.strip("|\n ").split(" | ") for line in table.splitlines()[2:] if line.startswith("|")]
    return {row[0].strip(): row[-1].strip() for row in rows}


def _with_words(now: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table of `rows` with the words that stand in the table `now`; a new row has none yet."""
    words = read_words(now)
    return write_table(header, ([*row, words.get(row[0], "")] for row in rows))


def _code(text: str) -> str:
    return f"`{text}`"


def make_problem_codes(now: str) -> str:
    rows = [(_code(code.value), str(STATUS[code])) for code in ProblemCode]
    return _with_words(now, ("code", "status", "meaning"), rows)


def make_kinds(now: str) -> str:
    rows = [(_code(kind.value), _signers(kind), _body_fields(kind)) for kind in Kind]
    return _with_words(now, ("kind", "signed by", "body", "what it says"), rows)


def _signers(kind: Kind) -> str:
    if kind in KINDS_OF_BOTH:
        return "node, hub"
    return "hub" if kind in HUB_KINDS else "node"


def _body_fields(kind: Kind) -> str:
    fields = STATEMENT_BODIES[kind].model_fields
    return ", ".join(_code(name) + ("" if field.is_required() else "?") for name, field in fields.items())


def make_payload_types(_now: str) -> str:
    return "".join(f"- {_code(payload_type(kind.value))}\n" for kind in Kind)


def make_batch_states(role: Role) -> Callable[[str], str]:
    """One hub's table of transitions: a row for each state, a column for each event that is in it."""

    def make(_now: str) -> str:
        table = TRANSITIONS[role]
        events = [event for event in BatchEvent if any(event is each for _, each in table)]
        states = [state for state in BatchState if any(state in (old, new) for (old, _), new in table.items())]
        rows = [
            (
                _code(state.value),
                *(_code(table[state, event].value) if (state, event) in table else "" for event in events),
            )
            for state in states
        ]
        return write_table(("state", *(_code(event.value) for event in events)), rows)

    return make


def make_refusals(now: str) -> str:
    return _with_words(now, ("reason", "meaning"), [(_code(reason.value),) for reason in Refusal])


def make_endpoints(now: str) -> str:
    rows = [(f"`{method} {path}`", who_may_call(method, path)) for method, path in hub_endpoints()]
    return _with_words(now, ("endpoint", "who", "what it does"), rows)


def hub_endpoints() -> list[tuple[str, str]]:
    """(method, path) of everything that a hub answers."""
    hub = cast(Any, SimpleNamespace())  # handlers take the hub when they are called
    routers = (node_api.make_router(hub), recovery_api.make_router(hub))
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    return [(method, route.path.replace(":path}", "}")) for route in routes for method in sorted(route.methods or ())]


def who_may_call(method: str, path: str) -> str:
    """How a caller shows who it is."""
    if path in UNSIGNED_READS:
        return "anybody"
    if path in PROVES_ITSELF:
        return "anybody: it proves itself"
    if path == "/add-checkpoint":
        return "a log, by the checkpoint"
    if path == "/v1/cosignatures":
        return "a member, by the announcement"
    if path == "/v1/enrolments":
        return "whoever has a code"
    if path.startswith("/v1/sealed/"):
        return "a hub that is a member, by a signed request"
    return "a member, by a signed read" if method == "GET" else "a member, by the envelope"


def make_transitions(_now: str) -> str:
    return f"```mermaid\n{review.transition_diagram()}```\n"


# --- settings ------------------------------------------------------------------------------------------------------


def make_hub_settings(_now: str) -> str:
    return _settings_table(HubSettings)


def make_node_settings(_now: str) -> str:
    return _settings_table(NodeSettings)


def _settings_table(settings: type[BaseSettings]) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    rows = []
    for name, field in settings.model_fields.items():
        default = "must be set" if field.default is PydanticUndefined else _default(field.default)
        rows.append((_code(name), _code(prefix + name.upper()), default, field.description or ""))
    return write_table(("setting", "environment variable", "default", "meaning"), rows)


def _default(value: object) -> str:
    if value is None:
        return "none"
    return _code(str(value).lower() if isinstance(value, bool) else str(value))


# --- commands ------------------------------------------------------------------------------------------------------


PROGRAMS = {"regional-hub": hub_cli.cli, "local-node": node_cli.cli}


def make_hub_commands(_now: str) -> str:
    return _commands("regional-hub")


def make_node_commands(_now: str) -> str:
    return _commands("local-node")


def commands_of(program: str) -> Iterator[tuple[str, TyperCommand]]:
    """(full name, command) of every command of a program."""
    return walk_commands(program, cast(TyperGroup, typer.main.get_command(PROGRAMS[program])))


def walk_commands(name: str, command: TyperCommand | TyperGroup) -> Iterator[tuple[str, TyperCommand]]:
    """(full name, command) of every command that does something."""
    if isinstance(command, TyperGroup):
        if command.invoke_without_command:
            yield name, cast(TyperCommand, command)
        for part, inner in command.commands.items():
            yield from walk_commands(f"{name} {part}", cast(TyperCommand | TyperGroup, inner))
    else:
        yield name, command


def _commands(program: str) -> str:
    parts = []
    for name, command in commands_of(program):
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        usage = " ".join([name, *(_usage(parameter) for parameter in shown)])
        parts.append(f"```text\n{usage}\n```\n\n{_sentence(command.help)}\n")
        explained = [parameter for parameter in shown if parameter.name not in EXPLAINED_ONCE]
        parts.append("".join(f"- {_explain(parameter)}\n" for parameter in explained))
    return "\n".join(part for part in parts if part)


EXPLAINED_ONCE = frozenset({"data", "as_json"})
"""Every command has them; the document explains them above."""


def _usage(parameter: Any) -> str:
    text = _spelling(parameter)
    if parameter.multiple or parameter.nargs == -1:
        text += " …"
    return text if parameter.required else f"[{text}]"


def _spelling(parameter: Any) -> str:
    if isinstance(parameter, TyperArgument):
        return (parameter.metavar or str(parameter.name)).upper()
    assert isinstance(parameter, TyperOption)
    flag = "/".join([parameter.opts[0], *parameter.secondary_opts[:1]])
    return flag if parameter.is_flag else f"{flag} {(parameter.metavar or str(parameter.name)).upper()}"


def _explain(parameter: Any) -> str:
    default = parameter.default
    shown = "" if default in (None, False, "", (), []) or callable(default) else f" Without it: {_code(str(default))}."
    return f"{_code(_spelling(parameter))}: {_sentence(parameter.help)}{shown}"


def _sentence(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").strip())


# --- the documents -------------------------------------------------------------------------------------------------

PARTS = (
    Part("problem-codes", "docs/protocol.md", make_problem_codes),
    Part("kinds", "docs/protocol.md", make_kinds),
    Part("payload-types", "docs/protocol.md", make_payload_types),
    Part("leader-states", "docs/sealed_totals.md", make_batch_states("leader")),
    Part("helper-states", "docs/sealed_totals.md", make_batch_states("helper")),
    Part("refusals", "docs/sealed_totals.md", make_refusals),
    Part("endpoints", "docs/protocol.md", make_endpoints),
    Part("release-states", "docs/data_flow.md", make_transitions),
    Part("hub-settings", "docs/operations.md", make_hub_settings),
    Part("node-settings", "docs/operations.md", make_node_settings),
    Part("hub-commands", "docs/operations.md", make_hub_commands),
    Part("node-commands", "docs/operations.md", make_node_commands),
)


def find_part(text: str, name: str) -> re.Match[str]:
    """The made part `name` of a document, with its markers: groups head, body and tail. Raises LookupError."""
    begin, end = f"<!-- made: {name} -->\n", f"<!-- end: {name} -->"
    match = re.search(f"(?P<head>{re.escape(begin)})(?P<body>.*?)(?P<tail>{re.escape(end)})", text, re.DOTALL)
    if match is None:
        raise LookupError(f"expected the marks {begin.strip()} and {end}")
    return match


def read_part(part: Part) -> str:
    """What stands in the document now."""
    return find_part((ROOT / part.file).read_text(encoding="utf-8"), part.name)["body"].strip("\n") + "\n"


def rewrite(part: Part) -> bool:
    """Put the part into its document; True when that changed something."""
    path = ROOT / part.file
    text = path.read_text(encoding="utf-8")
    match = find_part(text, part.name)
    body = f"\n{part.make(read_part(part))}\n"
    changed = text[: match.start()] + match["head"] + body + match["tail"] + text[match.end() :]
    path.write_text(changed, encoding="utf-8")
    return changed != text


def main() -> None:
    """Rewrite every made part and say which have changed."""
    for part in PARTS:
        if rewrite(part):
            print(f"{part.file}: {part.name}")


if __name__ == "__main__":
    main()
