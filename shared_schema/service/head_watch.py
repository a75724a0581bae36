"""What a reader does with a hub's heads beside reading its feed: who vouches for them, and do all see the same log.

Node and following hub take the same steps; each keeps `Watched` with its place in the feed.

    watched = listen(api, state.verifier, page.checkpoint, watched, policy)
    if not includes_head(state, watched, note_of_a_witness, api):
        ...                                     # somebody else has seen a longer log
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared_schema.checkpoint import NoteVerifier, verify_checkpoint
from shared_schema.cosignature import verify_announcement
from shared_schema.errors import ContractError, FeedError
from shared_schema.feed import FeedPage, FeedState, parse_page, verify_page
from shared_schema.head_evidence import TwoHeads, pair_heads
from shared_schema.head_times import HeadPolicy, HeadTimes, count_witnesses, find_time
from shared_schema.names import format_time
from shared_schema.problem import ProblemCode
from shared_schema.service.hub_api import HubApi, HubRefused, HubUnreachable

CONTRADICTIONS = (ProblemCode.FEED_FORK, ProblemCode.FEED_ROLLBACK)


@dataclass(frozen=True, slots=True)
class Watched:
    """What a reader remembers of a hub's heads.

    `seen_note` is the signed checkpoint of the size and root that the feed's state has.
    """

    announcement: str | None = None
    times: HeadTimes = field(default_factory=HeadTimes)
    seen_note: str | None = None


class HeadsDiffer(FeedError):
    """A hub has signed two heads that do not fit together, `one` and `other`.

    `proof` is what the hub gave as the proof between them.
    """

    def __init__(self, message: str, code: ProblemCode, one: str, other: str, proof: tuple[bytes, ...] = ()) -> None:
        super().__init__(message, code=code)
        self.one = one
        self.other = other
        self.proof = proof


def find_cosigner(watched: Watched, log: NoteVerifier) -> NoteVerifier | None:
    """The key that the log's key has announced, as far as this reader knows."""
    try:
        return None if watched.announcement is None else verify_announcement(watched.announcement, log)
    except ContractError:  # the log has another key since
        return None


def listen(api: HubApi, log: NoteVerifier, note: str, watched: Watched, policy: HeadPolicy) -> Watched:
    """What is remembered after a note whose checkpoint was verified.

    Asks the hub which key cosigns for it when the note has nothing of the key that is known.
    """
    cosigner = find_cosigner(watched, log)
    if cosigner is None or find_time(note, cosigner) is None:
        watched = _ask_for_cosigner(api, log, watched)
        cosigner = find_cosigner(watched, log)
    return replace(watched, times=watched.times.hear(note, cosigner, policy), seen_note=note)


def _ask_for_cosigner(api: HubApi, log: NoteVerifier, watched: Watched) -> Watched:
    try:
        announcement = api.cosigner()
        verify_announcement(announcement, log)
    except (HubUnreachable, HubRefused, ContractError):
        return watched  # a hub of an earlier release has none; that it does not vouch is noticed by the times
    if announcement == watched.announcement:
        return watched
    return replace(watched, announcement=announcement, times=replace(watched.times, hub=None))


def check_witnesses(note: str, policy: HeadPolicy, now: datetime) -> None:
    """Raise FeedError (`too-few-witnesses`) when the policy is strict and too few have vouched for this very head."""
    if policy.strict and (count := count_witnesses(note, policy, now)) < policy.needed:
        raise FeedError(
            f"expected {policy.needed} witnesses of this head, got {count}", code=ProblemCode.TOO_FEW_WITNESSES
        )


def explain(error: FeedError, state: FeedState, watched: Watched, page: FeedPage) -> FeedError:
    """The error of `verify_page`, with both signed heads where that is what it is about."""
    if error.code not in CONTRADICTIONS or watched.seen_note is None:
        return error
    try:
        verify_checkpoint(page.checkpoint, state.verifier)
    except ContractError:
        return error
    return HeadsDiffer(error.message, error.code, watched.seen_note, page.checkpoint, _bytes(page.seen_proof))


def includes_head(state: FeedState, watched: Watched, note: str, api: HubApi) -> bool:
    """Whether the log that was read begins with the head of `note`, which was given out somewhere else.

    False when that head is larger than what the hub shows here. Raises HeadsDiffer when the hub has signed both and
    they do not fit together, ContractError when it has not signed `note`, HubUnreachable, HubRefused.
    """
    checkpoint = verify_checkpoint(note, state.verifier)
    if checkpoint.size > state.seen_size:
        return False
    if checkpoint.size == state.seen_size:
        if checkpoint.root != state.seen_root:
            message = f"expected one log of {checkpoint.size} entries; this hub has signed two"
            raise HeadsDiffer(message, ProblemCode.FEED_FORK, note, watched.seen_note or note)
        return True
    page = parse_page(api.feed(state.next_index, checkpoint.size))
    other = replace(state, seen_size=checkpoint.size, seen_root=checkpoint.root)
    try:
        verify_page(other, page)
    except FeedError as error:
        raise explain(error, other, replace(watched, seen_note=note), page) from None
    return True


def _bytes(proof: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(text) for text in proof)


def evidence_of(error: HeadsDiffer, state: FeedState, watched: Watched, api: HubApi, now: datetime) -> TwoHeads:
    """The two heads as evidence for others, with what the hub still shows that makes them prove something.

    Raises ContractError when one of them is not signed with the key that is known.
    """
    return pair_heads(
        state.verifier,
        error.one,
        error.other,
        proof=error.proof,
        more=_ask_for_beginning(error, state, api),
        cosigner=watched.announcement,
        found_at=format_time(now),
    )


def _ask_for_beginning(error: HeadsDiffer, state: FeedState, api: HubApi) -> tuple[bytes, ...]:
    """Hashes among which the root of the larger tree's beginning is, when the smaller size is a power of two.

    The proof from such a size does not hold that root, but the one from the next size does.
    """
    one, other = (verify_checkpoint(note, state.verifier) for note in (error.one, error.other))
    small = min(one.size, other.size)
    if small & (small - 1) != 0 or not small + 1 < max(one.size, other.size):
        return ()
    try:
        return _bytes(parse_page(api.feed(state.next_index, small + 1)).seen_proof)
    except (FeedError, HubUnreachable, HubRefused):
        return ()
