"""The catalogues of the pages' languages, kept in step with what the pages say.

    python -m tests.repository.catalogues       adds what is new and drops what is gone, in every language
    python -m tests.repository.catalogues de    and prints what German lacks

Messages come from the templates (`{% trans %}`, `_()`), from the code (`N_()`, `gettext`, `ngettext`), from the labels
of the vocabulary, and from the starter policy: its measures, tables and cells are what people read most, and a hub that
has others shows them as it calls them. A catalogue names no line numbers: they would change with every edit.
"""

import io
import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from local_node.web.presentation import cell_label, term, words
from shared_schema.service.translations import LOCALES, SOURCE_LANGUAGE
from shared_schema.vocabulary import VOCABULARIES

ROOT: Final = Path(__file__).resolve().parents[2]
LOCALES_FOLDER: Final = ROOT / "local_node" / "web" / "locales"
CODE: Final = ("local_node", "shared_schema")
TEMPLATES: Final = ROOT / "local_node" / "web" / "templates"
STARTER_POLICY: Final = ROOT / "regional_hub" / "starter_policy.json"
KEYWORDS: Final = {"N_": None, "_": None, "gettext": None, "ngettext": (1, 2)}
COMPLETE: Final = ("de",)
"""Languages in which nothing may be missing; the others are begun."""
Key = str | tuple[str, ...]


@cache
def messages() -> Catalog:
    """Everything that a page can say, in English."""
    found = Catalog(fuzzy=False)
    for key in sorted({*_of_code(), *_of_templates(), *_of_vocabulary(), *_of_policy()}, key=str):
        found.add(key)
    return found


def _of_code() -> Iterator[Key]:
    for package in CODE:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from _extract("python", path)


def _of_templates() -> Iterator[Key]:
    for path in sorted(TEMPLATES.rglob("*.*")):
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


def read(code: str) -> Catalog:
    """The catalogue of a language, as it is."""
    with (LOCALES_FOLDER / f"{code}.po").open("rb") as source:
        return read_po(source, locale=code)


def renewed(code: str) -> Catalog:
    """The catalogue as it should be: every message there is and no other, with the translations that it has."""
    now, known = messages(), read(code)
    made = Catalog(locale=code, fuzzy=False)
    for message in now:
        if message.id:
            old = known.get(message.id)
            made.add(message.id, string=old.string if old is not None else None)
    return made


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
    for code in LOCALES:
        if code == SOURCE_LANGUAGE:
            continue
        catalogue = renewed(code)
        (LOCALES_FOLDER / f"{code}.po").write_bytes(written(catalogue))
        lacking = missing(catalogue)
        print(f"{code}: {len(catalogue) - len(lacking)} of {len(catalogue)}")
        if code in sys.argv[1:]:
            print("\n".join(repr(message.id) for message in lacking))


if __name__ == "__main__":
    main()
