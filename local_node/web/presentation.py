"""Plain words for what the statements say: titles, labels, times. Shared by the pages and the command line."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from local_node.freshness import Freshness, freshness_of_content, in_words
from local_node.inbox import InboxItem, InboxState
from local_node.lesson import content_of
from shared_schema.content import AnswerBody, BulletinBody, ExperienceBody, PracticeBody, QuestionBody
from shared_schema.governance import MembershipBody, PolicyBody, RelayedBody, WithdrawalBody
from shared_schema.keys import MemberRole, MemberStatus
from shared_schema.names import parse_time
from shared_schema.service.pages.terms import words
from shared_schema.service.translations import N_
from shared_schema.statement import Kind
from shared_schema.trend import AggregateBody, TrendBody

KIND_NAMES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.PRACTICE: N_("Practice"),
        Kind.EXPERIENCE: N_("Experience"),
        Kind.BULLETIN: N_("Bulletin"),
        Kind.QUESTION: N_("Question"),
        Kind.ANSWER: N_("Answer"),
        Kind.RELAYED: N_("City not named"),
        Kind.AGGREGATE: N_("Sum of several cities"),
        Kind.TREND: N_("Our figures"),
        Kind.WITHDRAWAL: N_("Taken back"),
        Kind.MEMBERSHIP: N_("Member"),
        Kind.POLICY: N_("Rules"),
        Kind.BATCH: N_("Sealed total announced"),
        Kind.SHARE: N_("Our sealed figures"),
        Kind.ROSTER: N_("Who is in a sealed total"),
        Kind.AGGREGATE_SHARE: N_("One hub's half of a sealed total"),
        Kind.VOID: N_("Sealed total that is not opened"),
    }
)
STATE_NAMES: Mapping[InboxState, str] = MappingProxyType(
    {
        InboxState.ACCEPTED: N_("Verified"),
        InboxState.QUARANTINED: N_("Not verified"),
        InboxState.WITHDRAWN: N_("Taken back"),
    }
)
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "unknown-key": N_("its author is not known yet; it is tried again with every new member"),
        "bad-signature": N_("its signature does not fit its author's key"),
        "wrong-origin": N_("it was signed by somebody else than it says"),
        "key-not-valid": N_("its author's key was not in force any more"),
        "member-not-active": N_("its author was suspended at that time"),
        "kind-not-allowed": N_("its author may not say this"),
        "name-taken": N_("it speaks about a name that another hub has vouched for"),
        "feed-entry": N_("the hub's log says something else about it than its author"),
        "withdrawal-not-seen": N_("the hub says that it was taken back, but no author's word was seen"),
    }
)
FIGURE_NOTES: Mapping[str, str] = MappingProxyType(
    {
        "few-cities": N_("few cities"),
        "dominance": N_("one city stands out"),
        "differencing": N_("could be worked out from figures shown before"),
        "kept": N_("the cities keep it to themselves"),
        "break": N_("break: counted in a new way from here on"),
        "definition": N_("definition differs in a city"),
    }
)
"""Why a figure is hidden (`trend.Withheld`), and how far it can be compared."""
OBSTACLES: Mapping[str, str] = MappingProxyType(
    {
        "other-table": N_("another version of the table"),
        "other-source": N_("another source"),
        "other-cities": N_("other cities"),
    }
)
"""Why there is no arrow, where the figure itself does not say so."""
_AUDIENCES = {
    "hub": N_("the hub alone"),
    "region": N_("our region"),
    "nation": N_("the country"),
    "europe": N_("Europe"),
}


_WITHOUT_TITLE: Final = (Kind.EXPERIENCE, Kind.ANSWER)
_MEMBERSHIP: Final = {
    MemberRole.NODE: N_("city"),
    MemberRole.HUB: N_("hub"),
    MemberRole.PARENT: N_("hub above"),
    MemberStatus.ACTIVE: N_("takes part"),
    MemberStatus.SUSPENDED: N_("suspended"),
    MemberStatus.REVOKED: N_("key revoked"),
    MemberStatus.LEFT: N_("has left"),
}
_UNNAMED: Final[Mapping[str, str]] = MappingProxyType(
    {"a city in the region": N_("a city in the region"), "a city in the country": N_("a city in the country")}
)
_RELAYED_TITLES: Mapping[type, str] = {
    ExperienceBody: N_("Experience with a practice, city not named"),
    AnswerBody: N_("Answer, city not named"),
}


def _as_it_is(text: str) -> str:
    return text


def title_of(item: InboxItem, translate: Callable[[str], str] = _as_it_is) -> str:
    """One line that says what an item is; its author's own words stay as they are."""
    body = item.body
    if item.state is InboxState.WITHDRAWN:
        return translate(N_("Taken back by its author"))
    if body is None:
        return translate(N_("%(kind)s, not verified")) % {"kind": translate(KIND_NAMES[item.kind])}
    if isinstance(body, (PracticeBody, BulletinBody, QuestionBody)):
        return body.title
    if isinstance(body, RelayedBody):
        return translate(_RELAYED_TITLES[type(body.content)]) if body.practice is None else body.practice.title
    if isinstance(body, (AggregateBody, TrendBody)):
        return f"{translate(words(body.table.id))}, {body.period.label}"
    if isinstance(body, MembershipBody):
        sentence = translate(N_("%(name)s: %(role)s, %(status)s"))
        return sentence % {
            "name": body.member,
            "role": membership(body.role, translate),
            "status": membership(body.status, translate),
        }
    if isinstance(body, PolicyBody):
        return translate(N_("Rules of the hub, version %(version)s")) % {"version": body.version}
    if isinstance(body, WithdrawalBody):
        return translate(N_("An item was taken back"))
    return translate(KIND_NAMES[item.kind])


