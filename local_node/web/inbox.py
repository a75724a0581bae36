"""The inbox: what fits words and filters, one item with everything that belongs to it, and what a person does with it.

Opening an item marks it as read by a form that a script sends, because reading a page never writes. Without a script
the same form is a button.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, get_args

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import finding, inbox, reader, reading, saved_views, search_index
from local_node.finding import Reader, Tallies
from local_node.inbox import InboxState
from local_node.inbox_query import MAX_PAGE, WORD_KINDS, Order, Wanted, parse_wanted
from local_node.lesson import LESSON_KINDS
from local_node.reader import ReaderError
from local_node.search_query import SearchError
from local_node.web.access import Right
from local_node.web.inbox_news import News
from local_node.web.lesson_forms import BANDS, LABELS
from local_node.web.lesson_text import as_text, citation, file_name
from local_node.web.presentation import KIND_NAMES
from local_node.web.site import Site, visitor_of, words_of
from shared_schema.content import CitySize, Urbanisation
from shared_schema.service.pages.forms import Form, is_sent, number_of, text_of
from shared_schema.service.pages.site import text_in
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_
from shared_schema.statement import Kind
from shared_schema.vocabulary import AgencyType, EvidenceLevel, Outcome, Phenomenon, PreventionLevel, Setting

ITEMS_A_PAGE: Final = 50
LAST_PAGE: Final = MAX_PAGE
MAX_LOOSENED: Final = 8
BEST: Final = N_("Best match first")
NEWEST: Final = N_("Newest first")
MAX_RELATED: Final = 50
"""Experiences or answers that are listed below an item."""
URBANISATION_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"1": N_("City"), "2": N_("Town or suburb"), "3": N_("Rural area")}
)
SIZE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "XS": N_("Below 50,000 inhabitants"),
        "S": N_("50,000 to 100,000 inhabitants"),
        "M": N_("100,000 to 250,000 inhabitants"),
        "L": N_("250,000 to 500,000 inhabitants"),
        "XL": N_("500,000 to 1,000,000 inhabitants"),
        "XXL": N_("Above 1,000,000 inhabitants"),
    }
)
NAMES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "band_names": BANDS,
        "field_labels": LABELS,
        "size_names": SIZE_NAMES,
        "urbanisation_names": URBANISATION_NAMES,
    }
)
"""What the templates of an item need beside it."""
FIELD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "q": N_("Words"),
        "kind": N_("Kind"),
        "phenomenon": N_("What it is about"),
        "outcome": N_("What came of it"),
        "level": N_("Level of prevention"),
        "setting": N_("Where it takes place"),
        "agency": N_("Who takes part"),
        "evidence": N_("Evidence of at least"),
        "language": N_("Language"),
        "area": N_("Area code"),
        "size": N_("Size of the city"),
        "urbanisation": N_("Kind of place"),
        "from": N_("Written from"),
        "to": N_("Written until"),
        "near": N_("Near us"),
        "similar": N_("Cities like ours"),
        "unread": N_("New to me"),
        "useful": N_("Useful to me"),
    }
)
_ENUMS: Final[Mapping[str, Sequence[Any]]] = MappingProxyType(
    {
        "phenomenon": list(Phenomenon),
        "outcome": list(Outcome),
        "level": list(PreventionLevel),
        "setting": list(Setting),
        "agency": list(AgencyType),
        "evidence": list(EvidenceLevel),
    }
)


@dataclass(frozen=True, slots=True)
class View:
    """One way to look at everything that came, beside the lessons."""

    title: str
    kinds: tuple[Kind, ...] = ()
    state: InboxState | None = InboxState.ACCEPTED


VIEWS: Final[Mapping[str, View]] = MappingProxyType(
    {
        "lessons": View(N_("Lessons"), LESSON_KINDS),
        "sums": View(N_("Sums"), (Kind.AGGREGATE, Kind.TREND)),
        "members": View(N_("Members and rules"), (Kind.MEMBERSHIP, Kind.POLICY)),
        "withdrawn": View(N_("Taken back"), state=InboxState.WITHDRAWN),
        "quarantined": View(N_("Not verified"), state=InboxState.QUARANTINED),
        "all": View(N_("Everything"), state=None),
    }
)


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = InboxPages(site)
    site.notices |= {
        "useful": N_("Noted: this is useful to you. It stays here; nobody outside learns of it."),
        "not-useful": N_("The mark is gone."),
        "note-saved": N_("Your note is saved. Only you see it."),
        "all-read": N_("Everything that has arrived so far is marked as read."),
        "read": N_("Marked as read."),
        "unread": N_("Marked as new again."),
        "stays-read": N_("It stays read: it is from before you marked everything as read."),
    }
    site.get("/inbox", pages.show, Right.READ_INBOX)
    site.post("/inbox/read", pages.mark_all_read, Right.READ_INBOX)
    site.get("/inbox/{digest}", pages.item, Right.READ_INBOX)
    site.get("/inbox/{digest}/print", pages.print_view, Right.READ_INBOX)
    site.get("/inbox/{digest}/text", pages.text, Right.READ_INBOX)
    site.post("/inbox/{digest}/read", pages.mark_read, Right.READ_INBOX)
    site.post("/inbox/{digest}/useful", pages.mark_useful, Right.READ_INBOX)
    site.post("/inbox/{digest}/note", pages.write_note, Right.READ_INBOX)


class InboxPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._tallies = Tallies()
        self._news = News()

    # --- lists -----------------------------------------------------------------------------------------------------

    def show(self, request: Request) -> Response:
        """The lessons that fit the address; with `show`, `state` or another kind the lists of what else came."""
        query = request.query_params
        show = query.get("show") or query.get("state") or "lessons"
        kind = query.get("kind", "")
        if show in VIEWS and show != "lessons":
            return self._others(request, show, VIEWS[show], f"show={show}")
        if kind in list(Kind) and kind not in WORD_KINDS:
            return self._others(request, "", View(KIND_NAMES[Kind(kind)], (Kind(kind),)), f"kind={kind}")
        if show not in ("lessons", InboxState.ACCEPTED.value) or (kind and kind not in list(Kind)):
            return self._site.missing(request)
        return self._lessons(request)

    def _lessons(self, request: Request) -> Response:
        who = self._reader(request)
        wanted, error = Wanted(), None
        try:
            wanted = parse_wanted(request.query_params.multi_items())
        except SearchError as trouble:
            if trouble.code == "not-found":
                return self._site.missing(request)
            error = trouble
        with self._site.database.read() as session:
            page = None
            try:
                page = None if error else finding.find_page(session, wanted, who, self._site.clock())
                counts = self._tallies.of(session, wanted, who, page) if page else {}
            except SearchError as trouble:
                error, counts = trouble, {}
            loosened = self._loosened(session, wanted, who) if page is not None and not page.cards else []
            views = self._news.of(session, who)
            view = next((each for each in views if str(each[0].id) == request.query_params.get("view")), None)
            lists = _count_views(inbox.count_items(session), inbox.count_replaced(session))
        return self._site.page(
            request,
            "inbox_list.html",
            status=422 if error else 200,
            error=describe(error) if error else None,
            wanted=wanted,
            typed=text_in(request.query_params, "q"),
            found=page,
            counts=_by_field(counts),
            chosen=_chosen(wanted),
            pairs=[(*pair, _address(wanted.without(*pair))) for pair in wanted.pairs() if pair[0] in FIELD_NAMES],
            loosened=loosened,
            options=self._options(request, wanted),
            names=FIELD_NAMES,
            address=_address(wanted),
            saved=views,
            view=view,
            views=VIEWS,
            lists=lists,
            who=who,
        )

    def _others(self, request: Request, show: str, view: View, query: str) -> Response:
        """What came beside the lessons, as it came, a page at a time."""
        page = _page_number(request)
        if page is None:
            return self._site.missing(request)
        with self._site.database.read() as session:
            items = inbox.list_items(
                session,
                kinds=view.kinds,
                state=view.state,
                limit=ITEMS_A_PAGE + 1,
                offset=(page - 1) * ITEMS_A_PAGE,
            )
            lists = _count_views(inbox.count_items(session), inbox.count_replaced(session))
        return self._site.page(
            request,
            "inbox_others.html",
            items=items[:ITEMS_A_PAGE],
            has_more=len(items) > ITEMS_A_PAGE,
            page=page,
            views=VIEWS,
            lists=lists,
            show=show,
            view=view,
            query=query,
        )

    def _loosened(self, session: Session, wanted: Wanted, who: Reader) -> list[tuple[str, str, int]]:
        """(field, address, how many would be found) without each of the filters that stand in the way."""
        offers = []
        for name in list(dict.fromkeys(name for name, _ in wanted.pairs() if name in FIELD_NAMES))[:MAX_LOOSENED]:
            looser = wanted.without(name)
            try:
                count = finding.count_new(session, looser, who, 0, finding.MAX_COUNTED)
            except SearchError:
                continue
            if count:
                offers.append((name, _address(looser), count))
        return sorted(offers, key=lambda offer: -offer[2])

    def _options(self, request: Request, wanted: Wanted) -> dict[str, dict[str, str]]:
        """What every filter can be set to, in the words of the page."""
        words = words_of(request, self._site)
        kind_names = words.functions()["kind_names"]
        named: dict[str, dict[str, str]] = {
            name: {term.value: words.term(term) for term in terms} for name, terms in _ENUMS.items()
        }
        return named | {
            "kind": {kind.value: kind_names[kind] for kind in WORD_KINDS},
            "size": {code: words.gettext(SIZE_NAMES[code]) for code in get_args(CitySize)},
            "urbanisation": {code: words.gettext(URBANISATION_NAMES[code]) for code in get_args(Urbanisation)},
            "sort": {Order.BEST.value: words.gettext(BEST), Order.NEWEST.value: words.gettext(NEWEST)},
        }

    def _reader(self, request: Request) -> Reader:
        city = self._site.city
        return Reader(visitor_of(request).person_id, city.surroundings, city.name)

    # --- one item --------------------------------------------------------------------------------------------------

    def item(self, request: Request, digest: str) -> Response:
        """One item, with its content when it was verified."""
        return self._item(request, digest)

    def _item(self, request: Request, digest: str, *, status: int = 200, **values: Any) -> Response:
        person = visitor_of(request).person_id
        with self._site.database.read() as session:
            item = inbox.find_item(session, digest)
            if item is None:
                return self._site.missing(request)
            lesson = reading.read(session, digest, self._site.clock())
            shown: dict[str, Any] = {
                "item": item,
                "body": item.body,
                "lesson": lesson,
                "note": reader.find_note(session, person, digest),
                "useful": reader.count_useful(session, [digest]).get(digest, 0),
                "is_useful": bool(reader.useful_among(session, person, [digest])),
                "is_new": bool(reader.unread_among(session, person, [digest])),
                "can_be_new": reader.can_be_unread(session, person, digest),
                "related": _related(session, lesson, digest),
            }
        return self._site.page(request, "inbox_item.html", status=status, **(shown | {"error": None} | values), **NAMES)

    def print_view(self, request: Request, digest: str) -> Response:
        """One lesson on paper: what it says, where it comes from, how to cite it."""
        with self._site.database.read() as session:
            item = inbox.find_item(session, digest)
            lesson = reading.read(session, digest, self._site.clock())
        if item is None or lesson is None:
            return self._site.missing(request)
        cited = citation(lesson.lesson, words_of(request, self._site))
        return self._site.page(request, "inbox_print.html", item=item, lesson=lesson, citation=cited, **NAMES)

    def text(self, request: Request, digest: str) -> Response:
        """One lesson as a plain text file."""
        with self._site.database.read() as session:
            lesson = reading.read(session, digest, self._site.clock())
        if lesson is None:
            return self._site.missing(request)
        text = as_text(lesson.lesson, words_of(request, self._site), evidence=lesson.evidence)
        headers = {"Content-Disposition": f'attachment; filename="{file_name(lesson.lesson)}"'}
        return Response(text.encode(), media_type="text/plain; charset=utf-8", headers=headers)

    # --- what a person does with it --------------------------------------------------------------------------------

    def mark_read(self, request: Request, digest: str, form: Form) -> Response:
        """Mark an item as read, or with `undo` as new."""
        person, done = visitor_of(request).person_id, "read"
        with self._site.database.write() as session:
            if is_sent(form, "undo"):
                done = "unread" if reader.mark_unread(session, person, digest) else "stays-read"
            else:
                reader.mark_read(session, person, digest)
        if not self._site.is_browser(request):
            return Response(status_code=204)
        return self._site.go(f"/inbox/{digest}", done=done)

    def mark_all_read(self, request: Request, form: Form) -> Response:
        """Mark everything as read that had arrived when the page was made."""
        up_to = number_of(form, "up_to", least=0, most=10**14)
        with self._site.database.write() as session:
            reader.mark_all_read(session, visitor_of(request).person_id, up_to)
        return self._site.go("/inbox", done="all-read")

    def mark_useful(self, request: Request, digest: str, form: Form) -> Response:
        """Set the mark, or with `undo` take it back."""
        useful = not is_sent(form, "undo")
        with self._site.database.write() as session:
            person = visitor_of(request).person_id
            reader.set_useful(session, person, digest, useful, self._site.clock())
            reader.mark_read(session, person, digest)
        return self._site.go(f"/inbox/{digest}", done="useful" if useful else "not-useful")

    def write_note(self, request: Request, digest: str, form: Form) -> Response:
        """Save one's own note; what was typed is kept when it cannot be saved."""
        edition = number_of(form, "edition", least=0, most=10**9)
        text = text_of(form, "note", most=2 * reader.MAX_NOTE_LETTERS, lines=True)
        try:
            with self._site.database.write() as session:
                person = visitor_of(request).person_id
                reader.write_note(session, person, digest, text, edition, self._site.clock())
        except ReaderError as error:
            if error.code == "not-found":
                raise
            return self._item(request, digest, status=422, error=describe(error) | {"field": "note"}, typed=text)
        return self._site.go(f"/inbox/{digest}", done="note-saved")


