"""What the node's pages say, in the language of whoever reads it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final

from local_node.inbox import InboxItem
from local_node.web import error_words, presentation
from shared_schema.service.pages import words
from shared_schema.service.pages.error_words import SENTENCES
from shared_schema.service.pages.site import CATALOGUES as SHARED_CATALOGUE
from shared_schema.statement import Kind

CATALOGUES: Final = ("local_node.web.locales", SHARED_CATALOGUE)


class Words(words.Words):
    """One language with the time zone of the city."""

    SENTENCES: ClassVar[Mapping[str, str]] = MappingProxyType({**SENTENCES, **error_words.SENTENCES})

    def headline(self, text: str, kind: Kind) -> str:
        """The headline of a lesson, the kind in it translated."""
        return presentation.headline(text, kind, self.gettext)

    def author(self, name: str) -> str:
        """Whose a lesson is."""
        return presentation.author(name, self.gettext)

    def filters(self) -> dict[str, Callable[..., Any]]:
        """For the templates of this language."""
        said = self.gettext
        return super().filters() | {
            "headline": self.headline,
            "author": self.author,
            "membership": lambda value: presentation.membership(value, said),
            "audience": lambda value: said(presentation.audience(value)),
            "reason": lambda code: said(presentation.reason(code)),
            "figure_note": lambda code: said(presentation.figure_note(code)),
        }

    def functions(self) -> dict[str, Any]:
        """For the templates of this language."""
        return super().functions() | {
            "title_of": partial(presentation.title_of, translate=self.gettext),
            "freshness_note": self._freshness_note,
            "kind_names": {kind: self.gettext(name) for kind, name in presentation.KIND_NAMES.items()},
            "state_names": {state: self.gettext(name) for state, name in presentation.STATE_NAMES.items()},
        }

    def _freshness_note(self, item: InboxItem, now: datetime) -> str | None:
        return presentation.freshness_note(item, now, self.gettext, self.span)
