"""How the generated examples run here."""

from hypothesis import settings

# A deadline per example would make a slow or busy machine fail; the whole folder is timed instead.
settings.register_profile("contract", deadline=None)
settings.load_profile("contract")
