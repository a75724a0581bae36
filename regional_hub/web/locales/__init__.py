"""The messages of the hub's pages, one catalogue for each language; English is in the code."""
