"""Saved views: the list of them, their feeds, and a table of what is in one.

A feed is read by programs without a session: the address carries the secret. It shows what the view's owner may read,
and nothing when the owner's account is closed.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import Response

from local_node import finding, saved_views, search_index
from local_node.door import accounts
from local_node.finding import Reader
from local_node.inbox_query import parse_wanted
from local_node.lesson import Lesson
from local_node.saved_views import SavedView, ViewError
from local_node.search_query import SearchError
from local_node.web.access import ALLOWED, Right
from local_node.web.lesson_text import facts, paragraphs
from local_node.web.presentation import KIND_NAMES
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.words import Words
from shared_schema.content import PracticeBody
from shared_schema.service.atom import NEVER, AtomEntry, write_feed
from shared_schema.service.exports import CSV_TYPE, csv_bytes, download_headers
from shared_schema.service.pages.access import may
from shared_schema.service.pages.feeds import feed_response
from shared_schema.service.pages.forms import Form, is_sent, number_of, text_of
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_

FEED_ENTRIES: Final = 50
COLUMNS: Final = (
    N_("Title"),
    N_("Kind"),
    N_("City"),
    N_("Written"),
    N_("Outcome"),
    N_("Evidence"),
    N_("About"),
    N_("Language"),
    N_("Area"),
    N_("Text"),
    N_("Digest"),
)


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ViewPages(site)
    site.notices |= {
        "view-saved": N_("The view is saved."),
        "view-changed": N_("The view is changed."),
        "view-removed": N_("The view and its feed are gone."),
        "view-renewed": N_("The feed has a new address. The old one is dead from now on."),
        "view-seen": N_("Everything in this view counts as seen."),
    }
    site.get("/views", pages.show, Right.READ_INBOX)
    site.post("/views", pages.save, Right.READ_INBOX)
    site.post("/views/{view_id}", pages.change, Right.READ_INBOX)
    site.post("/views/{view_id}/seen", pages.mark_seen, Right.READ_INBOX)
    site.post("/views/{view_id}/address", pages.renew, Right.READ_INBOX)
    site.post("/views/{view_id}/remove", pages.remove, Right.READ_INBOX)
    site.get("/inbox.csv", pages.table, Right.READ_INBOX)
    site.get("/feeds/{token}", pages.feed, Right.OUTSIDE)


class ViewPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # --- the list --------------------------------------------------------------------------------------------------

    def show(self, request: Request) -> Response:
        """One's own views and the shared ones."""
        return self._list(request)

    def _list(
        self, request: Request, *, status: int = 200, error: dict[str, Any] | None = None, **typed: Any
    ) -> Response:
        person = visitor_of(request).person_id
        with self._site.database.read() as session:
            views = saved_views.list_views(session, person)
        return self._site.page(
            request,
            "inbox_views.html",
            status=status,
            error=error,
            typed=typed,
            own=[view for view in views if view.owner == person],
            shared=[view for view in views if view.owner != person],
            base=self._site.public_url.rstrip("/"),
        )

    def save(self, request: Request, form: Form) -> Response:
        """Save the filters of a list under a name; a name that cannot be taken leaves everything as it was typed."""
        query = text_of(form, "query", most=4_000)
        name = text_of(form, "name", most=200)
        person, now = visitor_of(request).person_id, self._site.clock()
        try:
            wanted = parse_wanted(parse_qsl(query))
            with self._site.database.write() as session:
                view = saved_views.save(session, person, name, wanted, shared=is_sent(form, "shared"), now=now)
        except (ViewError, SearchError) as error:
            typed = {"query": query, "name": name, "shared": is_sent(form, "shared")}
            return self._list(request, status=422, error=describe(error) | {"field": "name"}, **typed)
        return self._site.go(f"/inbox?{view.query}&view={view.id}", done="view-saved")

    def change(self, request: Request, view_id: int, form: Form) -> Response:
        """Another name, or shared or not."""
        name, shared = text_of(form, "name", most=200), is_sent(form, "shared")
        try:
            with self._site.database.write() as session:
                person = visitor_of(request).person_id
                saved_views.rename(session, person, view_id, name, shared=shared, now=self._site.clock())
        except ViewError as error:
            if error.code == "not-found":
                return self._site.missing(request)
            typed = {"changes": {view_id: {"name": name, "shared": shared}}}
            return self._list(request, status=422, error=describe(error) | {"field": f"name-{view_id}"}, **typed)
        return self._site.go("/views", done="view-changed")

    def mark_seen(self, request: Request, view_id: int, form: Form) -> Response:
        """What was on the page when it was made is not new in this view any more."""
        up_to = number_of(form, "up_to", least=0, most=10**14)
        person = visitor_of(request).person_id
        try:
            with self._site.database.write() as session:
                view = saved_views.get(session, person, view_id)
                last = search_index.last_number(session)
                saved_views.mark_seen(session, person, view_id, min(up_to, last))
        except ViewError:
            return self._site.missing(request)
        if not self._site.is_browser(request):
            return Response(status_code=204)
        return self._site.go(f"/inbox?{view.query}&view={view_id}", done="view-seen")

    def renew(self, request: Request, view_id: int) -> Response:
        """Another secret address for the feed."""
        try:
            with self._site.database.write() as session:
                saved_views.renew_token(session, visitor_of(request).person_id, view_id, self._site.clock())
        except ViewError:
            return self._site.missing(request)
        return self._site.go("/views", done="view-renewed")

    def remove(self, request: Request, view_id: int) -> Response:
        """Remove a view with its feed."""
        try:
            with self._site.database.write() as session:
                saved_views.remove(session, visitor_of(request).person_id, view_id, self._site.clock())
        except ViewError:
            return self._site.missing(request)
        return self._site.go("/views", done="view-removed")

    # --- a table ---------------------------------------------------------------------------------------------------

    def table(self, request: Request) -> Response:
        """What fits the address, as a file for a spreadsheet."""
        wanted, who = parse_wanted(request.query_params.multi_items()), self._reader(visitor_of(request).person_id)
        words = words_of(request, self._site)
        header = [words.gettext(name) for name in COLUMNS]
        with self._site.database.read() as session:
            content = csv_bytes(header, (_row(lesson, words) for lesson in finding.each_lesson(session, wanted, who)))
        return Response(content, media_type=CSV_TYPE, headers=download_headers("lessons.csv"))

    # --- feeds -----------------------------------------------------------------------------------------------------

    def feed(self, request: Request, token: str) -> Response:
        """The newest of a view for a feed reader, which asks again with what it knows (RFC 9110, section 13)."""
        with self._site.database.read() as session:
            view = saved_views.find_by_token(session, token.removesuffix(".atom"))
            account = None if view is None else accounts.find_account(session, view.owner)
            if (
                view is None
                or account is None
                or account.is_disabled
                or not may(ALLOWED, account.roles, Right.READ_INBOX)
            ):
                return self._site.missing(request)
            try:
                lessons = finding.list_lessons(session, view.wanted, self._reader(view.owner), FEED_ENTRIES)
            except SearchError:
                lessons = ()  # a filter that this node does not know any more finds nothing
        body = self._write(view, lessons, words_of(request, self._site))
        return feed_response(request, body, max((lesson.issued_at for lesson in lessons), default=NEVER))

    def _reader(self, person: str) -> Reader:
        city = self._site.city
        return Reader(person, city.surroundings, city.name)

    def _write(self, view: SavedView, lessons: Sequence[Lesson], words: Words) -> bytes:
        base = self._site.public_url.rstrip("/")
        return write_feed(
            f"urn:prevention-exchange:{self._site.city.name}:view:{view.id}",
            f"{view.name} – {self._site.city.display_name}",
            [_entry(lesson, f"{base}/inbox/{lesson.digest}", words) for lesson in lessons],
            own_address=f"{base}/feeds/{view.feed_token}.atom",
            generator="Prevention Exchange",
        )


