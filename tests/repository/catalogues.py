"""The catalogues of the pages' languages, kept in step with what the pages say.

    python -m tests.repository.catalogues       adds what is new and drops what is gone, in every language
    python -m tests.repository.catalogues de    and prints what German lacks

Each program has a catalogue of its own, and both read the shared one, which has what is said in `shared_schema`. A
message that moves from one to the other takes its translations along.

Messages come from the templates (`{% trans %}`, `_()`), from the code (`N_()`, `gettext`, `ngettext`), from the labels
of the vocabulary, and from the starter policy: its measures, tables and cells are what people read most, and a hub that
has others shows them as it calls them. A catalogue names no line numbers: they would change with every edit.
"""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from shared_schema.service.pages.terms import cell_label, term, words
from shared_schema.service.translations import LOCALES, SOURCE_LANGUAGE
from shared_schema.vocabulary import VOCABULARIES

ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Shelf:
    """One catalogue per language: for the messages of the code and the templates of a package."""

    package: str
    pages: str
    """Where the templates and the catalogues lie."""

    @property
    def folder(self) -> Path:
        return ROOT / self.pages / "locales"

    def file(self, code: str) -> Path:
        """The catalogue of a language."""
        return self.folder / f"{code}.po"


SHARED: Final = Shelf("shared_schema", "shared_schema/service/pages")
SHELVES: Final = (SHARED, Shelf("local_node", "local_node/web"), Shelf("regional_hub", "regional_hub/web"))
STARTER_POLICY: Final = ROOT / "regional_hub" / "starter_policy.json"
KEYWORDS: Final = {"N_": None, "_": None, "gettext": None, "ngettext": (1, 2)}
COMPLETE: Final = ("de",)
"""Languages in which nothing may be missing; the others are begun."""
Key = str | tuple[str, ...]


@cache
def messages(shelf: Shelf) -> Catalog:
    """Everything that a package can say, in English; a program leaves out what the shared catalogue has."""
    keys = {*_of_code(shelf), *_of_templates(shelf)}
    if shelf is SHARED:
        keys |= {*_of_vocabulary(), *_of_policy()}
    else:
        keys -= {message.id if isinstance(message.id, str) else tuple(message.id) for message in messages(SHARED)}
    found = Catalog(fuzzy=False)
    for key in sorted(keys, key=str):
        found.add(key)
    return found


def _of_code(shelf: Shelf) -> Iterator[Key]:
    for path in sorted((ROOT / shelf.package).rglob("*.py")):
        if "migrations" not in path.parts:
            yield from _extract("python", path)


def _of_templates(shelf: Shelf) -> Iterator[Key]:
    for path in sorted((ROOT / shelf.pages / "templates").rglob("*.*")):
        yield from _extract("jinja2", path, {"trimmed": "true", "silent": "false"})


def _extract(method: str, path: Path, options: dict[str, str] | None = None) -> Iterator[Key]:
    with path.open("rb") as source:
        for _, text, _, _ in extract(method, source, keywords=KEYWORDS, options=options or {}):
            if text:
                yield text if isinstance(text, str) else tuple(text)


def _of_vocabulary() -> Iterator[Key]:
    for terms in VOCABULARIES.values():
        for each in terms:
            yield term(each)


def _of_policy() -> Iterator[Key]:
    policy = json.loads(STARTER_POLICY.read_text(encoding="utf-8"))
    yield from (measure["title"] for measure in policy["measures"])
    for table in policy["tables"]:
        yield from (table["title"], words(table["id"]))
        yield from (cell_label(table["dimension"], cell) for cell in table["cells"])


def read(shelf: Shelf, code: str) -> Catalog:
    """The catalogue of a language, as it is; an empty one where there is none yet."""
    if not shelf.file(code).exists():
        return Catalog(locale=code)
    with shelf.file(code).open("rb") as source:
        return read_po(source, locale=code)


def renewed(shelf: Shelf, code: str) -> Catalog:
    """The catalogue as it should be: every message there is and no other, with the translations that it has."""
    known = [read(each, code) for each in (shelf, *SHELVES)]
    made = Catalog(locale=code, fuzzy=False)
    for message in messages(shelf):
        if message.id:
            made.add(message.id, string=next(_said(known, message), None))
    return made


def _said(known: list[Catalog], message: Message) -> Iterator[str | tuple[str, ...] | list[str] | None]:
    """What was said for a message, in its own catalogue first; in another one only for the same message."""
    for place, catalogue in enumerate(known):
        old = catalogue.get(message.id)
        if old is not None and (place == 0 or (old.pluralizable == message.pluralizable and _is_whole(old))):
            yield old.string


def written(catalogue: Catalog) -> bytes:
    """The bytes of a catalogue, the same for the same messages."""
    out = io.BytesIO()
    write_po(out, catalogue, no_location=True, omit_header=True, sort_output=True, width=0)
    head = (
        f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n"MIME-Version: 1.0\\n"\n'
        f'"Content-Type: text/plain; charset=utf-8\\n"\n"Content-Transfer-Encoding: 8bit\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return head.encode() + out.getvalue()


def missing(catalogue: Catalog) -> list[Message]:
    """What a language lacks."""
    return [message for message in catalogue if message.id and not _is_whole(message)]


def _is_whole(message: Message) -> bool:
    parts = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
    return bool(parts) and all(parts)


def main() -> None:
    """Rewrite every catalogue, and say how much each has."""
    made = {(shelf, code): renewed(shelf, code) for shelf in SHELVES for code in LOCALES if code != SOURCE_LANGUAGE}
    for (shelf, code), catalogue in made.items():
        shelf.file(code).write_bytes(written(catalogue))
        lacking = missing(catalogue)
        print(f"{shelf.package} {code}: {len(catalogue) - len(lacking)} of {len(catalogue)}")
        if code in sys.argv[1:]:
            print("\n".join(repr(message.id) for message in lacking))


if __name__ == "__main__":
    main()
