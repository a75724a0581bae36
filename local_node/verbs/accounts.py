"""Accounts for the pages, from the console of the machine."""

from local_node import people
from local_node.account_changes import AccountForm, account_changes
from local_node.app import Node
from local_node.door import Account, accounts, invitations, second_factor
from local_node.verbs.parameters import PROGRAM, Params, Result
from shared_schema.names import format_time
from shared_schema.service.accounts.invitations import Invitation


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


def list_accounts(node: Node, _params: Params) -> Result:
    """Everybody who works with this node, and whether they can sign in."""
    with node.database.read() as session:
        known = {account.person_id: account for account in accounts.list_accounts(session)}
        links = invitations.open_invitations(session, node.clock())
        with_factor = second_factor.list_owners(session)
        everybody = people.list_people(session)
    lines = []
    for person in everybody:
        account, link = known.get(person.id), links.get(person.id)
        lines.append(
            {
                "id": person.id,
                "name": None if account is None else account.name,
                "roles": [person.role.value] if account is None else sorted(role.value for role in account.roles),
                "agency": None if account is None else account.agency,
                "state": _state(account),
                "second_factor": person.id in with_factor,
                "link_until": None if link is None else format_time(link.ends_at),
            }
        )
    return {"accounts": lines}


def invite(node: Node, params: Params) -> Result:
    """A link with which somebody sets their first password; a person with a role that is given is added first."""
    person, now, role = str(params["id"]), node.clock(), params.get("role")
    agency = str(params["agency"]) if params.get("agency") else None
    with node.database.write() as session:
        if role is None:
            token, invitation = account_changes.invite(session, person, by=PROGRAM, now=now, agency=agency)
        else:
            form = AccountForm(
                str(params.get("name") or person), str(role), bool(params.get("administrates", False)), agency=agency
            )
            token, invitation = account_changes.invite_new(session, person, form, by=PROGRAM, now=now)
    return _link(node, token, invitation)


def disable(node: Node, params: Params) -> Result:
    """Keep an account out; its sessions, links and tokens are dead at once."""
    with node.database.write() as session:
        account_changes.disable(session, str(params["id"]), by=PROGRAM, now=node.clock())
    return {"id": params["id"], "state": "disabled"}


def enable(node: Node, params: Params) -> Result:
    """Let an account in again."""
    with node.database.write() as session:
        account_changes.enable(session, str(params["id"]), by=PROGRAM, now=node.clock())
        account = accounts.get_account(session, str(params["id"]))
    return {"id": params["id"], "state": _state(account)}


def reset(node: Node, params: Params) -> Result:
    """Take password and second factor away, and give a link for a new password; works for the last administrator."""
    with node.database.write() as session:
        token, invitation = account_changes.reset(
            session, str(params["id"]), by=PROGRAM, now=node.clock(), from_console=True
        )
    return _link(node, token, invitation)


def _link(node: Node, token: str, invitation: Invitation) -> Result:
    return {
        "id": invitation.person_id,
        "link": f"{node.public_url}/welcome/{token}",
        "until": format_time(invitation.ends_at),
        "next": "hand the link over; whoever opens it chooses the password, once",
    }


def _state(account: Account | None) -> str:
    if account is None:
        return "no account"
    if account.is_disabled:
        return "disabled"
    return "in use" if account.has_password else "no password"
