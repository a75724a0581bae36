"""Which items say the same, so that a list shows them once: copies and rewritten announcements of one thing.

Two rules, chosen by looking at 494 real descriptions of prevention programmes (`./run bench search`):

- *The same text*, whoever signed it: at least half of all runs of three words are common to both. With one word in
  twenty changed a copy is found in 95 of 100 cases, with one in ten in 70. The most alike texts about different
  programmes share a quarter; the threshold is twice that, because to hide a lesson is worse than to show it twice.
- *The same title by the same author*, to the letter but for capitals, accents, blanks and punctuation. People who
  describe their programme a second time write a new text (half of these pairs share fewer than one run of two words
  in twenty), but keep its name. A looser comparison of titles would take "… Centre" and "… Centre Foundation" for one.

Resemblance is Broder's ("On the resemblance and containment of documents", 1997, section 4): the share of the runs
of words (shingles), estimated from the SKETCH_SIZE smallest of their hashes; exact for texts that have no more runs.
Whoever comes first in the list leads a group, and others are compared to leaders alone: no chain of small changes
joins two items that differ. Nothing is random: the same list gives the same groups.
"""

import hashlib
import struct
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from local_node.search_query import words_of

SHINGLE_WORDS = 3
SKETCH_SIZE = 64
"""Hashes kept of a text: at a resemblance of one half the estimate has a standard error of 6 percent points."""
SAME_TEXT = 0.5
PROBES = 8
"""Of so many smallest hashes two texts must share one to be compared. Each is shared with the probability of the
resemblance, so at one half about one pair in 2 to the power of 8 is missed."""
HASH_BYTES = 4
Sketch = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What is compared of an item. `source` is None where nobody knows whether two are of one author."""

    source: str | None
    title: str
    sketch: Sketch


def sketch_text(text: str) -> Sketch:
    """The smallest hashes of a text's runs of words, in order; empty for a text without words."""
    words = words_of(text)
    runs = {" ".join(words[start : start + SHINGLE_WORDS]) for start in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    hashes = {int.from_bytes(hashlib.blake2b(run.encode(), digest_size=HASH_BYTES).digest()) for run in runs if run}
    return tuple(sorted(hashes)[:SKETCH_SIZE])


def title_key(title: str) -> str:
    """A title without capitals, accents, blanks and punctuation."""
    letters = unicodedata.normalize("NFD", "".join(words_of(title)))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def resemblance(one: Sketch, other: Sketch) -> float:
    """How much of two texts is common, from 0 to 1; 0 when one has no words."""
    if not one or not other:
        return 0.0
    both = set(one).intersection(other)
    smallest = sorted({*one, *other})[:SKETCH_SIZE]
    return sum(value in both for value in smallest) / len(smallest)


def group(items: Sequence[Likeness]) -> tuple[tuple[int, ...], ...]:
    """The places of the items, in groups that say the same; every group and every list begins with the first."""
    groups: dict[int, list[int]] = {}
    by_title: dict[tuple[str, str], int] = {}
    by_hash: defaultdict[int, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        name = None if item.source is None or not item.title else (item.source, item.title)
        leader = by_title.get(name) if name else None
        if leader is None:
            leader = _find_leader(item.sketch, items, by_hash)
        if leader is not None:
            groups[leader].append(place)
        else:
            leader = place
            groups[place] = [place]
            for value in item.sketch[:PROBES]:
                by_hash[value].append(place)
        if name:
            by_title.setdefault(name, leader)
    return tuple(map(tuple, groups.values()))


def _find_leader(sketch: Sketch, items: Sequence[Likeness], by_hash: dict[int, list[int]]) -> int | None:
    own = frozenset(sketch)
    best: tuple[float, int] | None = None
    for leader in {leader for value in sketch[:PROBES] for leader in by_hash.get(value, ())}:
        other = items[leader].sketch
        if len(own.intersection(other)) < SAME_TEXT * max(len(sketch), len(other)):
            continue  # cannot reach it: the estimate looks at no fewer hashes than the longer sketch has
        likeness = resemblance(sketch, other)
        if likeness >= SAME_TEXT:
            best = max(best or (0.0, 0), (likeness, -leader))
    return None if best is None else -best[1]


def pack(sketch: Sketch) -> bytes:
    """A sketch for a column of a table."""
    return struct.pack(f">{len(sketch)}I", *sketch)


def unpack(data: bytes) -> Sketch:
    """The inverse of `pack`."""
    return struct.unpack(f">{len(data) // HASH_BYTES}I", data)
