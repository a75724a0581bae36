"""The outbox: what was signed, byte for byte, how far it got, and how it is taken back."""

import secrets
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from local_node import draft_store, hub_client, receivers, request_store, sent_items
from local_node.marks import cut
from local_node.narrative import free_texts
from local_node.receivers import Receivers
from local_node.sent_items import SentItem, Shelf
from local_node.web.access import Right
from local_node.web.body_words import in_words
from local_node.web.deciders import names_of
from local_node.web.failures import status_of
from local_node.web.figure_lines import lines_of_body
from local_node.web.lesson_sources import writer_of
from local_node.web.presentation import KIND_NAMES
from local_node.web.site import Site, visitor_of, words_of
from local_node.web.where_words import where_in_words
from local_node.web.words import Words
from local_node.withdrawals import NARROWER, REASONS
from local_node.writing import fields_of
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.relay import is_request
from shared_schema.service.control import VerbError
from shared_schema.service.pages.forms import Form
from shared_schema.service.pages.statuses import describe
from shared_schema.service.pages.terms import words
from shared_schema.service.translations import N_
from shared_schema.statement import Audience, Kind
from shared_schema.trend import TrendBody

FIGURES: Final = (Kind.TREND, Kind.SHARE)
"""What is no text: it is never a draft again."""
ITEMS_A_PAGE: Final = 30
LAST_PAGE: Final = 100_000
FORM_KEY_BYTES: Final = 18
SHELVES: Final = {
    Shelf.ALL: N_("All"),
    Shelf.WAITING: N_("On their way"),
    Shelf.SENT: N_("Received"),
    Shelf.REFUSED: N_("Refused"),
    Shelf.BACK: N_("Taken back"),
}
STATES: Final = {
    "waiting": ("wait", N_("waits to be sent")),
    "sending": ("wait", N_("is being sent")),
    "delivered": ("good", N_("received")),
    "refused": ("bad", N_("refused")),
    "withdrawn": ("plain", N_("taken back before it was sent")),
}
WHY: Final = {
    "error": N_("There is a mistake in it"),
    "consent": N_("Somebody does not agree to it any more"),
    "outdated": N_("It is out of date"),
    "other": N_("Another reason"),
}
"""Reasons of a withdrawal, as `withdrawals.REASONS` has them; others learn which one."""


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = Outbox(site)
    site.notices |= {
        "exchanged": N_("Exchanged with the hub. What was on its way is below."),
        "taken-back": N_("Taken back. Its text is erased here; the others are told with the next exchange."),
        "taken-out": N_("Taken out. It was never sent, so nobody has it."),
        "narrowed": N_("Narrowed. Those beyond are told to erase it with the next exchange."),
        "draft-made": N_("Here is the text as a draft. Change it, and ask again."),
    }
    site.get("/outbox", pages.show_all, Right.SEE_OUTBOX)
    site.post("/outbox/exchange", pages.exchange, Right.SYNC_NOW)
    site.get("/outbox/{digest}", pages.show, Right.SEE_OUTBOX)
    site.get("/outbox/{digest}/where", pages.where, Right.SEE_OUTBOX)
    site.get("/outbox/{digest}/withdraw", pages.ask_withdraw, Right.WITHDRAW)
    site.post("/outbox/{digest}/withdraw", pages.withdraw, Right.WITHDRAW)
    site.post("/outbox/{digest}/redraft", pages.redraft, Right.ASK_RELEASE)