def _entry(lesson: Lesson, address: str, words: Words) -> AtomEntry:
    content = lesson.content
    phenomena = getattr(content, "phenomenon", ())
    told = "\n".join(f"{name}: {value}" for name, value in facts(lesson, words))
    return AtomEntry(
        id=f"urn:sha256:{lesson.digest}",
        title=words.headline(lesson.headline, lesson.kind),
        author=words.author(lesson.author),
        updated_at=lesson.issued_at,
        address=address,
        language=content.language,
        lines=(told, *paragraphs(lesson, words)),
        terms=tuple((phenomenon.value, words.term(phenomenon)) for phenomenon in phenomena),
    )


def _row(lesson: Lesson, words: Words) -> list[str]:
    content = lesson.content
    phenomena = getattr(content, "phenomenon", ())
    cells = (
        words.headline(lesson.headline, lesson.kind),
        words.gettext(KIND_NAMES[lesson.kind]),
        words.author(lesson.author),
        lesson.issued_at[:10],
        words.term(lesson.outcome) if lesson.outcome else "",
        words.term(lesson.evidence_level) if lesson.evidence_level else "",
        ", ".join(words.term(phenomenon) for phenomenon in phenomena),
        content.language,
        lesson.area.code if lesson.area else "",
        content.summary if isinstance(content, PracticeBody) else " ".join(paragraphs(lesson, words)),
        lesson.digest,
    )
    return list(cells)
