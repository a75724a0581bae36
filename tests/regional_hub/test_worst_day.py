"""The operator's worst day: a member's key is stolen. Revoke, look, give a new key, and lose nothing else.

Every step of the operator is a page that is opened or a form that is sent, as in a browser, and is counted.
"""

import re
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select

from regional_hub.orm import ContentRow, EntryRow
from shared_schema.envelope import parse_envelope
from shared_schema.keys import SigningKey
from shared_schema.problem import ProblemCode
from tests.regional_hub.browsing import Browser
from tests.regional_hub.running import City, RunningHub, check_problem, enrolment

pytestmark = pytest.mark.sqlite_is_enough

NAME = "leipzig.sn.de"
MOST_STEPS = 12
TYPED = ("typed", "fingerprint")
CLICK, KEY, TO_THE_KEYS, THINK = 1.1 + 0.2, 0.28, 0.4, 1.35
"""Seconds of the keystroke-level model (Card, Moran, Newell 1980, "The keystroke-level model for user performance time
with interactive systems"): point and press, a key of an average typist, a hand between mouse and keys, a decision."""


@dataclass
class Operator:
    """Somebody at the console, and every step that was needed."""

    browser: Browser
    steps: list[str] = field(default_factory=list)
    seconds: float = 0.0
    """What a practised hand needs by the keystroke-level model; reading, thinking it over and the telephone come on
    top."""

    def open(self, path: str) -> str:
        self.steps.append(f"open {path}")
        self.seconds += THINK + CLICK
        return self.browser.page(path)

    def send(self, path: str, **fields: str) -> str:
        """Send a form that the page before has shown, and see where it leads."""
        self.steps.append(f"send {path}: {', '.join(fields)}")
        for name, value in fields.items():
            typing = 2 * TO_THE_KEYS + KEY * len(value) if name in TYPED else 0
            self.seconds += THINK + CLICK + typing if name != "seen" else 0  # the page fills that in
        self.seconds += THINK + CLICK  # the button
        answer = self.browser.post(path, fields)
        return self.browser.follow(answer) if answer.status_code == 303 else answer.text


def in_force(region: RunningHub) -> set[str]:
    """The digests of all that nobody has taken back and whose content is here."""
    with region.hub.database.read() as session:
        kept = select(ContentRow.digest)
        return set(
            session.scalars(select(EntryRow.digest).where(EntryRow.withdrawn_by.is_(None), EntryRow.digest.in_(kept)))
        )


def test_a_stolen_key_is_ended_and_its_member_goes_on_and_nothing_is_lost(
    region: RunningHub, capsys: pytest.CaptureFixture[str]
) -> None:
    town, other = region.enrol(NAME), region.enrol("dresden.sn.de")
    own, others = [town.sign() for _ in range(6)], [other.sign() for _ in range(5)]
    region.accept_many([*own, *others])
    thief = City(NAME, town.key, region, town.seq)
    forged = [thief.sign() for _ in range(4)]
    region.accept_many(forged)
    before, known = region.log_size(), in_force(region)
    olga = Operator(Browser(region).sign_in("olga"))

    assert NAME in olga.open("/members")  # 1. end the stolen key
    assert 'value="revoke"' in olga.open(f"/members/{NAME}")
    assert "keys have ended" in olga.send(f"/members/{NAME}/state", change="revoke", seen="active", typed=NAME)
    check_problem(region.post(thief.sign()), ProblemCode.KEY_NOT_VALID)
    assert region.log_size() == before + 1, "the revocation, and nothing of the thief"

    listed = olga.open(f"/members/{NAME}/items")  # 2. look at its last ten items
    digests = [parse_envelope(each).digest for each in [*own, *forged]]
    assert all(digest in listed for digest in digests), "all ten, to be gone through by telephone"

    olga.open(f"/members/{NAME}")  # 3. a new key: code, request, and the fingerprint that is read out
    (code,) = re.findall(r"<code>([A-Z2-7-]{19})</code>", olga.send(f"/members/{NAME}/code"))
    new = SigningKey.from_seed(b"a key that nobody has stolen yet")
    assert region.post(enrolment(NAME, new, code), "/v1/enrolments").status_code == 202
    assert new.public.fingerprint not in olga.open("/enrolments")
    olga.send(f"/enrolments/{NAME}/approve", fingerprint=new.public.fingerprint)

    town.key, town.seq = new, thief.seq  # 4. the member takes back what is not its own; a hub cannot sign for it
    for envelope in forged:
        region.accept(town.withdrawal(envelope))
    check_problem(region.post(thief.sign()), ProblemCode.KEY_NOT_VALID)
    shown = olga.open("/withdrawals")
    assert shown.count("under way") == len(forged), "the other city has not read yet"
    other.feed(first=region.log_size(), seen=region.log_size())
    assert olga.open("/withdrawals").count("under way") == 0

    digests_of = [{parse_envelope(each).digest for each in group} for group in ([*own, *others], forged)]
    assert digests_of[0] <= in_force(region), "5. nothing is lost"
    assert not digests_of[1] & in_force(region)
    assert known <= in_force(region) | digests_of[1], "also nothing of what the hub itself had said"
    assert region.verb("verify")["ok"]
    assert region.log_size() == before + 2 + len(forged)
    assert len(olga.steps) <= MOST_STEPS
    with capsys.disabled():
        took = f"{len(olga.steps)} steps and {olga.seconds:.0f} s of a practised hand"
        print(f"\nthe worst day took {took}:", *olga.steps, sep="\n  ")
