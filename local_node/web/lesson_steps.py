"""From a draft on: look through it as the second person will, choose other words, hand it over, ask for a review."""

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from local_node import asking, draft_store
from local_node.drafting import Draft, DraftState
from local_node.inbox import InboxState
from local_node.marks import cut
from local_node.review import Role
from local_node.web import lesson_forms
from local_node.web.access import Right
from local_node.web.body_words import in_words
from local_node.web.deciders import deciders_for
from local_node.web.lesson_sources import NOBODY, find_draft, find_original, find_reach, writer_of
from local_node.web.site import Site, visitor_of, words_of
from local_node.writing import body_of, title_of
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = LessonSteps(site)
    site.notices |= {
        "draft-reworded": N_("The passage was changed. Here is the text as it stands now."),
        "draft-handed": N_(
            "It is with the coordinator now. You can take it back as long as nobody has asked for a review."
        ),
        "draft-back": N_("The draft is back with the agency."),
        "draft-gone": N_("The draft was thrown away. Its text is erased."),
        "review-asked": N_("A second person will look at it now. Nothing leaves before that."),
    }
    site.get("/lessons/{draft_id}/look", pages.look, Right.WRITE_LESSONS)
    site.post("/lessons/{draft_id}/wording", pages.reword, Right.WRITE_LESSONS)
    site.post("/lessons/{draft_id}/hand-over", pages.hand_over, Right.WRITE_LESSONS)
    site.post("/lessons/{draft_id}/give-back", pages.give_back, Right.WRITE_LESSONS)
    site.post("/lessons/{draft_id}/discard", pages.discard, Right.WRITE_LESSONS)
    site.post("/lessons/{draft_id}/ask", pages.ask, Right.ASK_RELEASE)


class LessonSteps:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def look(self, request: Request, draft_id: str) -> Response:
        """What a second person will see: what is missing, and what could point to somebody."""
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            draft = find_draft(session, draft_id, visitor)
        if draft is None:
            return self._site.missing(request)
        if draft.state is DraftState.ASKED:
            return self._site.go(f"/lessons/{draft.id}")
        return self._looked(request, draft)

    def _looked(self, request: Request, draft: Draft, status: int = 200, error: Any = None) -> Response:
        visitor, words = visitor_of(request), words_of(request, self._site)
        looked = self._site.run("draft.look", {"draft": draft.id, "by": visitor.person_id})
        places: dict[str, list[tuple[int, int, int]]] = {}
        for each in looked["findings"]:
            places.setdefault(each["field"], []).append((each["number"], each["start"], each["end"]))
        pieces = {name: cut(text, places.get(name, ())) for name, text in looked["texts"].items()}
        with self._site.database.read() as session:
            original = find_original(session, draft.kind, draft.fields)
            audience = asking.audience_of(session, draft)
            reach = find_reach(session, self._site.city.name, original).get(audience, NOBODY)
            deciders = deciders_for(session, visitor.person_id, draft.writers)
        return self._site.page(
            request,
            "lesson_look.html",
            status=status,
            error=error,
            draft=draft,
            title=title_of(draft.kind, draft.fields),
            body=in_words(body_of(draft.kind, draft.fields), pieces, words),
            looked=looked,
            labels=lesson_forms.LABELS,
            gaps=lesson_forms.GAPS,
            audience=audience,
            audiences=lesson_forms.AUDIENCES,
            attribution=lesson_forms.ATTRIBUTIONS[str(draft.fields.get("attribution", "city"))],
            reach=reach,
            deciders=deciders,
            original_gone=original is not None and original.state is not InboxState.ACCEPTED,
            is_partner=writer_of(visitor).role is Role.PARTNER,
        )

    def reword(self, request: Request, draft_id: str, form: Form) -> Response:
        """Take the coarser wording, or a mask, for one passage. The button says `number/to`."""
        number, _, to = str(form.get("change", "")).partition("/")
        given = {
            "draft": draft_id,
            "by": visitor_of(request).person_id,
            "version": lesson_forms.version_in(str(form.get("version", ""))),
            "finding": lesson_forms.version_in(number),
            "to": to,
            "seen": str(form.get("seen", "")),
        }
        try:
            self._site.run("draft.reword", given)
        except VerbError as error:
            return self._refused(request, draft_id, error)
        return self._site.go(f"/lessons/{draft_id}/look", done="draft-reworded")

    def ask(self, request: Request, draft_id: str, form: Form) -> Response:
        """Ask for the release of the version that was shown."""
        version = lesson_forms.version_in(str(form.get("version", "")))
        try:
            asked = self._site.run(
                "draft.ask", {"draft": draft_id, "by": visitor_of(request).person_id, "version": version}
            )
        except VerbError as error:
            return self._refused(request, draft_id, error)
        return self._site.go(f"/reviews/{asked['request']}", done="review-asked")

    def _refused(self, request: Request, draft_id: str, error: VerbError) -> Response:
        """The draft as it stands, with what kept it: it has changed, it is incomplete, it names the city."""
        with self._site.database.read() as session:
            draft = find_draft(session, draft_id, visitor_of(request))
        if draft is None:
            return self._site.missing(request)
        if draft.state is DraftState.ASKED:  # the second click of two
            return self._site.go(f"/lessons/{draft.id}")
        return self._looked(request, draft, status=409 if error.code == "draft-stale" else 422, error=describe(error))

    # --- from hand to hand -----------------------------------------------------------------------------------------

    def hand_over(self, request: Request, draft_id: str, form: Form) -> Response:
        """A partner agency hands its draft to the coordinators."""
        return self._move(request, draft_id, form, draft_store.hand_over, "draft-handed", "/lessons")

    def give_back(self, request: Request, draft_id: str, form: Form) -> Response:
        """Back into the agency's hands."""
        return self._move(request, draft_id, form, draft_store.give_back, "draft-back", "/lessons")

    def discard(self, request: Request, draft_id: str, form: Form) -> Response:
        """Throw a draft away."""
        return self._move(request, draft_id, form, draft_store.discard, "draft-gone", "/lessons")

    def _move(self, request: Request, draft_id: str, form: Form, step: Any, done: str, to: str) -> Response:
        visitor = visitor_of(request)
        version = lesson_forms.version_in(str(form.get("version", "")))
        with self._site.database.write() as session:
            draft = find_draft(session, draft_id, visitor)
            if draft is None:
                return self._site.missing(request)
            step(session, draft, version, writer_of(visitor), self._site.clock())
        return self._site.go(to, done=done)
