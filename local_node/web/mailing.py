"""E-mails of what is new: whether one wants them, what became of them, and the link that ends them."""

from typing import Final

from fastapi import Request
from fastapi.responses import Response

from local_node import mailings
from local_node.mailings import Rhythm
from local_node.web.access import Right
from local_node.web.site import Site, visitor_of
from shared_schema.service.pages.forms import Form, choice_of
from shared_schema.service.translations import N_

NEVER: Final = "never"
RHYTHMS: Final = {
    Rhythm.DAILY.value: N_("Every day when something is new"),
    Rhythm.WEEKLY.value: N_("Every week when something is new"),
    NEVER: N_("Never"),
}
OUTCOMES: Final = {
    "sending": N_("on its way"),
    "sent": N_("sent"),
    "failed": N_("failed, and is tried again"),
    "given-up": N_("failed"),
}
CUT_OFF: Final = N_("cut off while it was sent; nobody knows whether it arrived, so it is not sent twice")


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = MailPages(site)
    site.notices |= {"mail-chosen": N_("Your choice is kept.")}
    site.get("/mail", pages.show, Right.READ_INBOX)
    site.post("/mail", pages.choose, Right.READ_INBOX)
    site.get("/mail/off/{token}", pages.ask_off, Right.OUTSIDE)
    site.post("/mail/off/{token}", pages.end, Right.OUTSIDE)


class MailPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """One's choice, and what became of the latest e-mails."""
        visitor = visitor_of(request)
        with self._site.database.read() as session:
            subscription = mailings.find(session, visitor.person_id)
            sent = mailings.list_mailings(session, visitor.person_id, self._site.clock())
        return self._site.page(
            request,
            "inbox_mails.html",
            subscription=subscription,
            chosen=subscription.rhythm.value if subscription else NEVER,
            rhythms=RHYTHMS,
            sent=sent,
            outcomes=OUTCOMES,
            cut_off=CUT_OFF,
            address=visitor.account.email,
        )

    def choose(self, request: Request, form: Form) -> Response:
        """Daily, weekly or never."""
        chosen = choice_of(form, "rhythm", list(RHYTHMS))
        rhythm = None if chosen == NEVER else Rhythm(chosen)
        with self._site.database.write() as session:
            mailings.choose(session, visitor_of(request).person_id, rhythm, self._site.clock())
        return self._site.go("/mail", done="mail-chosen")

    def ask_off(self, request: Request, token: str) -> Response:
        """The page behind the link: programs that look at links in e-mails must not end anything."""
        with self._site.database.read() as session:
            found = mailings.find_by_token(session, token)
        return self._site.page(request, "inbox_mail_off.html", token=token if found else "", done=False)

    def end(self, request: Request, token: str) -> Response:
        """End the e-mails, from the page or by a mail program's button (RFC 8058). Twice is once."""
        with self._site.database.write() as session:
            mailings.end_by_token(session, token, self._site.clock())
        return self._site.page(request, "inbox_mail_off.html", token="", done=True)
