"""Screening texts: everything listed is found, ordinary words are not."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_node.folding import fold
from local_node.narrative import CODED_FIELDS, DETECTOR, WHY, LocalLists, free_texts, screen
from local_node.patterns import PATTERNS, FindingKind
from local_node.text_language import language_of
from shared_schema.content import AnswerBody, BulletinBody, ExperienceBody, PracticeBody, QuestionBody

PRACTICES = sorted((Path(__file__).resolve().parents[2] / "deploy/demo/practices").glob("*.json"))


@pytest.mark.parametrize(
    ("text", "kind", "passage"),
    [
        ("Write to anna.b@example.org today", FindingKind.EMAIL, "anna.b@example.org"),
        ("Mail: anna (at) example.org", FindingKind.EMAIL, "anna (at) example.org"),
        ("see https://example.org/x?y=1 there", FindingKind.URL, "https://example.org/x?y=1"),
        ("siehe www.beispiel.de", FindingKind.URL, "www.beispiel.de"),
        ("the channel t.me/something", FindingKind.URL, "t.me/something"),
        ("he posts as @dark_rider", FindingKind.HANDLE, "@dark_rider"),
        ("pay to DE89 3704 0044 0532 0130 00 please", FindingKind.ACCOUNT, "DE89 3704 0044 0532 0130 00"),
        ("it began on 2014-03-01", FindingKind.DATE, "2014-03-01"),
        ("am 3.5.2014 begann", FindingKind.DATE, "3.5.2014"),
        ("am 03. Mai begann", FindingKind.DATE, "03. Mai"),
        ("on 3 May in the park", FindingKind.DATE, "3 May"),
        ("on March 21st it rained", FindingKind.DATE, "March 21st"),
        ("on 12/24/2015", FindingKind.DATE, "12/24/2015"),
        ("a 15-year-old came", FindingKind.AGE, "15-year-old"),
        ("a fifteen year old came", FindingKind.AGE, "fifteen year old"),
        ("a boy aged 15", FindingKind.AGE, "aged 15"),
        ("at the age of sixteen", FindingKind.AGE, "at the age of sixteen"),
        ("ein 15-jähriger Junge", FindingKind.AGE, "15-jähriger"),
        ("ein fünfzehnjähriges Mädchen", FindingKind.AGE, "fünfzehnjähriges"),
        ("er war erst 14", FindingKind.AGE, "er war erst 14"),
        ("sie ist 16 Jahre alt", FindingKind.AGE, "sie ist 16"),
        ("call +49 421 123 45 67", FindingKind.PHONE, "+49 421 123 45 67"),
        ("Tel. 0421/1234567", FindingKind.PHONE, "0421/1234567"),
        ("number 65 170839 123", FindingKind.PHONE, "65 170839 123"),
        ("we met Mr Smith there", FindingKind.NAME, "Mr Smith"),
        ("dann kam Herr Müller", FindingKind.NAME, "Herr Müller"),
        ("mit Frau Dr. Özdemir", FindingKind.NAME, "Frau Dr. Özdemir"),
        ("a man named Kevin", FindingKind.NAME, "named Kevin"),
        ("the case of Kevin S. showed", FindingKind.NAME, "Kevin S."),
        ("we reached two boys", FindingKind.SMALL_NUMBER, "two boys"),
        ("three young Syrian men left", FindingKind.SMALL_NUMBER, "three young Syrian men"),
        ("two of the girls", FindingKind.SMALL_NUMBER, "two of the girls"),
        ("only one pupil stayed", FindingKind.SMALL_NUMBER, "one pupil"),
        ("4 participants stayed", FindingKind.SMALL_NUMBER, "4 participants"),
        ("zwei Jugendliche kamen", FindingKind.SMALL_NUMBER, "zwei Jugendliche"),
        ("mit drei jungen Männern", FindingKind.SMALL_NUMBER, "drei jungen Männern"),
        ("der einzige Schüler", FindingKind.SMALL_NUMBER, "einzige Schüler"),
        ("on a vu trois jeunes garçons", FindingKind.SMALL_NUMBER, "trois jeunes garçons"),
        ("er kwamen twee jongeren", FindingKind.SMALL_NUMBER, "twee jongeren"),
        ("så kom der fire unge", FindingKind.SMALL_NUMBER, "fire unge"),
        ("un garçon âgé de 15 ans", FindingKind.AGE, "âgé de 15 ans"),
        ("een 15-jarige kwam", FindingKind.AGE, "15-jarige"),
        ("en 15-årig kom", FindingKind.AGE, "15-årig"),
        ("the server 192.168.10.4 fell", FindingKind.NETWORK, "192.168.10.4"),
        ("number L01X00T47 on it", FindingKind.ACCOUNT, "L01X00T47"),
        ("he lives in Lindenstraße 12 now", FindingKind.ADDRESS, "Lindenstraße 12"),
        ("il habite 12 rue de la Paix avec", FindingKind.ADDRESS, "12 rue de la Paix"),
        ("at 24 Clarke Avenue there", FindingKind.ADDRESS, "24 Clarke Avenue"),
        ("in 28195 Bremen, D-28195 Bremen", FindingKind.ADDRESS, "D-28195 Bremen"),
        ("then Rubija van Dijk came", FindingKind.NAME, "Rubija van Dijk"),
        ("my name is vitoria", FindingKind.NAME, "vitoria"),
        ("we asked J. K. Özdemir about it", FindingKind.NAME, "J. K. Özdemir"),
        ("danach kam Kowalski mit dem Bus", FindingKind.NAME, "Kowalski"),
        ("hier, Fatoumata est venue", FindingKind.NAME, "Fatoumata"),
        ("daarna kwam Thijs met de bus", FindingKind.NAME, "Thijs"),
        ("så kom Rasmus med bussen", FindingKind.NAME, "Rasmus"),
        ("it was the only Chechen girl of the school", FindingKind.COMBINATION, "the only Chechen girl of the school"),
    ],
)
def test_what_could_point_to_a_person_is_found(text: str, kind: FindingKind, passage: str) -> None:
    found = screen({"summary": text}).findings
    assert [(finding.kind, text[finding.start : finding.end]) for finding in found] == [(kind, passage)]
    assert found[0].field == "summary"
    assert found[0].why == WHY[kind]


@pytest.mark.parametrize(
    "text",
    [
        "The programme ran from 2014-2017 in 12 schools and reached 240 pupils.",
        "In March 2015 the funding ended; the next year brought 1,500 euros.",
        "Two youth workers and a family counsellor took part for three years.",
        "A person may leave at any time. One of the best ideas was the waiting list.",
        "Open 24/7, on 3 evenings a week, version 2.0 of the plan.",
        "Im März 2015 endete die Förderung, danach kamen 120 Jugendliche.",
        "Eine Familie braucht Zeit, und ein Kind braucht Ruhe.",
        "Zwei Schulen und drei Vereine haben mitgemacht.",
        "Der Verein und die Stadt haben zwei Jahre lang mit Schülern gearbeitet.",
        "Young people may march in May; in August the youth centre is closed.",
        "Two meetings later students asked for more.",
        "The plan, e.g. the second part, was good; i.e. it worked.",
        "Le projet a duré trois ans dans douze écoles et a touché 240 élèves.",
        "Het project liep drie jaar op twaalf scholen en bereikte 240 leerlingen.",
        "Projektet varede tre år på tolv skoler og nåede 240 elever.",
        "Der Jugendtreff, die Polizei und das Jugendamt haben zusammen gearbeitet.",
        "Muslim and Christian groups from Syria and Germany met the police.",
        "Every school in Bremen took part in October.",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert screen({"summary": text}).findings == ()


@pytest.mark.parametrize("path", PRACTICES, ids=[path.stem for path in PRACTICES])
def test_nothing_is_found_in_a_practice_of_the_demo(path: Path) -> None:
    screened = screen(free_texts(json.loads(path.read_text(encoding="utf-8"))))
    assert set(screened.fields) == {"title", "summary", "lessons"}
    assert screened.findings == ()


def test_there_are_twelve_practices_to_look_at() -> None:
    assert len(PRACTICES) == 12


def test_every_text_that_somebody_can_type_is_screened() -> None:
    body = {"title": "a", "emmie": {"effect": "b"}, "outcome": "worked", "new_field": ["c", {"inner": "d"}]}
    assert free_texts(body) == {"title": "a", "emmie.effect": "b", "new_field.0": "c", "new_field.1.inner": "d"}


@pytest.mark.parametrize("body", [PracticeBody, ExperienceBody, BulletinBody, QuestionBody, AnswerBody])
def test_a_field_that_is_not_screened_has_no_room_for_words(body: type) -> None:
    fields = body.model_fields  # type: ignore[attr-defined]
    for name in CODED_FIELDS & set(fields):
        assert "Passage" not in str(fields[name]), name
        lengths = [getattr(rule, "max_length", 0) or 0 for rule in fields[name].metadata]
        assert max(lengths, default=0) <= 64, name


@pytest.mark.parametrize(
    ("text", "language", "coarser"),
    [
        ("We met a 15-year-old pupil of the Goethe school", "en", "a young person"),
        ("ein fünfzehnjähriges Mädchen", "de", "ein junger Mensch"),
        ("un homme âgé de 40 ans", "fr", "un adulte"),
        ("een 9-jarige kwam", "nl", "een kind"),
        ("en 19-årig kom", "da", "en ung voksen"),
        ("it began on 3 May 2014 there", "en", "2014"),
        ("it began on 3 May there", "en", "at that time"),
        ("then Rubija came", "en", "a person"),
        ("we reached two boys", "en", "a few people"),
        ("at 24 Clarke Avenue there", "en", "a place in the city"),
    ],
)
def test_a_coarser_wording_is_offered_in_the_language_of_the_text(text: str, language: str, coarser: str) -> None:
    assert [finding.coarser for finding in screen({"summary": text}, language=language).findings] == [coarser]


@pytest.mark.parametrize(
    "text", ["Tel. 0421/1234567", "Write to anna.b@example.org", "pay to DE89 3704 0044 0532 0130 00"]
)
def test_for_what_leads_to_one_person_only_there_is_no_coarser_wording(text: str) -> None:
    assert [finding.coarser for finding in screen({"summary": text}).findings] == [None]


@pytest.mark.parametrize(
    ("text", "language", "passage"),
    [
        ("call 0341\u00ad123\u00ad45\u00ad67 now", "de", "0341\u00ad123\u00ad45\u00ad67"),
        ("we met An\u00adna there", "en", "An\u00adna"),
        ("then Rub\u200bija came", "en", "Rub\u200bija"),
        ("call 0341\u2011123\u20114567 now", "de", "0341\u2011123\u20114567"),
        ("it was on 3\u2011May\u20112024 there", "en", "3\u2011May\u20112024"),
        ("call 0341    123    456    78 now", "de", "0341    123    456    78"),
        ("write to anna@example\uff0eorg now", "en", "anna@example\uff0eorg"),
        ("write to anna@example(dot)org now", "en", "anna@example(dot)org"),
        ("write to anna at example dot org now", "en", "anna at example dot org"),
        ("write to anna&#64;example&#46;org now", "en", "anna&#64;example&#46;org"),
        ("so \u0622\u0646\u0627 came", "en", "\u0622\u0646\u0627"),
        ("our friend Grace\nBaker came", "en", "Grace\nBaker"),
        ("daarna kwam Jan Bakker bij ons", "nl", "Jan Bakker"),
        ("then June Miller came", "en", "June Miller"),
        ("we asked mehmet about it and that was the end of it", "de", "mehmet"),
        ("a boy of 15 came", "en", "boy of 15"),
        ("ein 15 Jahre alter Junge", "de", "15 Jahre alter"),
        ("er wohnt Am Markt 5 dort", "de", "Am Markt 5"),
    ],
)
def test_disguises_and_everyday_forms_are_found_as_they_were_written(text: str, language: str, passage: str) -> None:
    found = screen({"summary": text}, language=language).findings
    assert [text[finding.start : finding.end] for finding in found] == [passage]


def test_a_word_that_only_sounds_like_a_number_gives_no_age() -> None:
    text = "The imam himself was the only convert at the mosque."
    assert [finding.coarser for finding in screen({"summary": text}, language="en").findings] == ["a person"]


@given(st.text(alphabet=st.sampled_from("aA1 \u00ad\u200b\u2011\uff21\ufb01&#64;ß\U000e0041"), max_size=60))
def test_folding_leads_back_to_the_written_text(text: str) -> None:
    folded = fold(text)
    assert len(folded.places) == len(folded.text) + 1
    for place in range(len(folded.text)):
        start, end = folded.span(place, place + 1)
        assert 0 <= start < end <= len(text)


def test_a_pupil_and_the_school_are_one_finding() -> None:
    text = "A 15-year-old pupil of the Goethe school came."
    (finding,) = screen({"summary": text}, language="en").findings
    assert (finding.kind, text[: finding.end]) == (
        FindingKind.COMBINATION,
        "A 15-year-old pupil of the Goethe school",
    )


def test_the_citys_own_list_is_found_in_any_case_and_as_whole_words_only() -> None:
    lists = LocalLists(pointing=("Haus am  See", "Keule", " ", "C++ (club)"))
    text = "Im HAUS\nAM SEE traf er keule und nicht die Keulenschläger, c++ (club)."
    found = screen({"summary": text}, language="de", lists=lists).findings
    local = [text[finding.start : finding.end] for finding in found if finding.kind is FindingKind.LOCAL]
    assert local == ["HAUS\nAM SEE", "keule", "c++ (club)"]


def test_a_word_that_is_nobodys_name_here_is_left_alone() -> None:
    text = {"summary": "The people of Ottawa came."}
    assert screen(text, language="en", lists=LocalLists(known=frozenset({"ottawa"}))).findings == ()


def test_the_language_that_was_declared_decides_and_else_the_words() -> None:
    german = {"summary": "Der Erfolg war groß, und die Stadt ist mit dem Verein zufrieden."}
    assert screen(german).findings == screen(german, language="de-AT").findings == ()
    assert language_of("", "und") == "en"
    assert [
        language_of(text) for text in ("le projet est dans la ville", "het project is in de stad", "og det er en by")
    ] == [
        "fr",
        "nl",
        "da",
    ]


def test_screening_opens_no_socket_and_says_the_same_every_time(tmp_path: Path) -> None:
    program = """
