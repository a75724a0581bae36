"""What the operator does about witnesses and evidence, and the round in which this hub asks its witnesses."""

import base64
from collections.abc import Iterable

from sqlalchemy import select

from regional_hub import alarms, audit, cosigning, heads, log, witness
from regional_hub.app import Hub
from regional_hub.orm import ContentRow, EvidenceRow, HeadEvidenceRow, SourceRow, WitnessedRow, WitnessRow
from regional_hub.verb_parameters import Params, Result, actor_of
from shared_schema.canonical import parse_strict
from shared_schema.checkpoint import NoteVerifier, split_note
from shared_schema.cosignature import parse_cosigner, verify_announcement, verify_cosignature
from shared_schema.directory import KnownKey
from shared_schema.envelope import envelope_from_object, verify_envelope
from shared_schema.errors import ContractError
from shared_schema.head_evidence import TwoStatements
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable, WitnessKnows, check_hub_url
from shared_schema.service.logging import get_logger
from shared_schema.witness import MAX_REQUEST_BYTES, check_log_name, write_request

SHORT_DIGEST = 8


def add_witness(hub: Hub, params: Params) -> Result:
    """Ask a witness for its cosignature from now on."""
    url, verifier = check_hub_url(str(params["url"])), parse_cosigner(str(params["vkey"]))
    check_log_name(verifier.name)
    if verifier.name == hub.name:
        raise VerbError("bad-parameter", "expected another witness than this hub itself")
    with hub.database.write() as session:
        witness.add_witness(session, verifier.name, url, verifier.vkey)
        audit.record(session, actor_of(params), "witness-added", verifier.name[:200], hub.clock())
    return {"name": verifier.name, "url": url}


def add_log(hub: Hub, params: Params) -> Result:
    """Witness a log from now on."""
    verifier = NoteVerifier.from_vkey(str(params["vkey"]))
    check_log_name(verifier.name)
    if verifier.name == hub.name:
        raise VerbError("bad-parameter", "expected another log than this hub's own")
    with hub.database.write() as session:
        witness.add_log(session, verifier)
        audit.record(session, actor_of(params), "witnessed-log-added", verifier.name[:200], hub.clock())
    return {"origin": verifier.name}


def remove(hub: Hub, params: Params) -> Result:
    """Ask a witness no longer, or witness a log no longer."""
    name, is_log = str(params["name"]), bool(params.get("log", False))
    with hub.database.write() as session:
        (witness.remove_log if is_log else witness.remove_witness)(session, name)
        action = "witnessed-log-removed" if is_log else "witness-removed"
        audit.record(session, actor_of(params), action, name[:200], hub.clock())
    return {"removed": name}


def list_all(hub: Hub, _params: Params) -> Result:
    """This hub's witnesses and how far each is, the logs it witnesses, and its own key as a witness."""
    with hub.database.read() as session:
        head = log.get_head(session)
        return {
            "vkey": hub.cosigner.vkey,
            "log_vkey": hub.verifier.vkey,
            "witnesses": [
                {
                    "name": row.name,
                    "url": row.url,
                    "vkey": row.vkey,
                    "cosigned": row.known_size,
                    "of": head.size,
                    "problem": row.problem,
                }
                for row in session.scalars(select(WitnessRow).order_by(WitnessRow.name))
            ],
            "logs": [
                {"origin": row.origin, "cosigned": row.size, "vkey": row.vkey}
                for row in session.scalars(select(WitnessedRow).order_by(WitnessedRow.origin))
            ],
        }


# --- asking the witnesses ------------------------------------------------------------------------------------------


def collect(hub: Hub, _params: Params) -> Result:
    """Ask every witness for its cosignature of the newest head, and those hubs that this one follows as well."""
    hub.keep_fresh()
    problems = [problem for problem in (_greet(hub, *source) for source in _strangers(hub)) if problem]
    with hub.database.read() as session:
        names = session.scalars(select(WitnessRow.name).order_by(WitnessRow.name)).all()
    asked = [_ask(hub, name) for name in names]
    return {
        "asked": sum(item is not None for item in asked),
        "cosigned": sum(item == "" for item in asked),
        "problems": problems
        + [{"witness": name, "problem": item} for name, item in zip(names, asked, strict=True) if item],
    }


def _strangers(hub: Hub) -> list[tuple[str, str, str]]:
    """(name, address, key) of the hubs that are followed and not asked as witnesses yet."""
    with hub.database.read() as session:
        rows = session.scalars(select(SourceRow).where(SourceRow.name.not_in(select(WitnessRow.name)))).all()
        return [(row.name, row.url, row.vkey) for row in rows]


def _greet(hub: Hub, name: str, url: str, vkey: str) -> Result | None:
    """Make a hub that is followed a witness: its log's key, which is known, says which key cosigns."""
    try:
        with hub.api(url) as api:
            found = verify_announcement(api.cosigner(), NoteVerifier.from_vkey(vkey))
        with hub.database.write() as session:
            witness.add_witness(session, name, url, found.vkey)
    except (HubUnreachable, HubRefused, ContractError) as error:
        return {"witness": name, "problem": _problem_of(error)}
    return None


