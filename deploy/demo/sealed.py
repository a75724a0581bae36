"""One table goes sealed: six Saxon cities hand in a month in halves, and only the total is ever read.

What happens here are the verbs of the command lines. The schedule opens the period that ended last, so this older month
is opened by hand, and the hubs go on with it without opening another (`open_nothing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deploy.demo.federation import COORDINATOR, REVIEWER, DemoError
from deploy.demo.recall import Asked

TABLE: Final = "bias_incidents.by_weekday"
MONTH: Final = "2017-01"
"""The first month after the two years of the story."""
SOURCE_KIND: Final = "open_media"
"""Of the chronicle that all figures of the demo come from."""
MAXIMUM: Final = 200
"""The most that a city can hand in for a cell; the largest of these cities had 11 events in its worst month."""
MIN_BATCH: Final = 5
OPEN_DAYS: Final = 14
MOST_SCALES: Final = 40
"""Two draws of noise are further out once in 10^16 times."""
MAX_ROUNDS: Final = 6
"""From the last share to the end at both hubs it takes two; one that waits for the other takes one more."""


@dataclass(frozen=True)
class HubPair:
    """The hub of the cities, and the second one of another operator."""

    leader: str
    helper: str


@dataclass(frozen=True)
class Cell:
    """What is published of a cell beside what the cities had."""

    code: str
    total: int
    true: int

    @property
    def off(self) -> int:
        return abs(self.total - self.true)


@dataclass(frozen=True)
class Total:
    """A published sum of sealed totals, as one city reads it. `deviation` is the standard deviation it states."""

    contributors: int
    mechanism: str | None
    deviation: float
    cells: tuple[Cell, ...]

    @property
    def most_off(self) -> int:
        return max(cell.off for cell in self.cells)

    @property
    def mean_off(self) -> float:
        return sum(cell.off for cell in self.cells) / len(self.cells)


def seal_table(leader: Asked, helper: str) -> None:
    """The leader's operator puts a policy in force in which the table is collected as a sealed total."""
    policy = leader.ask("policy.show")
    (table,) = [each for each in policy["tables"] if each["id"] == TABLE]
    sealed = {
        "table": TABLE, "version": table["version"], "granularity": "month", "helper": helper, "maximum": MAXIMUM,
        "min_batch": MIN_BATCH, "open_days": OPEN_DAYS, "source_kind": SOURCE_KIND,
    }  # fmt: skip
    leader.ask("policy.set", policy=policy | {"version": policy["version"] + 1, "sealed": [sealed]})


def open_batch(leader: Asked, table: str = TABLE, period: str = MONTH) -> str:
    """Open a batch beside the schedule, and return the digest of what both hubs have signed."""
    leader.ask("sealed.open", table=table, period=period)
    lines = leader.ask("sealed.list")["batches"]
    if [line["state"] for line in lines] != ["open"]:
        raise DemoError(f"expected one batch that both hubs have signed; alarms: {leader.ask('status')['alarms']}")
    return str(lines[0]["batch"])


def send_share(node: Asked, batch: str) -> None:
    """A city asks, its second person approves; the next sync signs the share and sends it."""
    asked = node.ask("sealed.request", batch=batch, by=COORDINATOR)
    node.ask("release.approve", request=asked["request"], by=REVIEWER, accept={}, seen=asked["seen"])


def add_up(hubs: Mapping[str, Asked], pair: HubPair) -> None:
    """Both hubs work, and read each other, until both are done. Raises DemoError when they do not come to an end."""
    states: list[str] = []
    for _ in range(MAX_ROUNDS):
        for name in (pair.helper, pair.leader):
            hubs[name].ask("follow")
            hubs[name].ask("sealed.work", open_nothing=True)
        states = [
            str(line["state"])
            for name in (pair.helper, pair.leader)
            for line in hubs[name].ask("sealed.list", all=True)["batches"]
        ]
        if states == ["done", "done"]:
            return
    raise DemoError(f"expected one batch that is done at both hubs within {MAX_ROUNDS} rounds, got {states}")


def operators_in(node: Asked, batch: str) -> dict[str, str]:
    """Who runs both hubs, as a city reads it in what both have signed."""
    terms = node.ask("inbox.show", digest=batch)["body"]["terms"]
    return {terms[role]["name"]: terms[role]["operator"] for role in ("leader", "helper")}


def count_in(nodes: Mapping[str, Asked], batch: str) -> int:
    """How many cities find themselves in the opened total."""
    standings = [
        line["standing"]
        for node in nodes.values()
        for line in node.ask("sealed.list")["collections"]
        if line["batch"] == batch
    ]
    return standings.count("opened")


def read_total(
    node: Asked, origin: str, truth: Mapping[str, int], table: str = TABLE, period: str = MONTH
) -> Total | None:
    """What a city reads of the sum of `origin`, beside the true one; None when it has not come."""
    for item in node.ask("inbox.list", kind="aggregate", state="accepted")["items"]:
        if item["origin"] != origin or not item["subject"].endswith(period):
            continue
        body = node.ask("inbox.show", digest=item["digest"])["body"]
        if body["table"]["id"] == table:
            return _total_of(body, truth)
    return None


def _total_of(body: Mapping[str, Any], truth: Mapping[str, int]) -> Total:
    cells: Sequence[Mapping[str, Any]] = body["cells"]
    made = []
    for cell in cells:
        (code,) = cell["dims"].values()
        if cell.get("estimate") is None:
            raise DemoError(f"expected a figure for {code} in a sealed total, it is not shown")
        made.append(Cell(code, cell["estimate"], truth[code]))
    variances = {cell["variance_milli"] for cell in cells}
    return Total(body["coverage"]["reporting"], body.get("mechanism"), (max(variances) / 1000) ** 0.5, tuple(made))


def scale(total: Total) -> float:
    """The scale of each hub's noise, out of the standard deviation of both: a draw of scale s has a variance of 2 s^2.

    For discrete noise that is a little too small, so a bound in scales is a little too strict.
    """
    return total.deviation / 2


def true_sums(figures: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The sum over cities, by cell: what nobody but the demo can know."""
    return {code: sum(each[code] for each in figures) for code in figures[0]}
