"""Accounts for the pages, from the console of the machine."""

from collections.abc import Callable

from regional_hub.account_changes import account_changes
from regional_hub.app import Hub
from regional_hub.door import Account, accounts, invitations, second_factor
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.names import format_time
from shared_schema.service.accounts.changes import AccountForm, check_email
from shared_schema.service.accounts.invitations import Invitation


def add(hub: Hub, params: Params) -> Result:
    """Give somebody an account with a role, without a password yet."""
    person = str(params["id"])
    with hub.database.write() as session:
        account = accounts.make_account(
            session,
            person,
            str(params["role"]),
            str(params.get("name") or person),
            by=actor_of(params),
            now=hub.clock(),
            email=check_email(params.get("email")),
            administrates=bool(params.get("administrates", False)),
        )
    return _line(account)


def set_password(hub: Hub, params: Params) -> Result:
    """Give an account another password, which ends its sessions."""
    person = str(params["id"])
    with hub.database.write() as session:
        accounts.set_password(session, person, str(params["password"]), by=actor_of(params), now=hub.clock())
        account = accounts.get_account(session, person)
    return _line(account)


def list_all(hub: Hub, _params: Params) -> Result:
    """Who works with this hub, and whether they can sign in."""
    with hub.database.read() as session:
        known = accounts.list_accounts(session)
        links = invitations.open_invitations(session, hub.clock())
        with_factor = second_factor.list_owners(session)
    return {
        "accounts": [
            _line(account)
            | {
                "second_factor": account.person_id in with_factor,
                "link_until": format_time(links[account.person_id].ends_at) if account.person_id in links else None,
            }
            for account in known
        ]
    }


def invite(hub: Hub, params: Params) -> Result:
    """A link with which somebody sets their first password; with a role that is given the account is made first."""
    person, role, actor, now = str(params["id"]), params.get("role"), actor_of(params), hub.clock()
    with hub.database.write() as session:
        if role is None:
            token, invitation = account_changes.invite(session, person, by=actor, now=now)
        else:
            name = str(params.get("name") or person)
            form = AccountForm(name, str(role), bool(params.get("administrates", False)), params.get("email"))
            token, invitation = account_changes.invite_new(session, person, form, by=actor, now=now)
    return _link(hub, token, invitation)


def disable(hub: Hub, params: Params) -> Result:
    """Keep an account out; its sessions, links and tokens are dead at once."""
    with hub.database.write() as session:
        account_changes.disable(session, str(params["id"]), by=actor_of(params), now=hub.clock())
        account = accounts.get_account(session, str(params["id"]))
    return _line(account)


def enable(hub: Hub, params: Params) -> Result:
    """Let an account in again."""
    with hub.database.write() as session:
        account_changes.enable(session, str(params["id"]), by=actor_of(params), now=hub.clock())
        account = accounts.get_account(session, str(params["id"]))
    return _line(account)


def reset(hub: Hub, params: Params) -> Result:
    """Take password and second factor away, and give a link for a new password; works for the last administrator."""
    with hub.database.write() as session:
        token, invitation = account_changes.reset(
            session, str(params["id"]), by=actor_of(params), now=hub.clock(), from_console=True
        )
    return _link(hub, token, invitation)


def _link(hub: Hub, token: str, invitation: Invitation) -> Result:
    return {
        "id": invitation.person_id,
        "link": f"{hub.settings.public_url.rstrip('/')}/welcome/{token}",
        "until": format_time(invitation.ends_at),
        "next": "hand the link over; whoever opens it chooses the password, once",
    }


def _line(account: Account) -> Result:
    return {
        "id": account.person_id,
        "name": account.name,
        "roles": sorted(account.roles),
        "state": _state(account),
    }


def _state(account: Account) -> str:
    if account.is_disabled:
        return "disabled"
    return "in use" if account.has_password else "no password"


VERBS: dict[str, Callable[[Hub, Params], Result]] = {
    "account.add": add,
    "account.set": set_password,
    "account.list": list_all,
    "account.invite": invite,
    "account.disable": disable,
    "account.enable": enable,
    "account.reset": reset,
}
