"""What was spent: asked before a draw, checked by third parties, fetched back after a restore.

A node that was restored from an old copy does not know what it has released since. It would draw the same table and
period anew, and two draws of one count average the noise away. So before a draw the node's ledger must hold the last
entry that its home hub has.
"""

from sqlalchemy import select

from local_node import hub_client
from local_node.app import Node
from local_node.orm import LedgerRow
from local_node.rounds import holds_entry
from local_node.verbs.exchange import home_policy
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubRefused, HubUnreachable


def check_may_draw(node: Node, table_id: str, period: str, correction: int = 0) -> None:
    """Raise VerbError (`ledger-restored`, `ledger-unconfirmed`) when a new draw could be a second one.

    The replay of a stored draw is always fine. Asks the home hub by one signed read unless it has answered since the
    start; so it must not be called inside a transaction.
    """
    with node.database.read() as session:
        name, policy = home_policy(session)
        home = hub_client.get_hub(session, name)
        table = policy.find_table(table_id)
        stored = select(LedgerRow.seq).where(
            LedgerRow.table_id == table_id, LedgerRow.period == period, LedgerRow.correction == correction
        )
        if table is None or session.scalar(stored.where(LedgerRow.table_version == table.version)) is not None:
            return  # not of the policy: refused for that reason; or drawn before
    try:
        state = node.rounds.get_state(home)
    except (HubUnreachable, HubRefused):
        raise VerbError(
            "ledger-unconfirmed",
            f"expected {name} to say up to where it has our releases, before anything is drawn; try again when it "
            f"answers. Everything else goes on without it",
        ) from None
    with node.database.read() as session:
        if not holds_entry(session, state):
            raise VerbError(
                "ledger-restored",
                f"expected the ledger to hold entry {state.ledger_seq}, which {name} has: this data directory is older "
                f"than what was released. Put a newer backup in its place, or run: local-node ledger resume",
            )
