"""The preview, correction and refusal of figures: through the rules, the verbs and the command line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from local_node import noise, preview, verbs
from local_node.app import Node
from local_node.ledger import verify_chain
from local_node.orm import CorrectionRecordRow, ImportBatchRow
from shared_schema.governance import PeriodAdvice, PolicyBody
from shared_schema.period import parse_period
from shared_schema.service.control import VerbError
from shared_schema.spending import entry_hash
from shared_schema.trend import ReleasedCell, TrendBody
from tests.hub_simulator import HubSimulator
from tests.local_node.test_cli import refusal, run, run_json

TABLE = "bias_incidents.by_offence"
MAPPING = f"""
kind = "returns"
measure = "bias_incidents"
table = "{TABLE}"
columns = {{ assault = "assault", arson = "arson" }}
"""
ASK = {"table": TABLE, "period": "2026-09"}


@pytest.fixture
def city(member: Node, tmp_path: Path) -> Node:
    """A member with two months of returns; arson was not collected in October."""
    (tmp_path / "mapping.toml").write_text(MAPPING)
    (tmp_path / "good.csv").write_text("month,assault,arson\n2026-09,3,0\n2026-10,1,\n")
    given = {"file": str(tmp_path / "good.csv"), "mapping": str(tmp_path / "mapping.toml"), "agency": "youth-office"}
    verbs.run(member, "import", given | {"by": "anna", "periods": [], "accept_good_rows": False})
    return member


def look(node: Node, **params: Any) -> dict[str, Any]:
    return verbs.run(node, "release.preview", ASK | params)


def request(node: Node, **params: Any) -> dict[str, Any]:
    return verbs.run(node, "release.numbers", ASK | {"by": "anna"} | params)


def reasons(shown: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in shown["held_back"]]


def state_of(node: Node) -> list[Any]:
    """Everything that a charge or a draw would change."""
    with node.database.read() as session:
        tables = ("ledger", "audit", "release_requests", "correction_records")
        return [session.execute(text(f"SELECT * FROM {table}")).all() for table in tables]


def add_correction(node: Node, **deltas: int) -> None:
    """As an import with --correction writes it."""
    with node.database.write() as session:
        batch = session.query(ImportBatchRow).first()
        assert batch is not None
        session.add_all(
            CorrectionRecordRow(
                batch_id=batch.id, table_id=TABLE, agency="youth-office", period="2026-09", cell=cell, delta=delta
            )
            for cell, delta in deltas.items()
        )


def release_signed(node: Node, **params: Any) -> dict[str, Any]:
    shown = request(node, **params)
    verbs.run(node, "release.approve", {"request": shown["request"], "by": "ben", "accept": {}})
    assert verbs.run(node, "sync", {})["signed"] == 1
    return shown


# --- what is refused: nothing is charged, in the verb and on the command line -----------------------------------------

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"table": "no.such_table"}, "unknown-table"),
    ({"epsilon_milli": 1001}, "epsilon"),
    ({"epsilon_milli": 0}, "epsilon"),
    ({"period": "2999-01"}, "period"),
    ({"period": "2026-Q3"}, "period"),
    ({"correction": True}, "no-release"),
]


@pytest.mark.parametrize(("params", "code"), REFUSED)
def test_a_wrong_request_is_refused_and_previewed_with_its_reason_and_charges_nothing(
    city: Node, params: dict[str, Any], code: str
) -> None:
    before = state_of(city)
    with pytest.raises(VerbError) as caught:
        request(city, **params)
    assert caught.value.code == code
    assert "\n" not in caught.value.message
    assert code in reasons(look(city, **params))
    assert state_of(city) == before


def test_on_the_command_line_a_wrong_request_is_one_line_and_exit_code_two(city: Node) -> None:
    request(city, period="2026-10")
    before, data = state_of(city), city.data_dir
    city.close()
    for arguments in (
        ("no.such_table", "2026-09"),
        (TABLE, "2026-09", "--epsilon-milli", "1001"),
        (TABLE, "2999-01"),
        (TABLE, "2026-10"),
        (TABLE, "2026-09", "--correction"),
        (TABLE, "last-month"),
    ):
        assert refusal("release", "request", *arguments, "--by", "anna", data=data).startswith("local-node: ")
    (data / "node.toml").write_text((data / "node.toml").read_text() + 'protection = "threshold"\n')
    assert "quarter" in refusal("release", "request", TABLE, "2026-09", "--by", "anna", data=data)
    assert state_of(city) == before


FILES = {
    "negative.csv": ("2026-11,-1,0", "line 2, column assault"),
    "future.csv": ("2999-01,1,0", "line 2, column month"),
}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("release", "request", "no.such_table", "2026-09"), "expected a table of the hub's policy"),
        *(
            pytest.param(arguments, words, marks=pytest.mark.long)
            for arguments, words in (
                (("import", "negative.csv"), FILES["negative.csv"][1]),
                (("release", "request", TABLE, "2026-09", "--epsilon-milli", "1001"), "1000"),
                (("release", "request", TABLE, "2999-01"), "expected a period that has ended"),
                (("release", "request", TABLE, "2026-10"), "r1 is requested"),
                (("import", "future.csv"), FILES["future.csv"][1]),
            )
        ),
    ],
    ids=["table", "import-negative", "epsilon", "future", "second", "import-future"],
)
def test_the_real_program_refuses_bad_input_in_one_line_and_leaves_the_budget_alone(
    city: Node, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    request(city, period="2026-10")
    before = [*state_of(city), look(city)["cost"]]
    city.close()
    for name, (row, _) in FILES.items():
        (tmp_path / name).write_text(f"month,assault,arson\n{row}\n")
    more = ("--mapping", "mapping.toml", "--agency", "youth-office") if arguments[0] == "import" else ()
    done = subprocess.run(
        [sys.executable, "-m", "local_node", *arguments, *more, "--by", "anna", "--data", str(city.data_dir)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("local-node: ") and words in done.stderr
    assert [*state_of(city), look(city)["cost"]] == before


@pytest.mark.parametrize("epsilon_milli", ["1000", 1.5, True])
def test_an_epsilon_that_is_no_whole_number_is_refused(city: Node, epsilon_milli: object) -> None:
    with pytest.raises(VerbError) as caught:
        request(city, epsilon_milli=epsilon_milli)
    assert caught.value.code == "bad-parameter"


def test_a_second_release_of_a_period_is_refused_and_both_ways_say_so(city: Node) -> None:
    request(city)
    before = state_of(city)
    with pytest.raises(VerbError) as caught:
        request(city)
    assert (caught.value.code, reasons(look(city))) == ("asked-before", ["asked-before"])
    assert state_of(city) == before


def test_every_rule_that_is_broken_stands_in_the_list(city: Node) -> None:
    shown = look(city, period="2999-Q1", epsilon_milli=5000)
    assert reasons(shown) == ["period", "period", "empty", "epsilon"]  # a quarter, in the future, without a record


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_a_preview_changes_nothing_and_shows_no_true_count(city: Node) -> None:
    before = state_of(city)
    shown = [look(city, period="2026-10") for _ in range(3)]
    assert shown[0] == shown[1] == shown[2]
    assert state_of(city) == before
    assault, arson = shown[0]["cells"]
    assert (assault["leaves"], assault["value"]) == ("a number with noise", None)
    assert assault["margin"] == "the true number is within 3 of this in 95 of 100 cases"
    assert (arson["leaves"], arson["margin"]) == ("not collected", "")
    assert shown[0]["held_back"] == ()


def test_the_cost_is_said_in_words_and_in_thousandths(city: Node) -> None:
    cost = look(city, epsilon_milli=500)["cost"]
    assert (cost["epsilon_milli"], cost["charged_milli"]) == (500, 500)
    assert (cost["left_of_measure_milli"], cost["left_of_all_milli"]) == (1500, 3500)
    assert "odds that one record is in them by a factor of at most 1.7 (epsilon 0.5, 500 thousandths)" in cost["words"]


def test_a_request_carries_the_preview_with_the_very_values(city: Node) -> None:
    asked = request(city)
    cells = asked["preview"]["cells"]
    assert [cell["leaves"] for cell in cells] == [str(cell["value"]) for cell in asked["cells"]]
    assert asked["preview"]["held_back"] == ()
    assert asked["preview"]["cost"]["charged_milli"] == 1000
    verbs.run(city, "release.refuse", {"request": asked["request"], "by": "ben", "reason": "not yet"})
    again = look(city)
    assert again["cells"] == cells
    assert again["cost"]["charged_milli"] == 0
    assert "paid already" in again["cost"]["words"]


def test_the_command_line_prints_a_table_that_people_can_read(city: Node) -> None:
    city.close()
    shown = run("release", "preview", TABLE, "2026-09", data=city.data_dir)
    assert shown.returncode == 0, shown.stderr
    for words in ("within 3 of this in 95 of 100 cases", "a number with noise", "held back: none", "thousandths left"):
        assert words in shown.stdout
    assert run_json("release", "preview", TABLE, "2026-09", data=city.data_dir)["cost"]["epsilon_milli"] == 1000


def test_suppressed_rounded_broken_and_absent_cells_are_told_apart() -> None:
    cells = [
        ReleasedCell(dims={"offence": "a"}, status="Q", low=0, high=9),
        ReleasedCell(dims={"offence": "b"}, status="A", value=15),
        ReleasedCell(dims={"offence": "c"}, status="B", value=20),
        ReleasedCell(dims={"offence": "d"}, status="D", value=25),
        ReleasedCell(dims={"offence": "e"}, status="L"),
    ]
    shown = preview.preview_stored(cells, None)
    assert [cell.leaves for cell in shown] == [
        "suppressed: between 0 and 9",
        "15",
        "20 (a break in the series)",
        "25 (a definition of its own)",
        "not collected",
    ]
    assert [cell.margin for cell in shown][:2] == ["", "the true number is within 2 of this"]


def test_the_margin_in_words_holds_for_the_noise_that_is_drawn() -> None:
    scale = noise.scale_for(500)
    assert preview.margin_in_words(scale) == "the true number is within 6 of this in 95 of 100 cases"
    within = sum(abs(drawn) <= 6 for drawn in noise.draw(scale, 20_000)) / 20_000
    assert within > 0.93  # six standard errors below 0.95 would be 0.941; the exact share is 0.962


@pytest.mark.parametrize(
    ("units", "label", "advice"),
    [
        (5, "2026-01", "year"),
        (30, "2026-01", "quarter"),
        (60, "2026-01", None),
        (30, "2026-Q1", None),
        (5, "2026", None),
    ],
)
def test_a_small_city_is_told_at_which_period_its_figures_tell_more(units: int, label: str, advice: str | None) -> None:
    policy = [
        PeriodAdvice(from_units=0, granularity="year"),
        PeriodAdvice(from_units=20, granularity="quarter"),
        PeriodAdvice(from_units=60, granularity="month"),
    ]
    told = preview.find_advice(units, parse_period(label), ["month", "quarter", "year"], policy)
    assert told is None if advice is None else told is not None and f"small a {advice} tells more" in told


def test_the_advice_follows_from_the_citys_own_records_and_does_not_tell_their_number(
    city: Node, hub: HubSimulator, policy: PolicyBody
) -> None:
    advice = (PeriodAdvice(from_units=0, granularity="quarter"), PeriodAdvice(from_units=5, granularity="month"))
    hub.publish_policy(policy.model_copy(update={"version": 2, "advice": advice}))
    verbs.run(city, "sync", {})
    shown = look(city)  # 3 in the twelve months up to September
    assert shown["advice"] == "with figures this small a quarter tells more than a month; add up what was released"
    assert look(city, period="2026-10")["advice"] is not None  # 4 with October


def test_what_a_release_would_leave_out_is_told_before_it_is_made(city: Node) -> None:
    (told,) = look(city, period="2026-Q3")["left_out"]
    assert told.startswith("youth-office: what was reported for 2026-09 is left out of 2026-Q3, as the rest")
    assert look(city)["left_out"] == ()


# --- corrections ---------------------------------------------------------------------------------------------------


def test_a_correction_of_what_has_not_changed_is_refused(city: Node) -> None:
    release_signed(city, epsilon_milli=400)
    with pytest.raises(VerbError) as caught:
        request(city, correction=True)
    assert (caught.value.code, reasons(look(city, correction=True))) == ("nothing-to-correct", ["nothing-to-correct"])


def test_a_correction_draws_on_the_whole_grid_takes_what_is_left_and_marks_what_it_drew(city: Node) -> None:
    release_signed(city, epsilon_milli=400)
    add_correction(city, assault=-1)
    seen = look(city, correction=True)
    assert (seen["correction"], seen["held_back"]) == (1, ())
    assert [cell["leaves"] for cell in seen["cells"]] == ["a number with noise"] * 2
    body = TrendBody.from_object(request(city, correction=True)["body"])
    assert (body.correction, len(body.cells), entry_hash(body)) == (1, 2, body.ledger.head)
    assert all(cell.value is not None for cell in body.cells)
    assert body.privacy is not None
    assert body.privacy.epsilon_milli == seen["cost"]["epsilon_milli"] == 1000
    with city.database.read() as session:
        assert [row.ledger_seq for row in session.query(CorrectionRecordRow)] == [2]
        assert verify_chain(session) == 2


def test_a_refused_correction_is_replayed_and_a_signed_one_is_followed_by_the_next(city: Node) -> None:
    release_signed(city, epsilon_milli=400)
    add_correction(city, assault=-1)
    first = request(city, correction=True, epsilon_milli=300)
    assert first["subject"] == f"{TABLE}/1/2026-09/c1"
    verbs.run(city, "release.refuse", {"request": first["request"], "by": "ben", "reason": "not yet"})
    add_correction(city, arson=1)  # what came after the draw waits for the next correction
    second = release_signed(city, correction=True)
    assert second["body"] == first["body"]
    third = request(city, correction=True, epsilon_milli=300)
    assert third["subject"] == f"{TABLE}/1/2026-09/c2"
    with city.database.read() as session:
        assert sorted(row.ledger_seq or 0 for row in session.query(CorrectionRecordRow)) == [2, 3]


def test_a_correction_with_nothing_left_is_refused_with_what_to_do(
    city: Node, hub: HubSimulator, policy: PolicyBody
) -> None:
    hub.publish_policy(policy.model_copy(update={"version": 2, "epsilon_milli_per_measure": 1000}))
    verbs.run(city, "sync", {})
    release_signed(city)
    add_correction(city, assault=-1)
    before = state_of(city)
    with pytest.raises(VerbError, match=r"break in the series \(B\)") as caught:
        request(city, correction=True)
    assert (caught.value.code, reasons(look(city, correction=True))) == ("privacy-budget", ["privacy-budget"])
    assert state_of(city) == before
