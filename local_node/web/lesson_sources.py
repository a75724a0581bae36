"""What the pages of a draft have in common: who writes, which draft, what it speaks about, whom it would reach."""

from sqlalchemy.orm import Session

from local_node import draft_store, hub_client, inbox, receivers
from local_node.drafting import Draft, DraftUnknownError, Writer
from local_node.inbox import InboxItem
from local_node.receivers import Receivers
from local_node.review import Role
from local_node.web.access import Visitor
from local_node.web.lesson_forms import AUDIENCES
from local_node.writing import POINTERS, Fields
from shared_schema.statement import Audience, Kind

NOBODY = Receivers((), ())


def writer_of(visitor: Visitor) -> Writer:
    """The visitor as somebody who writes; whoever administrates as well writes in the other role."""
    role = next(iter(sorted(visitor.roles - {Role.ADMINISTRATOR})), Role.ADMINISTRATOR)
    return Writer(visitor.person_id, role, visitor.agency)


def find_draft(session: Session, draft_id: str, visitor: Visitor) -> Draft | None:
    """The draft, where there is one for this visitor."""
    try:
        return draft_store.get(session, draft_id, writer_of(visitor))
    except DraftUnknownError:
        return None


def find_original(session: Session, kind: Kind, fields: Fields) -> InboxItem | None:
    """The item that a text speaks about, also when it was taken back."""
    pointer = POINTERS.get(kind)
    return None if pointer is None else inbox.find_item(session, str(fields.get(pointer, "")))


def find_reach(session: Session, own_name: str, original: InboxItem | None) -> dict[Audience, Receivers]:
    """Audience -> who that is; an answer goes no further than its question."""
    home = next(iter(hub_client.nearest_first(hub_client.list_hubs(session))), None)
    widest = Audience.EUROPE if original is None or original.kind is not Kind.QUESTION else original.audience
    return {
        audience: NOBODY if home is None else receivers.find_receivers(session, home.name, audience, own_name)
        for audience in AUDIENCES
        if audience.reach <= max(widest.reach, Audience.REGION.reach)
    }
