"""Who has confirmed what was taken back, where an item is, and what the hubs beside this one say of both."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from regional_hub import explain, recall
from regional_hub.app import Hub
from regional_hub.orm import EntryRow, SourceRow
from regional_hub.verb_parameters import Params, Result
from shared_schema.names import format_time
from shared_schema.recall import RecallPage, in_words
from shared_schema.service.control import VerbError
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable

SHORT_DIGEST = 8
MAX_PAGES = 50
"""Ten thousand withdrawals at a time, new ones first."""


def hear(hub: Hub, api: HubApi, source: str) -> None:
    """Ask a hub that is followed how far withdrawals came beyond it, and what it has set aside of what it read here.

    A hub of an older release cannot say, and one that is away says it next time: reading its feed is what counts.
    """
    with hub.database.read() as session:
        (end, places), has_read = recall.heard_of(session, source), recall.has_read(session, source)
    try:
        pages = _read_on(api, end, MAX_PAGES)
        if pages[-1].next is not None:
            has_read = 0  # not everything was said, so nothing follows from what was not named
        pages += _read_open(api, places, MAX_PAGES - len(pages))
    except (HubRefused, HubUnreachable):
        return
    with hub.database.write() as session:
        recall.store_reports(session, source, pages, has_read, hub.clock())


def _read_on(api: HubApi, since: int, most: int) -> list[RecallPage]:
    """What is new, to its end: it comes first, so that old ones that stay open for years do not keep it away."""
    pages = [api.recalls(since)]
    while (following := pages[-1].next) is not None and following > since and len(pages) < most:
        since = following
        pages.append(api.recalls(since))
    return pages


def _read_open(api: HubApi, places: Sequence[int], most: int) -> list[RecallPage]:
    """The pages that hold what is still open; whatever is settled between them is not asked for."""
    pages: list[RecallPage] = []
    after = 0
    for place in places:
        if place < after:
            continue
        if len(pages) == most:
            break
        pages.append(api.recalls(place))
        after = max((recall.index for recall in pages[-1].recalls), default=place) + 1
    return pages


def list_recalls(hub: Hub, params: Params) -> Result:
    """Every withdrawal in the log, and how far it has come here and beyond; of one item or of all."""
    wanted = str(params.get("digest") or "")
    with hub.database.read() as session:
        found = recall.count_all(session, hub.publisher, hub.clock())
        heard = {row.name: row.last_success_at for row in session.scalars(select(SourceRow))}
    return {
        "recalls": [
            {
                "item": each.item,
                "withdrawal": each.withdrawal,
                "entry": each.index,
                "state": in_words(each),
                "holders": each.holders,
                "confirmed": each.confirmed,
                "unreachable": each.unreachable,
                "unheard": each.unheard,
                "late": ", ".join(each.late),
            }
            for each in found
            if each.item.startswith(wanted)
        ],
        "heard": {name: None if at is None else format_time(at) for name, at in sorted(heard.items())},
    }


def explain_item(hub: Hub, params: Params) -> Result:
    """Where an item is and what to do, for one receiver or for all."""
    beginning = str(params["digest"]).lower()
    member = params.get("member")
    with hub.database.read() as session:
        digest = _complete(session.scalars(select(EntryRow.digest).where(_begins(beginning)).limit(2)).all(), beginning)
        found = explain.explain(session, digest, hub.publisher, member=member, now=hub.clock())
    return found.to_object()


def _begins(beginning: str) -> Any:
    if len(beginning) < SHORT_DIGEST or not beginning.isalnum():
        raise VerbError("bad-parameter", f"expected the digest of an item, or its first {SHORT_DIGEST} digits")
    return EntryRow.digest.startswith(beginning)


def _complete(found: Any, beginning: str) -> str:
    """The one digest that begins so; a whole one may be of what is not in the log."""
    if len(found) == 1:
        return str(found[0])
    if len(beginning) == 64:
        return beginning
    raise VerbError("not-found", "expected the digest of one item of the log, or a whole digest")
