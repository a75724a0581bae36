"""kill -9 of a node in the middle of drawing noise: what was drawn is replayed, nothing is drawn a second time."""

import secrets
import threading
from pathlib import Path

import pytest

from deploy.demo.federation import DemoError, Program
from tests.federation.conftest import Processes

TABLE = "bias_incidents.by_offence"
CELLS = ("assault", "arson", "demonstration", "attack", "unconfirmed", "other")
MONTHS = [f"{year}-{month:02d}" for year in (2020, 2021, 2022, 2023) for month in range(1, 13)]
MAPPING = (
    'kind = "returns"\nmeasure = "bias_incidents"\ntable = "bias_incidents.by_offence"\n'
    "columns = { " + ", ".join(f'{cell} = "{cell}"' for cell in CELLS) + " }\n"
)


def cells_of(shown: dict[str, object]) -> str:
    return str(shown["body"]["cells"])  # type: ignore[index]


def drawn_cells(node: Program) -> dict[str, str]:
    """period → cells, of every request that the node knows."""
    requests = node.ask("release.list")["requests"]
    shown = [node.ask("release.show", request=item["request"]) for item in requests if item["kind"] == "trend"]
    return {item["body"]["period"]["start"][:7]: cells_of(item) for item in shown}


@pytest.fixture
def node(processes: Processes, tmp_path: Path) -> Program:
    hub, node = processes.make_all(
        lambda made: made.make_hub("sachsen.de"), lambda made: made.make_node("leipzig.sn.de")
    )
    code = hub.ask("enrol.code", name=node.name)["code"]
    node.ask("hub.add", url=hub.url, fingerprint=hub.ask("status")["fingerprint"])
    node.ask("hub.enrol", hub=hub.name, code=code)
    hub.ask("enrol.approve", name=node.name, fingerprint=node.ask("status")["fingerprint"])
    node.ask("sync")
    (tmp_path / "mapping.toml").write_text(MAPPING)
    rows = [f"{month},{','.join(['5'] * len(CELLS))}" for month in MONTHS]
    (tmp_path / "returns.csv").write_text("\n".join([f"month,{','.join(CELLS)}", *rows]) + "\n")
    node.ask(
        "import", file=str(tmp_path / "returns.csv"), mapping=str(tmp_path / "mapping.toml"), agency="a", by="anna"
    )
    return node


def draw_until_killed(node: Program, months: list[str], kill_after: int) -> dict[str, str]:
    """Ask for one month after the other from four threads; kill after some answers. Returns what was answered."""
    answered: dict[str, str] = {}
    waiting, lock, enough = list(months), threading.Lock(), threading.Event()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                month = waiting.pop(0)
            try:
                shown = node.ask("release.numbers", table=TABLE, period=month, by="anna")
            except (DemoError, OSError, ValueError):
                return
            with lock:
                answered[month] = cells_of(shown)
                if len(answered) >= kill_after:
                    enough.set()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    enough.wait(60)
    assert node.process is not None
    node.process.kill()
    node.process.wait()
    for thread in threads:
        thread.join()
    return answered


@pytest.mark.long
def test_a_killed_node_draws_nothing_twice(node: Program) -> None:
    seen: dict[str, str] = {}
    for attempt in range(4):
        rest = [month for month in MONTHS if month not in seen]
        answered = draw_until_killed(node, rest, kill_after=1 + secrets.randbelow(8))
        seen |= answered
        node.start()
        node.wait_until_ready()
        known = drawn_cells(node)
        assert {month: known.get(month) for month in seen} == seen, f"round {attempt}: an answered draw was lost"
        seen |= known
        assert node.ask("ledger.verify")["entries"] == len(known), "every draw has one charge and every charge a draw"
        assert node.ask("audit.verify")["ok"]


@pytest.mark.long
def test_a_refused_release_keeps_its_draw_for_whoever_asks_again(node: Program) -> None:
    first = node.ask("release.numbers", table=TABLE, period="2020-01", by="anna")
    node.ask("release.refuse", request=first["request"], by="ben", reason="not now")
    for _ in range(5):
        again = node.ask("release.numbers", table=TABLE, period="2020-01", by="anna")
        assert cells_of(again) == cells_of(first)
        node.ask("release.refuse", request=again["request"], by="ben", reason="not now")
    assert node.ask("ledger.verify")["entries"] == 1
