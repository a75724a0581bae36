"""Where a practice came from and what became of it: a small tree of `adapted_from`.

Anybody may say that they adapted another city's practice; it takes nothing from that one. The tree begins with the
oldest forebear that this node knows. A forebear that is not here, or was taken back, is a place without a title.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared_schema.evidence import OUTCOME_WORDS
from shared_schema.vocabulary import Outcome

MAX_DEPTH = 10
"""Generations up and down from an item. An adaptation of an adaptation is rare."""
MAX_MEMBERS = 100
"""Items in a tree; a famous practice shows its first hundred descendants."""


@dataclass(frozen=True, slots=True)
class Relative:
    """One practice. `parent` is the digest it was adapted from; `issued_at` orders brothers and sisters."""

    digest: str
    parent: str | None
    title: str
    author: str
    outcome: Outcome
    issued_at: str


@dataclass(frozen=True, slots=True)
class Branch:
    """A practice with those that were made from it; `relative` is None for one that is not here."""

    digest: str
    relative: Relative | None
    children: tuple["Branch", ...]


def grow(relatives: Sequence[Relative], digest: str) -> Branch:
    """The tree that `digest` is in. A circle, which honest digests cannot make, is cut."""
    known = {relative.digest: relative for relative in relatives}
    children: dict[str, list[str]] = {}
    for relative in sorted(relatives, key=lambda relative: (relative.issued_at, relative.digest)):
        if relative.parent is not None:
            children.setdefault(relative.parent, []).append(relative.digest)
    return _branch(_root(known, digest), known, children, frozenset())


def _root(known: Mapping[str, Relative], digest: str) -> str:
    seen = {digest}
    while (relative := known.get(digest)) and relative.parent and relative.parent not in seen:
        digest = relative.parent
        seen.add(digest)
    return digest


def _branch(
    digest: str, known: Mapping[str, Relative], children: Mapping[str, Sequence[str]], above: frozenset[str]
) -> Branch:
    within = above | {digest}
    below = [child for child in children.get(digest, ()) if child not in within]
    return Branch(digest, known.get(digest), tuple(_branch(child, known, children, within) for child in below))


def in_lines(branch: Branch, here: str, depth: int = 0) -> Iterator[str]:
    """The tree for a terminal: one line each, indented, the item itself marked."""
    relative = branch.relative
    words = (
        "an item that is not here"
        if relative is None
        else f"{relative.title} ({relative.author}, {OUTCOME_WORDS[relative.outcome]})"
    )
    yield f"{'  ' * depth}{'*' if branch.digest == here else '-'} {words}"
    for child in branch.children:
        yield from in_lines(child, here, depth + 1)