def _address(wanted: Wanted) -> str:
    """The address of a list, ready for one more field behind it."""
    query = saved_views.query_of(wanted)
    return f"/inbox?{query}&" if query else "/inbox?"


def _chosen(wanted: Wanted) -> dict[str, list[str]]:
    chosen: dict[str, list[str]] = {name: [] for name in FIELD_NAMES}
    for name, value in wanted.pairs():
        chosen.setdefault(name, []).append(value)
    return chosen


def _by_field(counts: Mapping[str, Mapping[str, int]]) -> dict[str, Mapping[str, int]]:
    """Counts by the name of the filter in the address."""
    names = {"phenomena": "phenomenon", "settings": "setting"}
    return {names.get(name, name): found for name, found in counts.items()}


def _related(session: Session, lesson: reading.Reading | None, digest: str) -> list[search_index.Hit]:
    """Experiences with any version of it, questions about it and answers to it, the newest first."""
    if lesson is None:
        return []
    digests = [note.version.digest for note in lesson.versions] or [digest]
    return list(search_index.find_about(session, digests, MAX_RELATED))


def _page_number(request: Request) -> int | None:
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 7 and 1 <= int(text) <= LAST_PAGE):
        return None
    return int(text)


def _count_views(counts: Mapping[tuple[Kind, InboxState], int], replaced: int) -> dict[str, int]:
    """How many items every list has; lessons of which there is a newer version are not counted."""
    return {
        name: (-replaced if name == "lessons" else 0)
        + sum(
            count
            for (kind, state), count in counts.items()
            if (not view.kinds or kind in view.kinds) and view.state in (None, state)
        )
        for name, view in VIEWS.items()
    }
