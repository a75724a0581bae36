"""Saved views of the trend watch: the list of them, their feeds and e-mails, and the link that ends an e-mail.

A feed is read by programs without a session: the address carries the secret. It shows what the view's owner may see,
and nothing when the owner's account is closed.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import Response

from regional_hub import mail_addresses, watch_views
from regional_hub.door import accounts
from regional_hub.errors import HubError
from regional_hub.mail_addresses import AddressError
from regional_hub.watch_filter import parse_filter
from regional_hub.watch_views import ViewError, WatchView
from regional_hub.web.access import ALLOWED, Right
from regional_hub.web.site import Site, visitor_of
from regional_hub.web.watch_text import Publisher, feed_of
from regional_hub.web.words import CATALOGUES, Words
from shared_schema.service.atom import NEVER
from shared_schema.service.pages.access import may
from shared_schema.service.pages.feeds import feed_response
from shared_schema.service.pages.forms import Form, FormError, choice_of, text_of
from shared_schema.service.pages.statuses import describe
from shared_schema.service.translations import N_, OWN_NAMES, SOURCE_LANGUAGE, load_language

MOST_QUERY: Final = 4_000
PROMISE: Final = N_("Where nothing changes, at most one false alarm is to be expected in %(years)s years.")


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = ViewPages(site)
    site.notices |= {
        "view-saved": N_("The view is saved."),
        "view-removed": N_("The view, its feed and its e-mails are gone."),
        "view-renewed": N_("The feed has a new address. The old one is dead from now on."),
        "view-mail": N_("Your choice is kept."),
        "code-sent": N_("The e-mail with the code is on its way. It is there within a few minutes."),
        "address-confirmed": N_("Your address is confirmed."),
    }
    site.get("/views", pages.show, Right.SAVE_VIEWS)
    site.post("/views", pages.save, Right.SAVE_VIEWS)
    site.post("/views/{view_id}/remove", pages.remove, Right.SAVE_VIEWS)
    site.post("/views/{view_id}/feed", pages.renew, Right.SAVE_VIEWS)
    site.post("/views/{view_id}/mail", pages.choose_mail, Right.SAVE_VIEWS)
    site.post("/views/address", pages.ask_code, Right.SAVE_VIEWS)
    site.post("/views/address/confirm", pages.confirm, Right.SAVE_VIEWS)
    site.get("/feeds/{token}", pages.feed, Right.OUTSIDE)
    site.get("/mail/off/{token}", pages.ask_off, Right.OUTSIDE)
    site.post("/mail/off/{token}", pages.end_mail, Right.OUTSIDE)


class ViewPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    # --- the list ----------------------------------------------------------------------------------------------------

    def show(self, request: Request) -> Response:
        """One's own views, and how it stands with the address for e-mails."""
        return self._list(request)

    def _list(
        self, request: Request, *, status: int = 200, error: dict[str, Any] | None = None, **typed: str
    ) -> Response:
        person = visitor_of(request).person_id
        with self._site.database.read() as session:
            views = watch_views.list_views(session, person)
            address = mail_addresses.state_of(session, person, self._site.clock())
        return self._site.page(
            request,
            "views.html",
            status=status,
            error=error,
            typed=typed,
            views=views,
            address=address,
            base=self._site.public_url,
            sends_mail=self._site.sends_mail,
        )

    def save(self, request: Request, form: Form) -> Response:
        """Save a choice under a name; a name that cannot be taken leaves everything as it was typed."""
        query = text_of(form, "query", most=MOST_QUERY)
        name = text_of(form, "name", most=200)
        person = visitor_of(request).person_id
        try:
            wanted = parse_filter(parse_qsl(query))
            with self._site.database.write() as session:
                watch_views.save(session, person, name, wanted, self._site.clock())
        except (ViewError, HubError) as error:
            return self._list(request, status=422, error=describe(error) | {"field": "name"}, query=query, name=name)
        return self._site.go("/views", done="view-saved")

    def remove(self, request: Request, view_id: int) -> Response:
        """Remove a view with its feed and its e-mails."""
        try:
            with self._site.database.write() as session:
                watch_views.remove(session, visitor_of(request).person_id, view_id, self._site.clock())
        except ViewError:
            return self._site.missing(request)
        return self._site.go("/views", done="view-removed")

    def renew(self, request: Request, view_id: int) -> Response:
        """Another secret address for the feed."""
        try:
            with self._site.database.write() as session:
                watch_views.renew_feed(session, visitor_of(request).person_id, view_id, self._site.clock())
        except ViewError:
            return self._site.missing(request)
        return self._site.go("/views", done="view-renewed")

    # --- e-mails -----------------------------------------------------------------------------------------------------

    def choose_mail(self, request: Request, view_id: int, form: Form) -> Response:
        """An e-mail when the view's alerts say something new, or none."""
        wanted = choice_of(form, "mail", ("on", "off")) == "on"
        person = visitor_of(request).person_id
        try:
            with self._site.database.write() as session:
                watch_views.choose_mail(session, person, view_id, self._site.clock(), wanted=wanted)
        except ViewError:
            return self._site.missing(request)
        return self._site.go("/views", done="view-mail")

    def ask_code(self, request: Request) -> Response:
        """Send a code to the address of the account."""
        try:
            if not self._site.sends_mail:
                raise AddressError("expected a hub with a mail server", code="mail-unset")
            with self._site.database.write() as session:
                mail_addresses.ask(session, visitor_of(request).person_id, self._site.clock())
        except AddressError as error:
            return self._list(request, status=422, error=describe(error))
        return self._site.go("/views", done="code-sent")

    def confirm(self, request: Request, form: Form) -> Response:
        """The code that came back."""
        code = text_of(form, "code", most=20)
        with self._site.database.write() as session:  # a wrong one is counted: no error before the commit
            is_right = mail_addresses.confirm(session, visitor_of(request).person_id, code, self._site.clock())
        if not is_right:
            error = FormError("expected the code of the newest e-mail", "code", code="address-code")
            return self._list(request, status=422, error=describe(error) | {"field": "code"})
        return self._site.go("/views", done="address-confirmed")

    def ask_off(self, request: Request, token: str) -> Response:
        """The page behind the link: programs that look at links in e-mails must not end anything."""
        with self._site.database.read() as session:
            found = watch_views.find_by_off_token(session, token)
        return self._site.page(request, "views_mail_off.html", token=token if found else "", done=False)

    def end_mail(self, request: Request, token: str) -> Response:
        """End the e-mails of a view, from the page or by a mail program's button (RFC 8058). Twice is once."""
        with self._site.database.write() as session:
            watch_views.end_by_token(session, token, self._site.clock())
        return self._site.page(request, "views_mail_off.html", token="", done=True)

    # --- feeds -------------------------------------------------------------------------------------------------------

    def feed(self, request: Request, token: str) -> Response:
        """The newest of a view for a feed reader, in the language of its owner."""
        found = self._find(token.removesuffix(".atom"))
        if found is None:
            return self._site.missing(request)
        view, words = found
        news = self._site.run("watch.news", {"filter": view.query})
        promise = words.gettext(
            N_("Where nothing changes, at most one false alarm is to be expected in %(years)s years.")
        )
        body = feed_of(
            news["alerts"],
            Publisher(self._site.place.name, self._site.place.display_name, self._site.public_url),
            words,
            view=view.mark,
            name=view.name,
            token=view.feed_token,
            promise=promise % {"years": words.number(self._site.false_alarm_years)},
        )
        return feed_response(request, body, max((each["said_at"] for each in news["alerts"]), default=NEVER))

    def _find(self, token: str) -> tuple[WatchView, Words] | None:
        with self._site.database.read() as session:
            view = watch_views.find_by_feed_token(session, token)
            account = None if view is None else accounts.find_account(session, view.owner)
        if view is None or account is None or account.is_disabled or not may(ALLOWED, account.roles, Right.SAVE_VIEWS):
            return None
        code = account.language if account.language in OWN_NAMES else SOURCE_LANGUAGE
        return view, Words(load_language(CATALOGUES, code or SOURCE_LANGUAGE), self._site.place.zone)
