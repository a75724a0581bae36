"""What was spent: asked before a draw, checked by third parties, fetched back after a restore.

A node that was restored from an old copy does not know what it has released since. It would draw the same table and
period anew, and two draws of one count average the noise away. So before a draw the node's ledger must hold the last
entry that its home hub has.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from local_node import exports, hub_client, ledger_resume, own_keys, sealed_batches, share_outcomes, spend_file
from local_node.app import Node
from local_node.orm import LedgerRow, OutboxRow
from local_node.rounds import holds_entry
from local_node.verbs.exchange import home_policy
from local_node.verbs.parameters import Params, Result
from shared_schema.canonical import parse_strict
from shared_schema.envelope import Envelope, envelope_from_object
from shared_schema.governance import PolicyBody
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubRefused, HubUnreachable
from shared_schema.spending import SpendAudit
from shared_schema.statement import Kind


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


# --- what was spent, from signed messages ---------------------------------------------------------------------------


def verify_spend(node: Node, _params: Params) -> Result:
    """Check the node's own signed releases against its home hub's policy and its own ledger."""
    with node.database.read() as session:
        _, policy = home_policy(session)
        releases = spend_file.verify_releases(
            _own_releases(session), own_keys.list_keys(session, node.name, node.key.public)
        )
        entries = dict(session.execute(select(LedgerRow.seq, LedgerRow.entry_hash)).all())
        uncounted = share_outcomes.list_uncounted(session)
    audit = spend_file.check_releases(releases, policy, uncounted)
    strange = [body.ledger.seq for body in releases.bodies if entries.get(body.ledger.seq) != body.ledger.head]
    findings = [*audit.findings, *(f"entry {seq}: expected it in the ledger" for seq in sorted(strange))]
    return spend_result(releases.origin, replace(audit, findings=tuple(findings)), policy)


def spend_result(origin: str | None, audit: SpendAudit, policy: PolicyBody) -> Result:
    """An audit as the command shows it; epsilon as a decimal number."""
    return {
        "ok": not audit.findings,
        "origin": origin,
        "releases": audit.releases,
        "unseen": audit.unseen,
        "spent": {measure: f"{milli / 1000:g}" for measure, milli in sorted(audit.spent_milli.items())},
        "total": f"{audit.total_milli / 1000:g}",
        "policy": f"version {policy.version}, fingerprint {policy.fingerprint}",
        "findings": list(audit.findings),
    }


def export_releases(node: Node, params: Params) -> Result:
    """Write the node's own signed releases to a file that others can check; an existing file is kept."""
    with node.database.read() as session:
        releases = _own_releases(session)
        rotations = own_keys.list_rotations(session, node.name)
    lines = [json.dumps({spend_file.KEY: base64.b64encode(node.key.public.raw).decode()})]
    lines += [json.dumps({spend_file.KEY: signed.to_object()}) for signed in rotations]
    lines += [envelope.stored_bytes.decode() for envelope in releases]
    path = Path(params["file"])
    content = "\n".join(lines) + "\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except (OSError, ValueError):
        raise VerbError("no-file", f"expected a new file that can be written at {path}") from None
    with node.database.write() as session:  # so that what is taken back leaves the file as well
        exports.note_export(session, path, content.encode(), [each.digest for each in releases], node.clock())
    return {"file": str(path), "releases": len(releases), "fingerprint": node.key.public.fingerprint}


def _own_releases(session: Session) -> list[Envelope]:
    """Every signed release of figures and every sealed share, in order, once however many hubs it goes to."""
    rows = session.execute(select(OutboxRow.digest, OutboxRow.envelope).order_by(OutboxRow.seq))
    envelopes = {row.digest: envelope_from_object(parse_strict(row.envelope)) for row in rows if row.envelope}
    return [envelope for envelope in envelopes.values() if envelope.kind in (Kind.TREND.value, Kind.SHARE.value)]


# --- after a restore -----------------------------------------------------------------------------------------------


def resume_ledger(node: Node, _params: Params) -> Result:
    """Fetch the city's own releases back from its hubs, and append what is missing to the ledger."""
    with node.database.read() as session:
        home = hub_client.get_hub(session, home_policy(session)[0])
    state = node.rounds.get_state(home, ask_again=True)
    problem = node.rounds.run().problems.get(home.name)
    if problem is not None:
        raise VerbError(
            problem, f"expected to read the whole feed of {home.name}; nothing was changed, see: local-node sync"
        )
    end = None if state.ledger_seq is None or state.ledger_head is None else (state.ledger_seq, state.ledger_head)
    with node.database.write() as session:
        releases = ledger_resume.own_releases(
            session, node.name, own_keys.list_keys(session, node.name, node.key.public)
        )
        tables = ledger_resume.known_tables(session)
        paid = sealed_batches.list_charges(sealed_batches.Batches(session), node.name, tables)
        done = ledger_resume.resume(session, releases, end, tables, node.clock(), paid)
    node.rounds.get_state(home, ask_again=True)  # settles the alarm
    return {
        "restored": done.restored,
        "lost": done.lost,
        "next": "read in again what agencies have sent since the copy was made, see docs/operations.md"
        if done.restored or done.lost
        else "nothing was missing",
    }
