"""Everything a person can do, as verbs: the command line and the control socket run the same functions.

A verb takes the node and its parameters as JSON and gives JSON back; it opens the transactions, one for every change.
What is wrong is a VerbError with one sentence.
"""

from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from local_node import sync
from local_node.app import Node, database_trouble
from local_node.verbs import (
    accounts,
    backups,
    drafting,
    examination,
    exchange,
    explaining,
    keys,
    lessons,
    mailings,
    oversight,
    planning,
    records,
    relay,
    releases,
    sealed,
    settings,
    spending,
    standing,
    trail,
    withdrawals,
    witness,
    words,
)
from local_node.verbs.parameters import Params, Result
from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubRefused, HubUnreachable


def run(node: Node, verb: str, params: Params) -> Result:
    """Run one verb. Raises VerbError."""
    function = VERBS.get(verb)
    if function is None:
        raise VerbError("unknown-verb", f"expected one of {', '.join(VERBS)}")
    try:
        return function(node, params)
    except ProgramError as error:
        raise VerbError(error.code, error.message) from None
    except ContractError as error:
        raise VerbError(error.code.value, error.message) from None
    except HubUnreachable as error:
        raise VerbError(sync.UNREACHABLE, f"{error.message}; everything stays here, try again later") from None
    except HubRefused as error:
        raise VerbError(error.code, f"the hub refused: {error.message}") from None
    except SQLAlchemyError as error:
        raise VerbError("database", database_trouble(node.data_dir, error)) from None
    except KeyError as error:
        raise VerbError("bad-parameter", f"expected the parameter {error.args[0]}") from None


VERBS: dict[str, Callable[[Node, Params], Result]] = {
    "status": standing.show_status,
    "people.add": standing.people_add,
    "account.set": accounts.set_account,
    "account.list": accounts.list_accounts,
    "account.invite": accounts.invite,
    "account.disable": accounts.disable,
    "account.enable": accounts.enable,
    "account.reset": accounts.reset,
    "hub.add": exchange.hub_add,
    "hub.enrol": exchange.hub_enrol,
    "hub.cross-check": witness.ask_elsewhere,
    "evidence.list": witness.list_evidence,
    "evidence.export": witness.export_evidence,
    "keys.status": keys.show_keys,
    "keys.rotate": keys.rotate,
    "keys.replace": keys.replace,
    "leave": keys.leave,
    "policy.show": exchange.show_policy,
    "import": records.import_records,
    "release.numbers": releases.release_numbers,
    "release.preview": releases.release_preview,
    "release.practice": words.release_practice,
    "release.words": words.release_words,
    "release.renewed": words.release_renewed,
    "words.check": words.check_words,
    "draft.list": drafting.draft_list,
    "draft.show": drafting.draft_show,
    "draft.look": drafting.draft_look,
    "draft.reword": drafting.draft_reword,
    "draft.ask": drafting.draft_ask,
    "release.list": releases.release_list,
    "release.show": releases.release_show,
    "release.approve": releases.release_approve,
    "release.resolve": releases.release_resolve,
    "release.recheck": releases.release_recheck,
    "release.refuse": releases.release_refuse,
    "release.again": releases.release_again,
    "sealed.list": sealed.sealed_list,
    "sealed.show": sealed.sealed_show,
    "sealed.look": sealed.sealed_look,
    "sealed.request": sealed.sealed_request,
    "settings.show": settings.show_settings,
    "settings.change": settings.change,
    "sync": exchange.run_sync,
    "outbox.list": exchange.outbox_list,
    "inbox.list": exchange.inbox_list,
    "inbox.show": exchange.inbox_show,
    "search": lessons.search,
    "digest": lessons.digest,
    "digest.send": mailings.send,
    "show": lessons.show,
    "audit.verify": standing.verify_audit,
    "audit.export": trail.export_audit,
    "ledger.verify": standing.verify_ledger,
    "budget.show": oversight.show_budget,
    "retention.show": oversight.show_retention,
    "retention.due": oversight.count_due,
    "retention.set": oversight.set_retention,
    "retention.purge": oversight.purge,
    "spend.verify": spending.verify_spend,
    "outbox.export": spending.export_releases,
    "ledger.resume": spending.resume_ledger,
    "backup": backups.make,
    "doctor": examination.examine,
    "withdraw": withdrawals.withdraw,
    "recall.status": explaining.recall_status,
    "explain": explaining.explain_item,
    "quarantine.list": explaining.quarantine_list,
    "quarantine.retry": explaining.quarantine_retry,
    "returns.status": planning.returns_status,
    "calendar.list": planning.calendar_list,
    "calendar.export": planning.calendar_export,
    "calendar.look": planning.calendar_look,
    "relay.list": relay.relay_list,
    "relay.withdraw": relay.relay_withdraw,
}
"""The verbs by the names that the control socket and the command line use."""