def _ask(hub: Hub, name: str) -> str | None:
    """Ask one witness: None when it has cosigned this head within the hour, "" when it did now, else the problem."""
    with hub.database.read() as session:
        row = session.get_one(WitnessRow, name)
        url, verifier, old, last = row.url, parse_cosigner(row.vkey), row.known_size, row.cosigned_at
        head, note = log.get_head(session), log.latest_checkpoint(session)
    if old == head.size and last is not None and hub.clock().timestamp() - last < cosigning.RENEW_SECONDS:
        return None
    try:
        with hub.api(url) as api:
            lines = _submit(hub, api, old, head.size, note)
        line, time = _own_line(lines, note, verifier)
    except (HubUnreachable, HubRefused, ContractError) as error:
        problem = _problem_of(error)
        with hub.database.write() as session:
            session.get_one(WitnessRow, name).problem = problem
        size = error.size if isinstance(error, WitnessKnows) else 0
        # Not noise: this database is older than what was published, and signing on would fork the log.
        if size > head.size and heads.ask_witness(hub, name, url) != "knows-more":
            heads.doubt_own_log(hub, name, size)
        get_logger().warning("witness-did-not-cosign", witness=name, code=problem)
        return problem
    with hub.database.write() as session:
        row = session.get_one(WitnessRow, name)
        row.known_size, row.cosigned_at, row.problem = head.size, time, None
        cosigning.keep_line(session, head.size, verifier, line, time)
        alarms.resolve_alarms(session, heads.own_log_at(name), hub.clock())
    return ""


def _submit(hub: Hub, api: HubApi, old: int, size: int, note: str) -> str:
    """Ask, and once more from the size that the witness names."""
    try:
        return api.add_checkpoint(_request(hub, min(old, size), size, note))
    except WitnessKnows as known:
        if known.size > size or known.size == old:
            raise
        return api.add_checkpoint(_request(hub, known.size, size, note))


def _request(hub: Hub, old: int, size: int, note: str) -> bytes:
    with hub.database.read() as session:
        return write_request(old, log.find_consistency(session, old, size), note)


def _own_line(lines: str, note: str, verifier: NoteVerifier) -> tuple[str, int]:
    """The witness's line and its time; lines of other keys are passed over, as the specification demands."""
    if len(lines) > MAX_REQUEST_BYTES:
        raise VerbError("bad-answer", "expected a few signature lines")
    text, error = split_note(note)[0], None
    for line in lines.splitlines():  # stored with a line break of ours: one that is missing would break our own note
        try:
            return f"{line}\n", verify_cosignature(text, line, verifier)
        except ContractError as found:
            error = found
    raise error or HubUnreachable("expected a cosignature of the witness")


def _problem_of(error: Exception) -> str:
    """A code for a listing; a witness's own words are not stored."""
    if isinstance(error, HubUnreachable):
        return "unreachable"
    code = error.code if isinstance(error, ContractError | HubRefused) else ""
    return str(code) if code in list(ProblemCode) else "refused"


# --- evidence ------------------------------------------------------------------------------------------------------


def list_evidence(hub: Hub, _params: Params) -> Result:
    """What was kept against logs and members."""
    with hub.database.read() as session:
        heads = session.scalars(select(HeadEvidenceRow).order_by(HeadEvidenceRow.since)).all()
        twins = session.scalars(select(EvidenceRow).order_by(EvidenceRow.since)).all()
        return {
            "evidence": [
                {
                    "id": row.digest,
                    "about": row.origin,
                    "code": row.code,
                    "proven": row.proven,
                    "since": format_time(row.since),
                }
                for row in heads
            ]
            + [
                {
                    "id": row.digest,
                    "about": row.origin,
                    "code": "seq-conflict",
                    "proven": True,
                    "since": format_time(row.since),
                }
                for row in twins
            ]
        }


def export_evidence(hub: Hub, params: Params) -> Result:
    """One piece of evidence as a file that others can check: `{"file": …}`."""
    beginning = str(params["id"]).lower()
    if len(beginning) < SHORT_DIGEST or not beginning.isalnum():
        raise VerbError("bad-parameter", f"expected an id, or at least its first {SHORT_DIGEST} digits")
    with hub.database.read() as session:
        heads = session.scalars(
            select(HeadEvidenceRow).where(HeadEvidenceRow.digest.startswith(beginning)).limit(2)
        ).all()
        twins = session.scalars(select(EvidenceRow).where(EvidenceRow.digest.startswith(beginning)).limit(2)).all()
        if len(heads) + len(twins) != 1:
            raise VerbError("not-found", "expected the id of one piece of evidence; see: regional-hub evidence list")
        if heads:
            return {"id": heads[0].digest, "file": parse_strict(heads[0].body.encode())}
        known = session.get(ContentRow, twins[0].known_digest)
        if known is None:
            raise VerbError("withdrawn", "expected both contents; one of them was withdrawn and erased")
        return {"id": twins[0].digest, "file": _twins(hub, twins[0], known.envelope)}


def _twins(hub: Hub, row: EvidenceRow, known: bytes) -> Result:
    """Both statements with the one key, of all that the member ever had, that has signed them."""
    envelopes = parse_strict(known), parse_strict(row.envelope)
    keys = hub.refresh_trust().directory.keys_of(row.origin)
    signer = next((each.key for each in reversed(keys) if _has_signed(each, envelopes)), None)
    if signer is None:
        raise VerbError("not-found", "expected one key of this member that has signed both; each has another")
    return TwoStatements(
        origin=row.origin,
        key=base64.b64encode(signer.raw).decode(),
        envelopes=envelopes,
        found_at=format_time(row.since),
    ).to_object()


def _has_signed(known: KnownKey, envelopes: Iterable[object]) -> bool:
    try:
        for value in envelopes:
            verify_envelope(envelope_from_object(value), known.key)
    except ContractError:
        return False
    return True
