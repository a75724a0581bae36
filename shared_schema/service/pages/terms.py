"""Plain words for the terms of the vocabulary, and for the names that a hub gives its tables and cells."""

import re
from collections.abc import Mapping
from enum import StrEnum

from shared_schema.service.translations import N_
from shared_schema.vocabulary import VOCABULARIES, FailureFactor, label

_LISTS = {"agency": "agency_type"}
"""Dimensions whose list in the vocabulary has another name."""
_OTHER_REGISTERS = re.compile(r" \((?:CrimeSolutions|Blueprints)[^)]*\)$")
"""Labels name the nearest terms of other registers, for those who exchange data with them, not for readers."""
_KINDER: Mapping[StrEnum, str] = {
    FailureFactor.STIGMA: N_("Stigma or backlash in the group it was meant for"),
    FailureFactor.WRONG_TARGET: N_("The group it was meant for was chosen on assumption"),
}
"""People are nobody's aim here; the vocabulary's own labels are those of its sources."""


def term(value: object) -> str:
    """The label of a term of the vocabulary, or the word itself."""
    if isinstance(value, StrEnum):
        try:
            return _KINDER.get(value) or _OTHER_REGISTERS.sub("", label(value))
        except KeyError:
            return words(value.value)
    return str(value)


def words(code: str) -> str:
    """`bias_incidents.by_offence` as words: Bias incidents by offence."""
    text = code.replace("_", " ").replace(".", " ").strip()
    return text[:1].upper() + text[1:]


def cell_label(dimension: str, code: str) -> str:
    """The label of a cell of a table: the vocabulary's where the dimension is one of its lists."""
    terms = VOCABULARIES.get(_LISTS.get(dimension, dimension))
    if terms is None:
        return "Unknown" if code == "_U" else words(code)
    return next((term(each) for each in terms if each.value == code), words(code))
