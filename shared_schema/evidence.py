"""What all cities that tried a practice say together, in one line: "tried in 7 cities: 4 worked, 2 mixed, 1 harm".

Every city counts once, with its newest word, however often it reports. Cities that are not named cannot be told apart
from each other, nor from those that are: each of their reports counts as one city, and the line says how many are not
named.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from shared_schema.vocabulary import EvidenceLevel, Outcome

OUTCOME_WORDS = {
    Outcome.WORKED: "worked",
    Outcome.MIXED: "mixed",
    Outcome.NO_EFFECT: "no effect",
    Outcome.HARM: "harm",
    Outcome.NOT_DELIVERED: "not delivered",
    Outcome.STOPPED: "stopped",
    Outcome.TOO_EARLY: "too early to say",
}
"""In the order of the line."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One report. `city` is None where the author is not named; A city's `seq` rises with everything it signs.

    `level` is how well the report itself is founded, whatever its outcome.
    """

    city: str | None
    outcome: Outcome
    seq: int
    level: EvidenceLevel = EvidenceLevel.LEVEL_0


@dataclass(frozen=True, slots=True)
class Evidence:
    """`cities` counts all, `unnamed` those of them that are not named."""

    cities: int
    unnamed: int
    outcomes: tuple[tuple[Outcome, int], ...]

    @property
    def line(self) -> str:
        where = "1 city" if self.cities == 1 else f"{self.cities} cities"
        hidden = f" ({self.unnamed} not named)" if self.unnamed else ""
        found = ", ".join(f"{count} {OUTCOME_WORDS[outcome]}" for outcome, count in self.outcomes)
        return f"tried in {where}{hidden}: {found}"


def merge(trials: Iterable[Trial]) -> Evidence:
    """The newest word of every city, counted by outcome."""
    words = newest_words(trials)
    counts = Counter(trial.outcome for trial in words)
    outcomes = tuple((outcome, counts[outcome]) for outcome in OUTCOME_WORDS if counts[outcome])
    return Evidence(len(words), sum(trial.city is None for trial in words), outcomes)


def newest_words(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """One report of every city, its newest; and every one whose author is not named."""
    newest: dict[str, Trial] = {}
    unnamed: list[Trial] = []
    for trial in trials:
        if trial.city is None:
            unnamed.append(trial)
        elif trial.city not in newest or newest[trial.city].seq < trial.seq:
            newest[trial.city] = trial
    return (*newest.values(), *unnamed)
