"""The inbox: lists, one item of every kind, what one does with it, views, questions and e-mails."""

from sqlalchemy import select

from local_node import mailings, reader, saved_views, verbs
from local_node.app import Node
from local_node.inbox_query import parse_wanted
from local_node.mailings import Rhythm
from local_node.orm import SearchItemRow, UsefulMarkRow
from shared_schema.content import AnswerBody, ExperienceBody, PracticeBody, QuestionBody
from shared_schema.envelope import Envelope
from shared_schema.governance import RelayedBody
from shared_schema.period import Area
from shared_schema.relay import generalise
from shared_schema.statement import Audience, Kind
from shared_schema.vocabulary import Phenomenon
from tests.browser.screens import Furnished, Screen
from tests.hub_simulator import Author, HubSimulator, practice_body

REVIEW = {"role": "reviewer", "detector": "narrative/0.1", "findings": 0}
AREA = {"scheme": "LAU", "version": "2024", "code": "14612000"}
SAXONY = Area(scheme="NUTS", version="2024", code="DED")


def furnish(furnished: Furnished) -> None:
    """Lessons that worked and that did not, with versions, adaptations, reports, questions; one taken back, one odd."""
    node, hub = furnished.node, furnished.hub
    dresden, halle, jena = (hub.city(name) for name in ("dresden.sn.de", "halle.st.de", "jena.th.de"))
    envelopes = _lessons(dresden, halle, jena) | {"relayed": _relayed(hub)}
    for envelope in envelopes.values():
        hub.log(envelope)
    hub.log(hub.city("koeln.nw.de", enrolled=False).practice("Nobody vouches for this"))
    hub.log(dresden.withdrawal(envelopes["gone"].digest))
    verbs.run(node, "sync", {})
    furnished.known |= {name: envelope.digest for name, envelope in envelopes.items()}
    furnished.known["membership"] = next(entry.digest for entry in hub.entries if entry.kind == Kind.MEMBERSHIP)
    _use(node, furnished.known)


def _lessons(dresden: Author, halle: Author, jena: Author) -> dict[str, Envelope]:
    first = dresden.practice(
        "Open evenings at the youth club",
        summary="A city kept its youth club open on two more evenings, with a meal and no programme. After the first "
        "weeks few came who had not come before.",
        lessons="Ask the young people first which evenings they want. Next time we would begin with one evening.",
    )
    newest = dresden.practice(
        "Open evenings at the youth club",
        summary="A city kept its youth club open on one more evening, which the young people chose themselves, with a "
        "meal and no programme. More than half who came had not come before.",
        lessons="Ask the young people first which evening they want. Keep it open for a year before you judge.",
        outcome="worked",
        evidence_level="2",
        setting=["youth_centre"],
        transfer_conditions="It needs a cook and somebody whom the young people know.",
        unintended_effects="The other evenings became emptier.",
        emmie={"effect": "More young people from the neighbourhood.", "economics": "One half-time position."},
        cost="medium",
        staff="low",
        reach="medium",
        surroundings={"size": "XL", "urbanisation": "1"},
        replaces=first.digest,
    )
    adapted = halle.practice(
        "Open evenings with a kitchen",
        summary="We took over the open evening of another city and put the kitchen first.",
        lessons="The kitchen draws more people than the games. We would do it again.",
        outcome="mixed",
        language="en",
        adapted_from=newest.digest,
    )
    stale = jena.practice(
        "Theatre workshop about rumours in a school",
        summary="Pupils of two classes wrote and played scenes about rumours on the internet.",
        lessons="Two days were too short, and without the teachers nothing stays.",
        outcome="stopped",
        phenomenon=["POL"],
        setting=["school"],
        review_by="2026-10",
    )
    german = jena.practice(
        "Runder Tisch vor dem Jahrestag",
        summary="Drei Ämter und zwei Vereine sprachen vor dem Jahrestag ab, wer wann was tut.",
        lessons="Früher einladen, und nur wer am Tag selbst dabei ist.",
        outcome="worked",
        language="de",
        prevention_level="secondary",
    )
    report = ExperienceBody.from_object(
        {
            "practice": first.digest, "changes": "We began later in the evening.", "outcome": "no_effect",
            "lessons": "Nobody knew of it. The flyer came after the evening.", "area": AREA, "review": REVIEW,
        }
    )  # fmt: skip
    question = QuestionBody.from_object(
        {
            "title": "Who has tried mentors from sports clubs?", "phenomenon": ["RWE"], "review": REVIEW,
            "text": "We would like to know how you found them, and what they need from the city.",
        }
    )  # fmt: skip
    asked = halle.sign(Kind.QUESTION, question, Audience.EUROPE)
    answer = AnswerBody.from_object(
        {"question": asked.digest, "text": "We asked the trainers, and they asked the parents.", "review": REVIEW}
    )
    return {
        "first": first,
        "practice": newest,
        "adapted": adapted,
        "stale": stale,
        "german": german,
        "report": jena.sign(Kind.EXPERIENCE, report, Audience.EUROPE),
        "question": asked,
        "answer": jena.sign(Kind.ANSWER, answer, Audience.EUROPE),
        "gone": dresden.practice("To be taken back", summary="It stood here for a day.", lessons="No more."),
    }