class Outbox:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show_all(self, request: Request, show: str = Shelf.ALL.value, page: int = 1) -> Response:
        """What this city has said, a page at a time."""
        if show not in list(Shelf) or not 1 <= page <= LAST_PAGE:
            return self._site.missing(request)
        with self._site.database.read() as session:
            items = sent_items.list_sent(session, Shelf(show), limit=ITEMS_A_PAGE + 1, offset=(page - 1) * ITEMS_A_PAGE)
            counts = sent_items.count_sent(session)
        return self._site.page(
            request,
            "outbox.html",
            items=items[:ITEMS_A_PAGE],
            has_more=len(items) > ITEMS_A_PAGE,
            page=page,
            shelf=Shelf(show),
            shelves=SHELVES,
            counts=counts,
            states=STATES,
            kinds=KIND_NAMES,
            name_of=name_of,
        )

    def exchange(self, request: Request) -> Response:
        """One round with the hubs now, also when the next one is not due yet."""
        self._site.run("sync", {})
        return self._site.go("/outbox", done="exchanged")

    def show(self, request: Request, digest: str) -> Response:
        """One item: where it is, who has it, and its bytes."""
        return self._show(request, digest)

    def where(self, request: Request, digest: str) -> Response:
        """The same, with what the hubs say when they are asked now."""
        try:
            said = self._site.run("explain", {"digest": digest})
        except VerbError as error:
            return (
                self._site.missing(request) if error.code == "not-found" else self._show(request, digest, error=error)
            )
        return self._show(request, digest, said=said)

    def _show(self, request: Request, digest: str, *, said: Any = None, error: VerbError | None = None) -> Response:
        language = words_of(request, self._site)
        with self._site.database.read() as session:
            item = sent_items.find_sent(session, digest)
            if item is None:
                return self._site.missing(request)
            stored = sent_items.find_bytes(session, digest)
            names = names_of(session)
            envelope = None if stored is None else parse_envelope(stored)
            body, audience = (None, None) if envelope is None else read_payload(envelope)
            reach = self._reach(session, audience)
        figures = None
        if body is not None and item.kind is Kind.TREND:
            figures = lines_of_body(TrendBody.from_object(body), language)
        told = None
        if body is not None and item.kind not in FIGURES:
            told = in_words(body, {name: cut(text, ()) for name, text in free_texts(body).items()}, language)
        return self._site.page(
            request,
            "outbox_item.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else describe(error),
            item=item,
            title=name_of(item, language),
            names=names,
            payload=None if envelope is None else envelope.payload.decode(),
            stored=None if stored is None else stored.decode(),
            body=told,
            figures=figures,
            audience=audience,
            reach=reach,
            said=said,
            states=STATES,
            why=WHY,
            kinds=KIND_NAMES,
            where_in_words=where_in_words,
            is_text=item.kind not in FIGURES,
            is_final=item.kind is Kind.SHARE and item.was_sent,
            form_key=secrets.token_urlsafe(FORM_KEY_BYTES),
        )

    def _reach(self, session: Session, audience: Audience | None) -> Receivers:
        home = next(iter(hub_client.nearest_first(hub_client.list_hubs(session))), None)
        if home is None or audience is None:
            return Receivers((), ())
        return receivers.find_receivers(session, home.name, audience, self._site.city.name)

    # --- taking back -----------------------------------------------------------------------------------------------

    def ask_withdraw(self, request: Request, digest: str) -> Response:
        """What taking it back means, and the form."""
        return self._withdrawal(request, digest)

    def withdraw(self, request: Request, digest: str, form: Form) -> Response:
        """Take an item back from everybody or from some, or out of the outbox before it was sent."""
        reason, to = str(form.get("reason", "")), str(form.get("to", ""))
        given = {
            "digest": digest,
            "by": visitor_of(request).person_id,
            "reason": reason,
            "to": to or None,
            "as_draft": form.get("as_draft") is not None,
        }
        with self._site.database.read() as session:
            item = sent_items.find_sent(session, digest)
        if item is None:
            return self._site.missing(request)
        try:
            done = self._site.run("withdraw", given)
        except VerbError as error:
            return self._withdrawal(request, digest, error=error, typed=form)
        if done.get("draft"):
            return self._site.go(
                f"/lessons/{done['draft']}", done="taken-out" if done["state"] == "removed" else "taken-back"
            )
        if done["state"] == "removed":
            return self._site.go("/outbox", done="taken-out")
        return self._site.go(f"/outbox/{digest}", done="narrowed" if to else "taken-back")

    def _withdrawal(
        self, request: Request, digest: str, *, error: VerbError | None = None, typed: Any = None
    ) -> Response:
        with self._site.database.read() as session:
            item = sent_items.find_sent(session, digest)
            stored = sent_items.find_bytes(session, digest)
        if item is None:
            return self._site.missing(request)
        audience = None if stored is None else read_payload(parse_envelope(stored))[1]
        narrower = [
            each
            for each in NARROWER
            if item.was_sent and audience is not None and Audience(each).reach < audience.reach
        ]
        in_confidence = stored is not None and is_request(parse_envelope(stored))
        return self._site.page(
            request,
            "outbox_withdraw.html",
            status=200 if error is None else status_of(error),
            error=None if error is None else describe(error),
            item=item,
            title=name_of(item, words_of(request, self._site)),
            narrower=[] if in_confidence else narrower,
            reasons={code: WHY[code] for code in REASONS},
            typed=typed or {},
            can_be_draft=item.kind not in FIGURES and stored is not None,
        )

    def redraft(self, request: Request, digest: str, form: Form) -> Response:
        """The text as a draft again: to correct what a hub refused, or as a new version of what is out."""
        visitor = visitor_of(request)
        with self._site.database.write() as session:
            stored = request_store.find_by_digest(session, digest)
            item = sent_items.find_sent(session, digest)
            if stored is None or item is None or stored.request.kind in FIGURES or item.taken_back is not None:
                return self._site.missing(request)
            body = parse_strict(stored.request.body)
            if any(row.state.value == "delivered" for row in item.rows):
                body["replaces"] = body.get("replaces", digest)
            draft = draft_store.begin(
                session,
                form_key=str(form.get("form_key") or secrets.token_urlsafe(FORM_KEY_BYTES)),
                kind=stored.request.kind,
                fields=fields_of(stored.request.kind, body),
                audience=stored.request.audience,
                writer=writer_of(visitor),
                others=stored.request.authors,
                now=self._site.clock(),
            )
        return self._site.go(f"/lessons/{draft.id}", done="draft-made")


def read_payload(envelope: Envelope) -> tuple[dict[str, Any] | None, Audience | None]:
    """The body that an envelope carries and how far it travels; of what was said in confidence as well."""
    payload = parse_strict(envelope.payload)
    if is_request(envelope):
        content = next((payload[name] for name in ("practice", "experience", "answer") if name in payload), None)
        return content, Audience(payload["audience"])
    return payload["body"], Audience(payload["audience"])


def name_of(item: SentItem, language: Words) -> str | None:
    """What an item is called; None when its text is erased."""
    if item.subject is not None:
        table, _, period, *correction = item.subject.split("/")
        name = f"{words(table)}, {language.span(period)}"
        if item.kind is Kind.SHARE:
            return f"{name} ({language.gettext(N_('sealed'))})"
        return f"{name} ({language.gettext(N_('correction'))})" if correction else name
    return None if item.title is None else item.title.split("\n")[0][:120]
