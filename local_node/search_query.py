"""What a person looks for: words, and filters. What somebody types is never a language of the database.

Words are cut out of the text and each is handed on in quotation marks, so `NEAR`, `-`, `*`, `:`, brackets, NUL or a
single quotation mark mean nothing. Words of three letters and more also find longer ones (*Schul* finds *Schulhof*).
Text in a pair of quotation marks is one phrase, word for word.

    parse_words('Straße "runder tisch" NEAR(')     strasse*, "runder tisch", near*
"""

import re
import unicodedata
from dataclasses import dataclass

from local_node.errors import NodeError
from shared_schema.statement import Kind
from shared_schema.vocabulary import AgencyType, Outcome, Phenomenon, PreventionLevel, Setting

MAX_LETTERS = 500
"""Three long sentences. Beyond it somebody has pasted a document."""
MAX_TERMS = 16
"""Every one is a walk through the index; sixteen keep a search within its time."""
PREFIX_LETTERS = 3
"""Shorter words begin too many others."""
_WORD = re.compile(r"[^\W_]+")
_PHRASE = re.compile(r'["“„«]([^"“”„«»]*)["”“»]')
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
"""Letters that Unicode does not take apart, as people type them without the key."""

_FUNCTION_WORDS = """
a an and are as at be by for from has in is it its of on or that the their this to was which with
als am an auf aus bei das dem den der des die ein eine einem einen einer es für ihr im in ist mit nicht sich sie sind
und von vor was wie wird zu zum zur
au aux ce ces dans de des du elle en est et il la le les leur mais ne ont ou par pas plus pour qui que sa se ses son
sont sur un une
bij dat de die dit een en er het hun ik met naar niet om onder ook op te tot uit van voor wat wordt ze zijn zo
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
"""English, German, French, Dutch: they stand in nearly every text of their language and tell none from another."""


class SearchError(NodeError):
    """Nothing can be looked for with these words or filters."""

    code = "search"


@dataclass(frozen=True, slots=True)
class Term:
    """One word, or several in this order."""

    words: tuple[str, ...]

    @property
    def quoted(self) -> str:
        """In the database's language: a string, and a star when it may go on."""
        text = f'"{" ".join(self.words)}"'
        return f"{text}*" if len(self.words) == 1 and len(self.words[0]) >= PREFIX_LETTERS else text


@dataclass(frozen=True, slots=True)
class Filters:
    """What an item must be; what is empty or None asks for nothing. Several values of one filter: one of them.

    `area` is the beginning of an area code; `sizes` and `urbanisations` are codes of `Surroundings`; `authors` are
    origins. `since` and `until` are days of writing (`2026-11-22`), both included.
    """

    kinds: tuple[Kind, ...] = ()
    phenomena: tuple[Phenomenon, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    levels: tuple[PreventionLevel, ...] = ()
    settings: tuple[Setting, ...] = ()
    agencies: tuple[AgencyType, ...] = ()
    least_evidence: int | None = None
    language: str | None = None
    area: str | None = None
    sizes: tuple[str, ...] = ()
    urbanisations: tuple[str, ...] = ()
    authors: tuple[str, ...] | None = None
    since: str | None = None
    until: str | None = None


def fold(text: str) -> str:
    """Small letters in one spelling; accents are left to the index, which drops them."""
    return unicodedata.normalize("NFC", text).casefold().translate(_LIGATURES)


def words_of(text: str) -> list[str]:
    """The words of a text in their order: runs of letters and digits."""
    return _WORD.findall(fold(text))


def parse_words(text: str) -> tuple[Term, ...]:
    """The terms of what a person typed; none for nothing but blanks.

    Raises SearchError for a text that is too long, and for one that has no letters or digits at all.
    """
    if len(text) > MAX_LETTERS:
        raise SearchError(f"expected at most {MAX_LETTERS} letters to search for, got {len(text)}")
    if not text.strip():
        return ()
    phrases = [Term(tuple(words)) for found in _PHRASE.findall(text) if (words := words_of(found))]
    terms = dict.fromkeys([*(Term((word,)) for word in words_of(_PHRASE.sub(" ", text))), *phrases])
    if not terms:
        raise SearchError("expected words with letters or digits to search for")
    return tuple([term for term in terms if not _is_small(term)] or terms)[:MAX_TERMS]


def _is_small(term: Term) -> bool:
    """Whether a term is left out beside others: a function word, or the l of l'école."""
    return len(term.words) == 1 and (len(term.words[0]) == 1 or term.words[0] in FUNCTION_WORDS)


def match_all(terms: tuple[Term, ...]) -> str:
    """An FTS5 expression for texts with every term (sqlite.org/fts5.html, section 3)."""
    return " AND ".join(term.quoted for term in terms)


def match_any(terms: tuple[Term, ...]) -> str:
    """An FTS5 expression for texts with at least one term."""
    return " OR ".join(term.quoted for term in terms)