def _relayed(hub: HubSimulator) -> Envelope:
    content = practice_body(
        title="A campaign that made it worse",
        summary="Posters named a group, and the group felt accused. Two partners left the round table.",
        lessons="Show the posters to those whom they speak about before they hang.",
        outcome="harm",
    )
    unnamed = PracticeBody.from_object(content.to_object() | {"attribution": "region"})
    body = RelayedBody.from_object(generalise(unnamed, SAXONY).to_object())
    return hub.author.sign(Kind.RELAYED, body, Audience.EUROPE)


def _use(node: Node, known: dict[str, str]) -> None:
    now = node.clock()
    with node.database.write() as session:
        reader.set_useful(session, "anna", known["practice"], True, now)
        reader.set_useful(session, "ben", known["practice"], True, now)
        reader.write_note(session, "anna", known["practice"], "Ask the youth office about the kitchen.", 0, now)
        reader.mark_read(session, "anna", known["german"])
        failed = parse_wanted([("outcome", "harm"), ("outcome", "stopped"), ("outcome", "no_effect")])
        saved_views.save(session, "anna", "What did not work", failed, shared=True, now=now)
        saved_views.save(session, "ben", "Schools", parse_wanted([("setting", "school")]), shared=True, now=now)
        view = saved_views.list_views(session, "ben")[0]
        saved_views.mark_seen(session, "ben", view.id, 0)
        mailings.choose(session, "anna", Rhythm.WEEKLY, now)
        found = mailings.find(session, "anna")
        known["off"] = found.off_token if found else ""


SCREENS = [
    Screen("/inbox", as_="anna", shot="inbox"),
    Screen("/inbox?q=evenings+kitchen&outcome=worked&phenomenon=RWE", as_="anna", shot="inbox-search"),
    Screen("/inbox?q=submarine&outcome=harm", as_="anna", shot="inbox-nothing"),
    Screen("/inbox?show=members", as_="rita"),
    Screen("/inbox?show=quarantined", as_="anna"),
    Screen("/inbox?show=withdrawn", as_="anna"),
    Screen("/inbox/{practice}", as_="anna", shot="lesson"),
    Screen("/inbox/{stale}", as_="rita"),
    Screen("/inbox/{relayed}", as_="anna"),
    Screen("/inbox/{question}", as_="anna", shot="question"),
    Screen("/inbox/{report}", as_="anna"),
    Screen("/inbox/{gone}", as_="anna"),
    Screen("/inbox/{membership}", as_="anna"),
    Screen("/inbox/{practice}/print", as_="anna", shot="lesson-print"),
    Screen("/views", as_="anna", shot="views"),
    Screen("/mail", as_="anna", shot="mail"),
    Screen("/mail/off/{off}", as_=None),
    Screen("/questions", as_="anna", shot="questions"),
]


def fill(furnished: Furnished) -> None:
    """A person who has read a third of a full inbox, finds much useful and keeps a dozen views."""
    node = furnished.node
    now = node.clock()
    with node.database.write() as session:
        digests = session.scalars(select(SearchItemRow.digest).order_by(SearchItemRow.id)).all()
        reader.mark_all_read(session, "anna", len(digests) // 4)
        for digest in digests[-2_000::3]:
            reader.mark_read(session, "anna", digest)
        for digest in digests[::40]:
            session.add(UsefulMarkRow(digest=digest, person_id="anna", marked_at=now))
        for phenomenon in list(Phenomenon)[:12]:
            wanted = parse_wanted([("phenomenon", phenomenon.value), ("q", "youth")])
            saved_views.save(session, "anna", f"About {phenomenon.value}", wanted, shared=False, now=now)
