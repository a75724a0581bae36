"""Saying who runs a hub: one that this hub has vouched for, or this hub itself."""

from collections.abc import Callable
from typing import Final

from regional_hub import operators
from regional_hub.app import Hub
from regional_hub.log import get_head
from regional_hub.member_keys import Hand
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.service.control import VerbError


def say(hub: Hub, params: Params) -> Result:
    """Say who runs a hub below or above. Of this hub itself it is what the setting has."""
    name, operator = str(params["name"]), operators.read_operator(params.get("operator"))
    if name == hub.name:
        if operator is not None:
            raise VerbError("bad-parameter", "expected this hub's own operator in its settings: operator")
        return say_own(hub, params)
    if operator is None:
        raise VerbError("bad-parameter", "expected the name of the operator")
    with hub.database.write() as session:
        hand = Hand(hub.name, hub.key, hub.clock())
        operators.say_of(session, name, operator, actor=actor_of(params), hand=hand, level=hub.settings.level)
    hub.reload_trust()
    return {"name": name, "operator": operator}


def say_own(hub: Hub, _params: Params) -> Result:
    """Say in the log who runs this hub, when the setting is there and the log does not say so yet.

    Nothing while the log is held: it waits for entries that others have, and may have said it there.
    """
    operator = hub.settings.operator
    if operator is not None and operators.own_word(hub.refresh_trust()) != operator and not _is_held(hub):
        with hub.database.write() as session:
            operators.say_own(
                session,
                operator,
                trust=hub.trust,
                hand=Hand(hub.name, hub.key, hub.clock()),
                level=hub.settings.level,
                area=hub.area,
            )
        hub.reload_trust()
    return {"name": hub.name, "operator": operators.own_word(hub.trust)}


def _is_held(hub: Hub) -> bool:
    with hub.database.read() as session:
        return get_head(session).held is not None


VERBS: Final[dict[str, Callable[[Hub, Params], Result]]] = {"operator.say": say_own, "members.operator": say}
