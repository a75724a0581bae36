"""The messages of the pages, one catalogue for each language; English is in the code."""