import socket, sys
def refuse(*_):
    raise SystemExit("a socket was opened")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from local_node.narrative import screen
for text, tag in (("Rubija came", "en"), ("danach kam Kowalski mit dem Bus", "de"), ("Fatoumata est venue", "fr")):
    print([(each.start, each.end, each.kind.value) for each in screen({"x": text}, language=tag).findings])
"""
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    assert next(iter(answers)).count("name") == 3


def test_findings_of_a_text_do_not_overlap_and_stand_in_order() -> None:
    text = "Mr Smith, aged 15, wrote from a@b.de on 2014-03-01 with two boys"
    places = [(finding.start, finding.end) for finding in screen({"x": text}).findings]
    assert len(places) == 5
    assert all(before[1] <= after[0] for before, after in pairwise(places))


def test_every_kind_has_a_pattern_and_a_reason() -> None:
    assert set(WHY) == set(FindingKind)
    assert set(PATTERNS) == set(FindingKind) - {FindingKind.LOCAL, FindingKind.COMBINATION}
    assert len(DETECTOR) <= 40


@given(st.text(alphabet=st.sampled_from("a1 .-@/+()0XÄß"), max_size=3000))
def test_any_text_is_screened_in_time(text: str) -> None:
    for finding in screen({"x": text}).findings:
        assert 0 <= finding.start < finding.end <= len(text)
