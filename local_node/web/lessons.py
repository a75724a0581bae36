"""Lessons: what people write here, from the first word to the question whether it may leave.

Every form names the version of the draft that it knew. Whoever is late, in another window or as a colleague, sees both
texts and decides; nothing that was typed is lost.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from local_node import asking, draft_store, lesson_list
from local_node.drafting import Draft, DraftStaleError, DraftState, DraftUnknownError, Writer
from local_node.inbox import InboxItem, InboxState
from local_node.marks import cut
from local_node.retention_rules import Kind as Kept
from local_node.retention_rules import months_for
from local_node.review import Role
from local_node.web import lesson_forms
from local_node.web.access import Right
from local_node.web.body_words import in_words
from local_node.web.deciders import deciders_for, names_of
from local_node.web.lesson_forms import Sent, read_form_fields
from local_node.web.lesson_sources import find_draft, find_original, find_reach, writer_of
from local_node.web.site import Site, visitor_of, words_of
from local_node.writing import POINTERS, Fields, body_of, read_fields, title_of
from shared_schema.service.pages.forms import Form
from shared_schema.service.translations import N_
from shared_schema.statement import Audience, Kind

FORM_KEY_BYTES: Final = 18
SENT_LISTED: Final = 20
DRAFTS_A_PAGE: Final = 40
LAST_PAGE: Final = 100_000
PREFILLED: Final = (
    "title",
    "summary",
    "lessons",
    "text",
    "changes",
    "adapted_from",
    "replaces",
    "outcome",
    "phenomenon",
)
"""What another page may put into an empty form by its address."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Lessons(site)
    site.notices["draft-saved"] = N_("Saved. Only you see it until you ask for a review.")
    site.get("/lessons", pages.show_all, Right.SEE_LESSONS)
    site.get("/lessons/new", pages.begin, Right.WRITE_LESSONS)
    site.post("/lessons", pages.save_new, Right.WRITE_LESSONS)
    site.post("/lessons/autosave", pages.autosave, Right.WRITE_LESSONS)
    site.get("/lessons/{draft_id}", pages.edit, Right.WRITE_LESSONS)
    site.post("/lessons/{draft_id}", pages.save, Right.WRITE_LESSONS)


