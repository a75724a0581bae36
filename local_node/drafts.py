"""Drafts from files: what a person wrote as JSON, or as Markdown with a front matter, becomes the body of a request.

    +++
    phenomenon = ["RWE"]
    prevention_level = "primary"
    agencies = ["edu_sec:deliver"]
    outcome = "mixed"
    +++
    # Rehearsing hard conversations
    ## Summary
    Schools rehearse short scenes with trained actors.
    ## What we would do again or differently
    Begin with scenes that teachers bring themselves.

The front matter is TOML between two lines `+++`, as Hugo has it. A heading names a field; `blank_form` prints them all.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from local_node.errors import NodeError
from shared_schema.statement import Kind
from shared_schema.vocabulary import AgencyRole, AgencyType, EvidenceLevel, Outcome, Phenomenon, PreventionLevel

MAX_DRAFT_BYTES: Final = 256 * 1024
"""As much as an envelope may have."""
MAX_DEPTH: Final = 20
"""Deeper than any body; far from where reading it would end."""
FENCE: Final = "+++"
ESCAPE: Final = "\\"
"""Before a line of text that begins with `#` and is no heading."""

_LESSONS = "What we would do again or differently"
SECTIONS: Final[Mapping[Kind, Mapping[str, str]]] = MappingProxyType(
    {
        Kind.PRACTICE: {
            "Summary": "summary",
            _LESSONS: "lessons",
            "Target group": "target_group",
            "Unintended effects": "unintended_effects",
            "Conditions for transfer": "transfer_conditions",
            "Effect": "emmie.effect",
            "Mechanism": "emmie.mechanism",
            "Moderators": "emmie.moderators",
            "Implementation": "emmie.implementation",
            "Economics": "emmie.economics",
        },
        Kind.EXPERIENCE: {"What we changed": "changes", _LESSONS: "lessons"},
        Kind.BULLETIN: {"Text": "text"},
        Kind.QUESTION: {"Text": "text"},
        Kind.ANSWER: {"Text": "text"},
    }
)
"""Kind → heading → field of the body; `emmie.effect` is the field `effect` within `emmie`."""
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.PRACTICE: (
            'phenomenon = [""]          # one or more of: ' + ", ".join(Phenomenon),
            'prevention_level = ""      # one of: ' + ", ".join(PreventionLevel),
            'agencies = [""]            # type:role, such as edu_sec:deliver; roles: ' + ", ".join(AgencyRole),
            "#                            types: " + ", ".join(AgencyType),
            'outcome = ""               # one of: ' + ", ".join(Outcome),
        ),
        Kind.EXPERIENCE: (
            'practice = ""              # the digest of the practice that was tried, as search shows it',
            'outcome = ""               # one of: ' + ", ".join(Outcome),
        ),
        Kind.BULLETIN: ('phenomenon = [""]          # one or more of: ' + ", ".join(Phenomenon),),
        Kind.QUESTION: ('phenomenon = [""]          # one or more of: ' + ", ".join(Phenomenon),),
        Kind.ANSWER: ('question = ""              # the digest of the question, as search shows it',),
    }
)
_OPTIONAL: Final[Mapping[Kind, tuple[str, ...]]] = MappingProxyType(
    {
        Kind.PRACTICE: (
            'evidence_level = "0"     # how well it was looked at: ' + ", ".join(EvidenceLevel),
            'review_by = "2027-06"    # the month in which somebody should look again',
        ),
        Kind.EXPERIENCE: ('evidence_level = "0"     # how well it was looked at: ' + ", ".join(EvidenceLevel),),
    }
)
_TITLED: Final = frozenset({Kind.PRACTICE, Kind.BULLETIN, Kind.QUESTION})
_HEADING: Final = re.compile(r"(?P<marks>#{1,2})(?:[ \t]+(?P<text>.*?))?(?:[ \t]+#+)?[ \t]*")


class DraftError(NodeError):
    """The file is no draft of this kind."""

    code = "bad-file"


def parse_draft(data: bytes, kind: Kind) -> dict[str, Any]:
    """Read a draft: JSON when it begins with a bracket, else Markdown.

    Raises DraftError that says what was expected and never repeats the text.
    """
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise DraftError("expected a draft in UTF-8") from None
    draft = _parse_json(text) if text.lstrip()[:1] in ("{", "[") else _parse_markdown(text, kind)
    try:
        _check_depth(draft)
    except (ValueError, RecursionError):
        raise DraftError(f"expected a draft that is nested at most {MAX_DEPTH} deep") from None
    return draft


def blank_form(kind: Kind) -> str:
    """A draft with every field empty: what has to be filled in, and below it what may be."""
    lines = [FENCE, *_NEEDED[kind], 'language = "en"           # BCP 47']
    lines += [f"# {line}" for line in _OPTIONAL.get(kind, ())]
    lines += [FENCE, *(["# "] if kind in _TITLED else [])]
    needed: list[str] = []
    more: list[str] = []
    for heading, field in SECTIONS[kind].items():
        (needed if field in ("summary", "lessons", "changes", "text") else more).append(f"## {heading}")
    for heading in needed:
        lines += [heading, ""]
    if more:
        lines += ["<!-- may be added: " + ", ".join(more) + " -->"]
    return "\n".join(lines) + "\n"


def to_markdown(draft: Mapping[str, Any]) -> str:
    """A practice, complete or not, as `parse_draft` reads it; texts stand below their headings."""
    headings = {field: heading for heading, field in SECTIONS[Kind.PRACTICE].items() if "." not in field}
    front = {name: value for name, value in draft.items() if name != "title" and name not in headings}
    # A JSON text or list of texts is TOML as well: both escape the same characters in the same way.
    lines = [FENCE, *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in front.items()), FENCE]
    lines.append(f"# {draft.get('title', '')}")
    for field, heading in headings.items():
        if field in draft or field in ("summary", "lessons"):
            text = str(draft.get(field, "")).replace("<!--", "< !--")
            lines += [
                f"## {heading}",
                *(ESCAPE + line if line.startswith("#") else line for line in text.split("\n")),
                "",
            ]
    return "\n".join(lines) + "\n"


def _parse_json(text: str) -> dict[str, Any]:
    try:
        draft = json.loads(text)
    except (ValueError, RecursionError):
        raise DraftError("expected JSON, or Markdown that begins with a line +++") from None
    if not isinstance(draft, dict):
        raise DraftError("expected one JSON object with the fields of the draft")
    return draft


def _parse_markdown(text: str, kind: Kind) -> dict[str, Any]:
    lines = text.strip().split("\n")
    fences = [number for number, line in enumerate(lines) if line.strip() == FENCE]
    if len(fences) < 2 or fences[0] != 0:
        raise DraftError("expected JSON, or Markdown that begins with TOML between two lines +++")
    try:
        draft = tomllib.loads("\n".join(lines[1 : fences[1]]))
    except (ValueError, RecursionError):
        raise DraftError("expected TOML between the two lines +++") from None
    if isinstance(draft.get("agencies"), list):
        draft["agencies"] = [agency_of(item) for item in draft["agencies"]]
    for field, passage in _sections(lines[fences[1] + 1 :], kind).items():
        _put(draft, field, passage)
    return draft


def agency_of(item: object) -> object:
    """`edu_sec:deliver` as an object; anything else stays as it is, and the schema says what is wrong with it."""
    if not isinstance(item, str):
        return item
    kind, _, role = item.partition(":")
    return {"type": kind.strip(), "role": role.strip()}


def _sections(lines: list[str], kind: Kind) -> dict[str, str]:
    """Field → text under its heading; the one heading of the first level is the title."""
    found: dict[str, list[str]] = {}
    field: str | None = None
    fields = {heading.lower(): each for heading, each in SECTIONS[kind].items()}
    for line in _without_comments("\n".join(lines)).split("\n"):
        heading = _HEADING.fullmatch(line)
        if heading is not None:
            name = heading["text"] or ""
            field = "title" if len(heading["marks"]) == 1 else fields.get(name.lower())
            if field is None or field in found or (field == "title" and kind not in _TITLED):
                known = ", ".join(f"## {each}" for each in SECTIONS[kind])
                raise DraftError(f"expected one title at most and these headings, each once: {known}")
            found[field] = [name] if field == "title" else []
            field = None if field == "title" else field
        elif field is not None:
            found[field].append(line.removeprefix(ESCAPE) if line.startswith(f"{ESCAPE}#") else line)
        elif line.strip():
            raise DraftError("expected every text below a heading ##")
    return {each: passage for each, parts in found.items() if (passage := "\n".join(parts).strip())}


def _without_comments(text: str) -> str:
    """Without what stands between `<!--` and `-->`; one that has no end stays."""
    parts, position = [], 0
    while (begin := text.find("<!--", position)) >= 0 and (end := text.find("-->", begin)) >= 0:
        parts.append(text[position:begin])
        position = end + len("-->")
    return "".join([*parts, text[position:]])


def _put(draft: dict[str, Any], field: str, passage: str) -> None:
    holder, _, name = field.rpartition(".")
    inner = draft.setdefault(holder, {}) if holder else draft
    if not isinstance(inner, dict) or name in inner:
        raise DraftError("expected every field once: in the front matter or below a heading")
    inner[name] = passage


def _check_depth(value: Any, depth: int = 0) -> None:
    """Raise ValueError for a draft that is nested deeper than any body."""
    if depth > MAX_DEPTH:
        raise ValueError
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth + 1)
