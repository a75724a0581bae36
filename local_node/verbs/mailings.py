"""Sending the e-mails of what is new: `digest.send`, by hand or from the node's own clock.

Each e-mail is claimed first (`mailings`), then sent while no transaction is open, and then marked. A failure of one
person's never keeps the others' back.
"""

from collections.abc import Iterator

from sqlalchemy.orm import Session

from local_node import finding, mailings, saved_views
from local_node.app import Node
from local_node.door import Account, accounts
from local_node.finding import Reader
from local_node.inbox_query import Wanted
from local_node.lesson import Lesson
from local_node.mailings import Claim
from local_node.search_query import SearchError
from local_node.verbs.parameters import Params, Result
from local_node.web.mail_text import MailGroup, MailPlace, write_mail
from local_node.web.words import CATALOGUES, Words
from shared_schema.service.control import VerbError
from shared_schema.service.logging import get_logger
from shared_schema.service.mail import MailError, MailServer, check_address
from shared_schema.service.translations import OWN_NAMES, SOURCE_LANGUAGE, load_language

MAX_IN_A_MAIL = 30
LOOKED_AT = 200
"""New items that are sorted into views; a newcomer of a busy federation reads the rest in the inbox."""


def send(node: Node, params: Params) -> Result:
    """Send what is due. With `dry_run` only say what would be sent, and claim nothing."""
    server = node.mail_server
    if server is None:
        raise VerbError("mail-unset", "expected smtp_host and smtp_sender in the settings")
    with node.database.read() as session:
        due = mailings.list_due(session, node.clock())
    if params.get("dry_run"):
        return {"dry_run": True, "due": [_preview(node, person) for person in due]}
    states = [_send_one(node, server, person) for person in due]
    return {"dry_run": False, **{state: states.count(state) for state in ("sent", "failed", "nothing-new")}}


def _preview(node: Node, person: str) -> Result:
    with node.database.read() as session:
        claim = mailings.preview(session, person, node.clock())
        groups = list(_groups(session, node, claim)) if claim else []
    return {"person": person, "lessons": sum(len(group.lessons) + group.left_out for group in groups)}


def _send_one(node: Node, server: MailServer, person: str) -> str:
    now = node.clock()
    with node.database.write() as session:  # 1. claimed, so that no other run can send it
        claim = mailings.claim(session, person, now)
    if claim is None:
        return "nothing-new"
    with node.database.read() as session:  # 2. what it says
        account = accounts.find_account(session, person)
        groups = tuple(_groups(session, node, claim))
    if not groups:
        with node.database.write() as session:
            mailings.drop(session, claim)
        return "nothing-new"
    try:  # 3. sent, with no transaction open
        recipient = check_address((account.email if account else None) or "")
        place = MailPlace(
            node.settings.display_name, server.sender, node.name, node.settings.public_url or "", claim.off_token
        )
        key = f"mailing-{claim.mailing}"
        server.send(write_mail(groups, place, recipient, _words(node, account), key=key, now=now), recipient)
    except MailError as error:
        get_logger().warning("mail-failed", mailing=claim.mailing, code=error.code)
        with node.database.write() as session:
            final = error.final or error.code == "mail-address"
            mailings.mark_failed(session, claim, error.code, node.clock(), final=final)
        return "failed"
    with node.database.write() as session:  # 4. marked; a crash before this leaves it claimed, and it is not sent again
        mailings.mark_sent(session, claim)
    return "sent"


def _groups(session: Session, node: Node, claim: Claim) -> Iterator[MailGroup]:
    """The new items by view, each in the first view that has it, then the rest; no more than MAX_IN_A_MAIL in all."""
    who = Reader(claim.person, node.surroundings, node.name)
    own = [view for view in saved_views.list_views(session, claim.person) if view.owner == claim.person]
    seen: set[str] = set()
    room = MAX_IN_A_MAIL
    for name, wanted in [*((view.name, _wanted(view)) for view in own), (None, Wanted())]:
        if wanted is None:
            continue
        fresh = [lesson for lesson in _new(session, wanted, who, claim) if lesson.digest not in seen]
        seen |= {lesson.digest for lesson in fresh}
        listed = tuple(fresh[:room])
        room -= len(listed)
        if fresh:
            yield MailGroup(name, listed, len(fresh) - len(listed))


def _wanted(view: saved_views.SavedView) -> Wanted | None:
    try:
        return view.wanted
    except SearchError:
        return None  # a filter of another release


def _new(session: Session, wanted: Wanted, who: Reader, claim: Claim) -> tuple[Lesson, ...]:
    try:
        return finding.list_lessons(session, wanted, who, LOOKED_AT, after=claim.after_item, up_to=claim.up_to)
    except SearchError:
        return ()


def _words(node: Node, account: Account | None) -> Words:
    code = account.language if account and account.language in OWN_NAMES else SOURCE_LANGUAGE
    return Words(load_language(CATALOGUES, code), node.zone)
