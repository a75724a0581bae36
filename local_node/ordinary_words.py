"""Is a word an ordinary one of its language, or a name? Dictionaries that come with libraries; nothing is fetched.

simplemma's dictionaries tell `rose` from `Rose`: what stands there in lower case is an ordinary word. In German every
noun is capitalised, so there HanTa weighs the noun against the name by the parts of the word, compounds too.

Sources: Wartena 2019, "A Probabilistic Morphology Model for German Lemmatization" (HanTa); Barbaresi, simplemma.
"""

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from simplemma.strategies import DictionaryLookupStrategy

from local_node.name_lists import family_names, first_names

if TYPE_CHECKING:
    from HanTa.HanoverTagger import HanoverTagger

REMEMBERED: Final = 100_000
"""Words whose answer is kept: a city's texts use far fewer."""
NAME_TAG: Final = "NE"
NEVER: Final = -99.0
DOUBT: Final = 5.0
"""By how much (log probability) the noun has to be likelier than the name for a word that no dictionary has."""
DOUBT_ABOUT_NAMES: Final = 7.0
"""The same for a word that stands in a list of names."""
DOUBT_ABOUT_NOUNS: Final = 3.0
"""The same for a noun that is a family name as well, such as König."""
_ELISION: Final = re.compile(r"(?:[ldcjnmst]|qu|jusqu|lorsqu|puisqu|quoiqu)['’]", re.IGNORECASE)

_lookup = DictionaryLookupStrategy()


@lru_cache(REMEMBERED)
def lemma_of(word: str, language: str) -> str | None:
    """The dictionary's form of a word, or None when it has none; a capital says that it is a name."""
    return _lookup.get_lemma(word, language)


def is_known(word: str, language: str) -> bool:
    """Whether the dictionary has the word at all."""
    return lemma_of(word, language) is not None


def is_proper(word: str, language: str) -> bool:
    """Whether the dictionary has the word as it stands as a name of something."""
    return (lemma_of(word, language) or "")[:1].isupper()


def is_common(word: str, language: str) -> bool:
    """Whether the word in lower case is an ordinary one."""
    return (lemma_of(word.lower(), language) or "")[:1].islower()


@lru_cache(REMEMBERED)
def is_ordinary(word: str, language: str) -> bool:
    """Whether a capitalised word is rather an ordinary one, or a noun, than a name."""
    if language == "fr" and (elision := _ELISION.match(word)):
        return is_ordinary(word[elision.end() :], language)
    return _is_noun(word) if language == "de" else is_common(word, language)


def _is_noun(word: str) -> bool:
    """German: the noun is likelier than the name, and clearly so where the word is unknown or in a list of names."""
    odds = dict(_tagger().tag_word(word))
    return bool(max(odds.values(), default=NEVER) - odds.get(NAME_TAG, NEVER) > _doubt_about(word))


def _doubt_about(word: str) -> float:
    lower, known = word.lower(), is_known(word, "de")
    if first_names().get(lower, 0) > 1 or (lower in family_names() and not known):
        return DOUBT_ABOUT_NAMES
    if lower in family_names() and is_proper(word, "de") and not is_common(word, "de"):
        return DOUBT_ABOUT_NOUNS
    return 0.0 if known else DOUBT


@cache
def _tagger() -> "HanoverTagger":
    from HanTa.HanoverTagger import HanoverTagger  # it brings numpy, and only German texts need it

    return HanoverTagger("morphmodel_ger.pgz")
