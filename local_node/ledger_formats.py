"""What the hash of an entry of the ledger covers, by the number that its row carries."""

from typing import Final

TAKEN_OVER: Final = 0
"""An entry whose hash was taken over from a signed statement: it cannot be computed here."""
FIRST_FORMAT: Final = 1
"""Entries from before version 0.2: all columns that there were."""
RELEASE_FORMAT: Final = 2
"""What the statement says of a release (`spending.hash_entry`)."""
SHARE_FORMAT: Final = 3
"""What a sealed share costs (`spending.hash_entry`): nothing is drawn for one here."""
SEALED: Final = "sealed"
"""In place of the library that draws noise: the two hubs do it."""
COMPOSITION: Final = "parallel over periods, sum over tables"
