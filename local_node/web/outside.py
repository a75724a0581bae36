"""For whoever is outside: exactly what left this node, how accessible the pages are, and what is kept about staff."""

import json
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from local_node import departed, outside_messages
from local_node.departed import Departed
from local_node.narrative import free_texts
from local_node.outside_messages import MAX_CHARACTERS, MAX_CONTACT, Topic
from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.lesson_forms import LABELS
from local_node.web.site import Site, visitor_of
from shared_schema.errors import ProgramError
from shared_schema.messages import N_
from shared_schema.service.pages.forms import Form, choice_of, text_of
from shared_schema.service.pages.site import NotSignedInError, text_in
from shared_schema.service.pages.statuses import describe
from shared_schema.service.pages.terms import cell_label, words
from shared_schema.statement import Kind
from shared_schema.vocabulary import Outcome

LAST_SEQ: Final = 2**53
FIRST_TEXTS: Final = ("summary", "text")
TOPICS: Final = {
    Topic.ACCESSIBILITY: N_("Something is hard or impossible to use"),
    Topic.CONTENT: N_("Something that this city has published"),
    Topic.OTHER: N_("Something else"),
}


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = OutsidePages(site)
    site.notices |= {
        "message-taken": N_("Thank you. Your message is with the coordinator of this city."),
        "message-done": N_("Marked as done."),
        "message-erased": N_("Erased."),
    }
    site.get("/outside", pages.show, Right.OUTSIDE)
    site.get("/outside.json", pages.export, Right.OUTSIDE)
    site.get("/accessibility", pages.accessibility, Right.OUTSIDE)
    site.get("/privacy", pages.privacy, Right.OUTSIDE)
    site.post("/message", pages.take_message, Right.OUTSIDE)
    site.get("/messages", pages.list_messages, Right.SEE_OVERSIGHT)
    site.post("/messages/{number}", pages.change_message, Right.SEE_OVERSIGHT)


class OutsidePages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # --- what left -------------------------------------------------------------------------------------------------

    def show(self, request: Request, before: int = 0) -> Response:
        """Every statement that left, in plain words and byte for byte, a page at a time."""
        is_open = self._check_open(request)
        if not 0 <= before <= LAST_SEQ:
            return self._site.missing(request)
        with self._site.database.read() as session:
            page = departed.list_departed(session, before=before or None)
            left, waiting = departed.count_departed(session)
        return self._site.page(
            request,
            "outside.html",
            shown=[view_of(item) for item in page.items],
            older=page.older,
            is_first=not before,
            left=left,
            waiting=waiting,
            is_open=is_open,
        )

    def export(self, request: Request) -> Response:
        """The same as one JSON document, with the envelopes as they were sent."""
        self._check_open(request)
        parts = departed.export_parts(self._site.database, self._site.city.name, self._site.clock())
        headers = {"Content-Disposition": 'attachment; filename="what-left.json"'}
        return StreamingResponse(parts, media_type="application/json", headers=headers)

    def _check_open(self, request: Request) -> bool:
        """Whether everybody may see it. Raises NotSignedInError for somebody outside when it is not open."""
        is_open = bool(self._site.run("settings.show", {})["changeable"]["outside_open"])
        if not is_open and request.state.visitor is None:
            raise NotSignedInError
        return is_open

    # --- statements and messages -----------------------------------------------------------------------------------

    def accessibility(self, request: Request) -> Response:
        """The accessibility statement, with a form for whoever meets a barrier."""
        return self._accessibility(request)

    def privacy(self, request: Request) -> Response:
        """What is kept about the people who sign in here."""
        return self._site.page(request, "privacy.html")

    def take_message(self, request: Request, form: Form) -> Response:
        """Keep a message from outside; the form again, as it was typed, when it cannot be taken."""
        try:
            topic = Topic(choice_of(form, "topic", list(Topic)))
            text = text_of(form, "text", least=5, most=MAX_CHARACTERS, lines=True)
            contact = text_of(form, "contact", most=MAX_CONTACT)
            with self._site.database.write() as session:
                outside_messages.take(session, topic, text, contact, self._site.clock())
        except ProgramError as error:
            return self._accessibility(request, form=form, error=error)
        return self._site.go("/accessibility", done="message-taken")

    def _accessibility(
        self, request: Request, *, form: Form | None = None, error: ProgramError | None = None
    ) -> Response:
        page = self._site.page(
            request,
            "accessibility.html",
            status=200 if error is None else status_of(error),
            topics={topic.value: request.state.words.gettext(name) for topic, name in TOPICS.items()},
            typed={name: text_in(form, name) for name in ("topic", "text", "contact")} if form else {},
            most=MAX_CHARACTERS,
            error=None if error is None else describe(error),
        )
        if page.status_code == 429:
            page.headers["Retry-After"] = "3600"
        return page

    def list_messages(self, request: Request) -> Response:
        """What people outside have written."""
        with self._site.database.read() as session:
            messages = outside_messages.list_messages(session)
        return self._site.page(request, "messages.html", messages=messages, topics=TOPICS)

    def change_message(self, request: Request, number: int, form: Form) -> Response:
        """Mark a message as done, or erase it."""
        what = choice_of(form, "what", ("done", "erase"))
        by, now = visitor_of(request).person_id, self._site.clock()
        if not 0 < number <= LAST_SEQ:
            return self._site.missing(request)
        with self._site.database.write() as session:
            if what == "done":
                outside_messages.mark_done(session, number, by=by, now=now)
            else:
                outside_messages.erase(session, number, by=by, now=now)
        return self._site.go("/messages", done="message-done" if what == "done" else "message-erased")


def view_of(item: Departed) -> dict[str, Any]:
    """A statement for the page: in words, and the signed text as it left."""
    body: dict[str, Any] = item.statement["body"] if item.statement else {}
    return {
        "item": item,
        "title": body.get("title", ""),
        "texts": {} if item.kind is Kind.TREND else _texts_of(body),
        "outcome": Outcome(body["outcome"]) if "outcome" in body else None,
        "figures": _figures(body) if item.kind is Kind.TREND and body else None,
        "takes_back": body.get("digest") if item.kind is Kind.WITHDRAWAL else None,
        "issued_at": item.statement["issued_at"] if item.statement else None,
        "audience": item.statement["audience"] if item.statement else None,
        "signed": json.dumps(item.statement, indent=2, ensure_ascii=False, sort_keys=True) if item.statement else "",
    }


def _texts_of(body: dict[str, Any]) -> dict[str, str]:
    """What people wrote, by what the forms call it, the summary first."""
    texts = {name: text for name, text in free_texts(body).items() if name != "title"}
    ordered = sorted(texts.items(), key=lambda item: (item[0] not in FIRST_TEXTS, item[0]))
    return {LABELS.get(name, words(name)): text for name, text in ordered}


def _figures(body: dict[str, Any]) -> dict[str, Any]:
    """Figures as a table: what they are of, each cell with its value, what they cost."""
    period = body["period"]
    return {
        "table": body["table"]["id"],
        "start": period["start"],
        "end": period["end"],
        "correction": body.get("correction", 0),
        "epsilon": body["privacy"]["epsilon_milli"] / 1000 if "privacy" in body else None,
        "cells": [
            (cell_label(dimension, code), cell.get("status"), cell.get("value"))
            for cell in body["cells"]
            for dimension, code in cell["dims"].items()
        ],
    }
