"""What a city is told before it sends figures to a sealed total, on every page where somebody decides about one.

The sentences are those of docs/sealed_totals.md, word for word: they say what is promised, and what is not.
"""

from typing import Final

from shared_schema.service.translations import N_

FOR_COORDINATORS: Final = N_(
    "Your numbers leave only as two sealed halves, one for %(first)s and one for %(other)s; either half alone is "
    "random digits, and only the blurred sum of at least five cities can be read. If %(first)s and %(other)s broke "
    "the rules together while this collection is open, they could read your city's numbers."
)
FOR_PROTECTION_OFFICERS: Final = N_(
    "Against everyone else, either hub alone included, one person's presence changes the odds of any published total "
    "by at most e^%(epsilon)s per table in twelve months, provided one of the two operators follows the rules. The "
    "range of your counts is checked, their truth is not; a wrong number cannot be found or taken back afterwards, "
    "only marked."
)