def headline(text: str, kind: Kind, translate: Callable[[str], str] = _as_it_is) -> str:
    """The headline of a lesson for a reader: of what has no title it begins with the kind, which is translated."""
    english = f"{kind.value.capitalize()}: "
    if kind not in _WITHOUT_TITLE or not text.startswith(english):
        return text
    return f"{translate(KIND_NAMES[kind])}: {text.removeprefix(english)}"


def membership(value: MemberRole | MemberStatus, translate: Callable[[str], str] = _as_it_is) -> str:
    """What a member is, or whether it takes part."""
    return translate(_MEMBERSHIP[value])


def author(name: str, translate: Callable[[str], str] = _as_it_is) -> str:
    """Whose it is: a name as it is, and the words for a city that is not named."""
    return translate(_UNNAMED[name]) if name in _UNNAMED else name


def subject_of(item: InboxItem) -> str | None:
    """What figures are about, `table/period`; None for words."""
    body = item.body
    return f"{body.table.id}/{body.period.label}" if isinstance(body, (AggregateBody, TrendBody)) else None


def freshness_of(item: InboxItem, now: datetime) -> Freshness:
    """Whether an item still holds; what has no month to look at it again always does."""
    content = content_of(item.body)
    return Freshness.CURRENT if content is None else freshness_of_content(content, now)


def freshness_note(
    item: InboxItem,
    now: datetime,
    translate: Callable[[str], str] = _as_it_is,
    month: Callable[[str], str] = _as_it_is,
) -> str | None:
    """What readers are told about an item that is greyed out, with `month` in their words; None for what is current."""
    review_by = getattr(content_of(item.body), "review_by", None)
    return in_words(freshness_of(item, now), None if review_by is None else month(review_by), translate)


def figure_note(code: str) -> str:
    """What stands beside a figure, in words; what is in words already stays."""
    return FIGURE_NOTES.get(code, code)


def audience(value: str) -> str:
    """How far something travels, in words."""
    return _AUDIENCES.get(value, value)


def reason(code: str | None) -> str:
    """Why something is not shown as verified."""
    return REASONS.get(code or "", code or "")


def moment(value: datetime | str | None) -> str:
    """`22 Nov 2026, 09:00 UTC`."""
    if value is None:
        return "never"
    parsed = parse_time(value) if isinstance(value, str) else value
    return f"{parsed.day} {parsed:%b %Y, %H:%M} UTC"