class Lessons:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # --- lists -----------------------------------------------------------------------------------------------------

    def show_all(self, request: Request, page: int = 1) -> Response:
        """What is being written, what waits, what was sent, what was refused."""
        if not 1 <= page <= LAST_PAGE:
            return self._site.missing(request)
        writer, offset = writer_of(visitor_of(request)), (page - 1) * DRAFTS_A_PAGE
        with self._site.database.read() as session:
            found = draft_store.list_for(session, writer, limit=DRAFTS_A_PAGE + 1, offset=offset)
            drafts = found[:DRAFTS_A_PAGE]
            sent = lesson_list.list_sent_by(session, writer.id, limit=SENT_LISTED)
            names = names_of(session)
            kept_months = months_for(session, Kept.DRAFTS)
        return self._site.page(
            request,
            "lessons.html",
            kept_months=kept_months,
            drafts=[draft for draft in drafts if draft.state is DraftState.WRITING],
            handed=[draft for draft in drafts if draft.state is DraftState.HANDED],
            waiting=[draft for draft in drafts if draft.state is DraftState.ASKED],
            page=page,
            has_more=len(found) > DRAFTS_A_PAGE,
            sent=sent if page == 1 else (),
            names=names,
            kinds=lesson_forms.KINDS,
            draft_title=title_of,
            is_partner=writer.role is Role.PARTNER,
        )

    # --- writing ---------------------------------------------------------------------------------------------------

    def begin(self, request: Request, kind: str = Kind.PRACTICE.value, about: str = "") -> Response:
        """An empty form, or one that another page has filled in; nothing is kept before somebody saves."""
        if kind not in [each.value for each in lesson_forms.KINDS]:
            return self._site.missing(request)
        chosen = Kind(kind)
        given = {name: request.query_params.getlist(name)[:10] for name in PREFILLED if name in request.query_params}
        given |= {POINTERS[chosen]: [about]} if about and chosen in POINTERS else {}
        given.setdefault("language", [words_of(request, self._site).code])
        with self._site.database.read() as session:
            original = find_original(session, chosen, read_fields(chosen, given))
            if chosen in (Kind.EXPERIENCE, Kind.ANSWER) and original is None:
                return self._site.page(request, "lesson_begin.html", kind=chosen)
        sent = Sent(secrets.token_urlsafe(FORM_KEY_BYTES), 0, read_fields(chosen, given), _widest(original))
        return self._form(request, chosen, sent, None)

    def edit(self, request: Request, draft_id: str, rows: int = 0) -> Response:
        """The form of a draft; or, once it waits for somebody else, where it is."""
        with self._site.database.read() as session:
            draft = find_draft(session, draft_id, visitor_of(request))
        if draft is None:
            return self._site.missing(request)
        writer = writer_of(visitor_of(request))
        if draft.state is DraftState.ASKED or (draft.state is DraftState.HANDED and writer.role is Role.PARTNER):
            return self._waiting(request, draft)
        sent = Sent("", draft.version, dict(draft.fields), draft.audience)
        return self._form(request, draft.kind, sent, draft, more_rows=rows > 0)

    def save_new(self, request: Request, form: Form) -> Response:
        """Keep a new draft; the same form once more keeps the same one."""
        kind = _kind_of(form)
        if kind is None:
            return self._site.missing(request)
        sent = read_form_fields(kind, form)
        try:
            draft, is_same = self._keep_new(kind, sent, writer_of(visitor_of(request)))
        except DraftUnknownError:
            return self._site.missing(request)
        if not is_same:
            return self._conflict(request, draft, sent)
        return self._after_saving(request, draft, form)

    def save(self, request: Request, draft_id: str, form: Form) -> Response:
        """Keep what was typed, or show both texts to whoever is late."""
        visitor = visitor_of(request)
        with self._site.database.write() as session:
            draft = find_draft(session, draft_id, visitor)
            if draft is None:
                return self._site.missing(request)
            sent = read_form_fields(draft.kind, form)
            try:
                saved = draft_store.save(
                    session, draft, sent.version, sent.fields, sent.audience, writer_of(visitor), self._site.clock()
                )
            except DraftStaleError:
                return self._conflict(request, draft, sent)
        return self._after_saving(request, saved, form)

    def autosave(self, request: Request, form: Form) -> Response:
        """The same for the script of the form, in JSON: the draft's id, its version and when it was saved."""
        visitor, kind, draft_id = visitor_of(request), _kind_of(form), str(form.get("draft", ""))
        words = words_of(request, self._site)
        if kind is None:
            return self._site.missing(request)
        sent = read_form_fields(kind, form)
        if not draft_id:
            draft, is_same = self._keep_new(kind, sent, writer_of(visitor))
            return _saved(draft, words.clock(draft.saved_at)) if is_same else _stale(words.error("draft-stale"))
        with self._site.database.write() as session:
            found = find_draft(session, draft_id, visitor)
            if found is None or found.kind is not kind:
                return self._site.missing(request)
            try:
                draft = draft_store.save(
                    session, found, sent.version, sent.fields, sent.audience, writer_of(visitor), self._site.clock()
                )
            except DraftStaleError:
                return _stale(words.error("draft-stale"))
        return _saved(draft, words.clock(draft.saved_at))

    def _keep_new(self, kind: Kind, sent: Sent, writer: Writer) -> tuple[Draft, bool]:
        """The draft of a new form, and whether it holds what this form sent: two windows may show the same form."""
        with self._site.database.write() as session:
            draft = draft_store.begin(
                session,
                form_key=sent.form_key,
                kind=kind,
                fields=sent.fields,
                audience=sent.audience,
                writer=writer,
                now=self._site.clock(),
            )
        return draft, draft.fields == sent.fields and draft.kind is kind and draft.audience is sent.audience

    def _after_saving(self, request: Request, draft: Draft, form: Form) -> Response:
        then = form.get("then")
        if then == "look":
            return self._site.go(f"/lessons/{draft.id}/look")
        if then == "rows":
            return self._site.go(f"/lessons/{draft.id}?rows=1#agencies")
        return self._site.go(f"/lessons/{draft.id}", done="draft-saved")

    def _conflict(self, request: Request, draft: Draft, sent: Sent) -> Response:
        """Both texts: what is kept, to be read, and what this window had, to be saved in its place or not."""
        kept = {
            name: draft.fields.get(name, "")
            for name in (*draft.fields, *sent.fields)
            if draft.fields.get(name) != sent.fields.get(name)
        }
        mine = Sent("", draft.version, sent.fields, sent.audience)
        return self._form(request, draft.kind, mine, draft, status=409, kept=kept)

    def _form(
        self,
        request: Request,
        kind: Kind,
        sent: Sent,
        draft: Draft | None,
        *,
        status: int = 200,
        more_rows: bool = False,
        kept: Mapping[str, Any] | None = None,
    ) -> Response:
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            original = find_original(session, kind, sent.fields)
            reach = find_reach(session, self._site.city.name, original)
            names = names_of(session)
        return self._site.page(
            request,
            "lesson_form.html",
            status=status,
            kind=kind,
            fields=sent.fields,
            sent=sent,
            draft=draft,
            rows=lesson_forms.agency_rows(sent.fields, more_rows),
            forms=lesson_forms,
            offered=languages_of(sent.fields),
            original=original,
            original_gone=original is not None and original.state is not InboxState.ACCEPTED,
            reach=reach,
            kept=kept,
            names=names,
            is_partner=writer_of(visitor).role is Role.PARTNER,
        )

    def _waiting(self, request: Request, draft: Draft) -> Response:
        """Where a draft is that somebody else has in hand."""
        with self._site.database.read() as session:
            looked = asking.texts_of(draft)
            names = names_of(session)
            deciders = deciders_for(session, draft.saved_by, draft.writers)
        body = in_words(
            body_of(draft.kind, draft.fields), {name: cut(text, ()) for name, text in looked.items()},
            words_of(request, self._site),
        )  # fmt: skip
        return self._site.page(
            request, "lesson_waiting.html", draft=draft, body=body, names=names, deciders=deciders,
            title=title_of(draft.kind, draft.fields), kinds=lesson_forms.KINDS,
        )  # fmt: skip


def languages_of(fields: Fields) -> dict[str, str]:
    """The languages that a form offers."""
    return lesson_forms.languages_for(str(fields.get("language", "")))


def _kind_of(form: Form) -> Kind | None:
    kind = str(form.get("kind", ""))
    return Kind(kind) if kind in [each.value for each in lesson_forms.KINDS] else None


def _widest(original: InboxItem | None) -> Audience:
    return original.audience if original is not None and original.kind is Kind.QUESTION else Audience.EUROPE


def _saved(draft: Draft, at: str) -> Response:
    return JSONResponse({"draft": draft.id, "version": draft.version, "saved": at})


def _stale(sentence: str) -> Response:
    return JSONResponse({"code": "draft-stale", "sentence": sentence}, status_code=409)
