"""One program's door: everything that stands behind it, put together around the program's rows and audit log."""

from collections.abc import Collection
from typing import Generic

from shared_schema.service.accounts.account import Accounts, AccountT
from shared_schema.service.accounts.invitations import Invitations
from shared_schema.service.accounts.script_tokens import ScriptTokens
from shared_schema.service.accounts.second_factor import SecondFactors
from shared_schema.service.accounts.second_step import SecondSteps
from shared_schema.service.accounts.sessions import Sessions


class Door(Generic[AccountT]):
    """What the pages and the verbs of a program use. Tokens begin with `prefix` and open some of `scopes`."""

    def __init__(self, accounts: Accounts[AccountT], *, prefix: str, scopes: Collection[str]) -> None:
        rows, record = accounts.rows, accounts.record
        self.record = record
        self.accounts = accounts
        self.sessions = Sessions(rows, record, accounts)
        self.second_factor = SecondFactors(rows, record)
        self.second_steps = SecondSteps(rows)
        self.invitations = Invitations(rows, record)
        self.script_tokens = ScriptTokens(rows, record, prefix, scopes)
