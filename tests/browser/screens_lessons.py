"""Writing, reviewing, figures to share, the outbox: each with something in it, and each step of a lesson once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from local_node import draft_store, inbox, release, request_store, verbs
from local_node.app import Node
from local_node.drafting import Writer
from local_node.orm import AccountRow, AgencyRow
from local_node.review import RequestState, Role
from local_node.writing import read_fields
from shared_schema import canonical
from shared_schema.governance import PolicyBody
from shared_schema.statement import Audience, Kind
from shared_schema.trend import TableDefinition
from shared_schema.vocabulary import SourceKind
from tests.browser.screens import Furnished, Screen
from tests.local_node.browsing import give_account

CROWD: Final = 300
"""Items that a large city has sent in some years."""
TABLE: Final = "first_contacts.by_setting"
ANNA: Final = Writer("anna", Role.COORDINATOR)
LESSON: Final[dict[str, list[str]]] = {
    "title": ["Evenings for everybody"],
    "summary": [
        (
            "We opened the youth club on two more evenings, with the sports club and two schools. "
            "In the first weeks forty came, after two months hardly anybody."
        )
    ],
    "phenomenon": ["RWE", "POL"],
    "prevention_level": ["primary"],
    "agencies": ["youth:deliver", "edu_sec:refer", "municipality:fund"],
    "outcome": ["no_effect"],
    "lessons": [
        (
            "We would ask first. Mr Smith of the sports club had offered his hall, a 15-year-old pupil wrote to "
            "info@example.org that Tuesdays do not suit anybody. Next time the young people choose the evenings."
        )
    ],
    "language": ["en"],
}
MAPPING: Final = f"""
kind = "returns"
measure = "first_contacts"
table = "{TABLE}"
columns = {{ school = "school", street = "street", online = "online" }}
"""


def furnish(furnished: Furnished) -> None:
    """A draft, one handed over, one in review, one refused, some sent, one taken back, and figures in every state."""
    node, hub = furnished.node, furnished.hub
    for city in ("dresden.sn.de", "chemnitz.sn.de", "zwickau.sn.de"):
        hub.city(city)
    hub.publish_policy(_policy())
    verbs.run(node, "sync", {})
    known = furnished.known
    _employ_paul(node)
    known["draft"] = _begin(node, "draft", ANNA)
    known["handed"] = _hand_over(node)
    known["request"] = _ask(node, _begin(node, "in-review", ANNA, title=["A bus that nobody took"]))
    _refuse(node, _ask(node, _begin(node, "refused", ANNA, title=["Too close to one family"])))
    known["sent"] = _release(node, "Parents' evenings in three languages")
    known["back"] = _release(node, "A leaflet that made things worse")
    verbs.run(node, "withdraw", {"digest": known["back"], "by": "anna", "reason": "consent"})
    verbs.run(node, "sync", {})
    known["figures"] = _figures(node)


def _policy() -> PolicyBody:
    table = TableDefinition(
        id=TABLE,
        version=1,
        measure="first_contacts",
        title="First contacts by setting",
        unit="record",
        dimension="setting",
        cells=("school", "street", "online"),
        source_kinds=(SourceKind.AGENCY_RETURN,),
        granularities=("month",),
        epsilon_milli=500,
    )
    return PolicyBody(
        version=1,
        vocabulary_version=1,
        tables=(table,),
        epsilon_milli_per_measure=4000,
        epsilon_milli_total=8000,
        min_contributors=3,
    )


def _employ_paul(node: Node) -> None:
    give_account(node, "paul")
    with node.database.write() as session:
        account = session.get_one(AccountRow, "paul")
        if account.agency_id is None:
            if session.get(AgencyRow, "youth-office") is None:
                session.add(
                    AgencyRow(
                        id="youth-office",
                        name="Youth office",
                        kinds='{"codes":["youth"]}',
                        roles='{"codes":["deliver"]}',
                        added_at=node.clock(),
                    )
                )
                session.flush()
            account.agency_id = "youth-office"


def _begin(node: Node, key: str, writer: Writer, **changes: list[str]) -> str:
    with node.database.write() as session:
        return draft_store.begin(
            session,
            form_key=f"furnished-lesson-{key}",
            kind=Kind.PRACTICE,
            fields=read_fields(Kind.PRACTICE, LESSON | changes),
            audience=Audience.EUROPE,
            writer=writer,
            now=node.clock(),
        ).id


def _hand_over(node: Node) -> str:
    with node.database.write() as session:
        account = session.get_one(AccountRow, "paul")
        paul = Writer("paul", Role.PARTNER, account.agency_id)
    _begin(node, "of-paul", paul, title=["What the street workers would change"], lessons=[])
    handed = _begin(node, "handed", paul, title=["Homework help on the tram line"])
    with node.database.write() as session:
        draft_store.hand_over(session, draft_store.get(session, handed, paul), 1, paul, node.clock())
    return handed


def _ask(node: Node, draft: str) -> str:
    return str(verbs.run(node, "draft.ask", {"draft": draft, "version": 1, "by": "anna"})["request"])


def _refuse(node: Node, request: str) -> None:
    verbs.run(
        node, "release.refuse", {"request": request, "by": "ben", "reason": "everybody here would know the family"}
    )


def _approve(node: Node, request: str, **accept: str) -> None:
    verbs.run(node, "release.approve", {"request": request, "by": "ben", "accept": accept})


def _release(node: Node, title: str) -> str:
    request = _ask(node, _begin(node, f"sent-{len(title)}", ANNA, title=[title], lessons=["Begin with the parents."]))
    shown = verbs.run(node, "release.show", {"request": request})
    verbs.run(
        node,
        "release.approve",
        {"request": request, "by": "ben", "accept": {str(each["number"]): "no person" for each in shown["findings"]}},
    )
    verbs.run(node, "sync", {})
    return str(verbs.run(node, "release.show", {"request": request})["digest"])


def _figures(node: Node) -> str:
    """August is late, September was released, October waits for a decision."""
    rows = "month,school,street,online\n2026-08,14,6,3\n2026-09,17,4,\n2026-10,21,9,5\n"
    with TemporaryDirectory() as folder:
        (Path(folder) / "mapping.toml").write_text(MAPPING)
        (Path(folder) / "rows.csv").write_text(rows)
        given: dict[str, Any] = {"file": f"{folder}/rows.csv", "mapping": f"{folder}/mapping.toml"}
        verbs.run(node, "import", given | {"agency": "youth-office", "by": "anna"})
    ask = {"table": TABLE, "by": "anna"}
    _approve(node, verbs.run(node, "release.numbers", ask | {"period": "2026-09"})["request"])
    verbs.run(node, "sync", {})
    return str(verbs.run(node, "release.numbers", ask | {"period": "2026-10"})["request"])


def fill(furnished: Furnished) -> None:
    """Three hundred items in the outbox, a hundred drafts, forty requests that wait."""
    node, key = furnished.node, furnished.node.key
    request = verbs.run(node, "release.show", {"request": furnished.known["request"]})
    for number in range(100):
        _begin(node, f"crowd-{number:05}", ANNA, title=[f"Draft number {number}"])
    with node.database.write() as session:
        for number in range(CROWD + 40):
            request_store.add_request(
                session,
                kind=Kind.PRACTICE,
                audience=Audience.EUROPE,
                body=canonical.encode(request["body"] | {"title": f"Lesson number {number}"}),
                findings=(),
                subject=None,
                person="anna",
                now=node.clock(),
            )
        waiting = request_store.list_requests(session, RequestState.REQUESTED)
        for stored in [each for each in waiting if not each.request.findings and not each.subject][:CROWD]:
            release.approve(session, stored.request.id, "ben", {}, node.clock())
        hub = furnished.hub.name
        policy = inbox.current_policy(session, hub)
        assert policy is not None
        release.sign_approved(
            session,
            key=key,
            origin=node.name,
            hubs=[hub],
            highest_seq=0,
            policy=policy,
            nonces=(f"{number:022}" for number in range(CROWD)),
            now=node.clock(),
        )


SCREENS = [
    Screen("/lessons", shot="lessons"),
    Screen("/lessons", as_="paul"),
    Screen("/lessons", as_="ben"),
    Screen("/lessons/new?kind=practice", shot="lesson-new"),
    Screen("/lessons/new?kind=question"),
    Screen("/lessons/new?kind=answer"),
    Screen("/lessons/{draft}", shot="lesson-form"),
    Screen("/lessons/{draft}/look", shot="lesson-look"),
    Screen("/lessons/{handed}", as_="paul"),
    Screen("/reviews", as_="ben", shot="reviews"),
    Screen("/reviews/{request}", as_="ben", shot="review"),
    Screen("/reviews/{request}", as_="anna"),
    Screen("/reviews/{figures}", as_="ben", shot="review-figures"),
    Screen("/releases", shot="releases"),
    Screen("/releases/first_contacts.by_setting/2026-08", shot="release"),
    Screen("/outbox", shot="outbox"),
    Screen("/outbox/{sent}", shot="outbox-item"),
    Screen("/outbox/{back}"),
    Screen("/outbox/{sent}/withdraw", shot="withdraw"),
]
