"""The messages that both programs show, one catalogue for each language; English is in the code."""
