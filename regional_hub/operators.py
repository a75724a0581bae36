"""Who runs a hub: what this hub says of the hubs that it has vouched for, and of itself.

Two hubs of one operator are one hub to a sealed total (docs/sealed_totals.md), so somebody has to say who runs each.

The word is a membership of its own, after the one that admits. A program of an earlier release does not know the field
and sets the whole statement aside: so it has still learned the key, and still hears of a suspension, from statements
without it. What was said holds until another is said (`directory`): a rotation or a new status takes nothing back.
"""

from base64 import b64encode

from sqlalchemy.orm import Session

from regional_hub import audit, log, members
from regional_hub.errors import HubError
from regional_hub.member_keys import Hand
from regional_hub.members import Trust
from regional_hub.orm import MemberRow
from shared_schema.errors import SchemaError
from shared_schema.governance import Level, MembershipBody
from shared_schema.keys import FINAL_STATUSES, MemberRole, MemberStatus
from shared_schema.period import Area
from shared_schema.problem import ProblemCode
from shared_schema.statement import Audience


def say_of(session: Session, name: str, operator: str, *, actor: str, hand: Hand, level: Level) -> bool:
    """Say who runs a hub that this one has vouched for; False when that was its last word. `level` is this hub's.

    Raises HubError (`not-found`, `kind-not-allowed`, `key-not-valid`), SchemaError for a text of another form.
    """
    log.get_head(session, for_append=True)  # nobody else says another word, or ends the key, until the commit
    row = _get_hub(session, name)
    body = MembershipBody.from_object(members.membership_of(row).to_object() | {"operator": operator})
    if row.operator == operator:
        return False
    row.operator = operator
    is_above = row.role == MemberRole.PARENT.value
    hand.publish(session, body, members.parent_audience(level) if is_above else Audience.EUROPE)
    audit.record(session, actor, "operator-said", name, hand.now)
    return True


def say_own(session: Session, operator: str, *, trust: Trust, hand: Hand, level: Level, area: Area) -> bool:
    """Say who runs this hub itself; False when its log says so already.

    Readers take it from the hub whose fingerprint they have compared, and only beside its newest key.
    """
    log.get_head(session, for_append=True)
    trust = members.load_trust(session, hand.name, hand.key.public, trust)
    root = trust.directory.find(hand.name)
    if root is None or root.operator == operator:
        return False
    body = MembershipBody(
        member=hand.name,
        role=MemberRole.HUB,
        key=b64encode(root.key.raw).decode(),
        status=MemberStatus.ACTIVE,
        area=area,
        level=level,
        operator=operator,
    )
    hand.publish(session, body)
    audit.record(session, hand.name, "operator-said", hand.name, hand.now)
    return True


def own_word(trust: Trust) -> str | None:
    """Who runs this hub, as its log says; None when it does not."""
    root = trust.directory.find(trust.name)
    return None if root is None else root.operator


def read_operator(text: object) -> str | None:
    """What a person has typed, without the space around it; None for nothing. Raises SchemaError for no text."""
    if text is None:
        return None
    if not isinstance(text, str):
        raise SchemaError("expected the name of an operator")
    return " ".join(text.split()) or None


def _get_hub(session: Session, name: str) -> MemberRow:
    row = session.get(MemberRow, name)
    if row is None:
        raise HubError("expected the name of a member", code=ProblemCode.NOT_FOUND)
    if row.role == MemberRole.NODE.value:
        raise HubError("expected a hub: nobody says who runs a city", code=ProblemCode.KIND_NOT_ALLOWED)
    if row.status in FINAL_STATUSES:
        raise HubError("expected a hub that takes part", code=ProblemCode.KEY_NOT_VALID)
    return row
