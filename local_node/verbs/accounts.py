"""Accounts for the pages, from the console of the machine."""

from local_node import accounts
from local_node.app import Node
from local_node.verbs.parameters import PROGRAM, Params, Result


def set_account(node: Node, params: Params) -> Result:
    """Give a person of this node an account, or its account another password; either ends its sessions."""
    person, now = str(params["id"]), node.clock()
    with node.database.write() as session:
        if accounts.find_account(session, person) is None:
            accounts.make_account(
                session,
                person,
                str(params.get("name") or person),
                by=PROGRAM,
                now=now,
                administrates=bool(params.get("administrates", False)),
            )
        accounts.set_password(session, person, str(params["password"]), by=PROGRAM, now=now)
        account = accounts.get_account(session, person)
    return {"id": person, "name": account.name, "roles": sorted(role.value for role in account.roles)}
