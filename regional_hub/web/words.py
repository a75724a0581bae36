"""What the hub's pages say, in the language of whoever reads it."""

from typing import Final

from shared_schema.service.pages import words
from shared_schema.service.pages.site import CATALOGUES as SHARED_CATALOGUE

CATALOGUES: Final = ("regional_hub.web.locales", SHARED_CATALOGUE)


class Words(words.Words):
    """One language with the time zone of the hub."""
