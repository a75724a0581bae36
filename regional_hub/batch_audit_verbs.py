"""`regional-hub audit-batch`: what an auditor can redo of a sealed total, and what nobody can any more."""

from sqlalchemy import select

from regional_hub.app import Hub
from regional_hub.batch_audit import BROKEN, audit_batch
from regional_hub.orm import EntryRow
from regional_hub.verb_parameters import Params, Result
from shared_schema.service.control import VerbError
from shared_schema.statement import Kind

SHORT_DIGEST = 8


def audit(hub: Hub, params: Params) -> Result:
    """Redo what can be redone of one batch. Nothing in the answer is secret: of a seed only whether it fits.

    Raises VerbError (`not-found`) for a digest of no batch in this log.
    """
    beginning = str(params["digest"]).lower()
    with hub.database.read() as session:
        known = session.scalars(
            select(EntryRow.digest).where(
                EntryRow.kind == Kind.BATCH.value, EntryRow.digest.startswith(beginning, autoescape=True)
            )
        ).all()
        if len(beginning) < SHORT_DIGEST or len(known) != 1:
            message = f"expected the digest of a batch in this log, or its first {SHORT_DIGEST} digits"
            raise VerbError("not-found", message)
        findings = audit_batch(session, hub.trust, known[0])
    return {
        "ok": all(each.outcome != BROKEN for each in findings),
        "batch": known[0],
        "checks": [{"check": each.check, "holds": each.outcome, "words": each.words} for each in findings],
    }
