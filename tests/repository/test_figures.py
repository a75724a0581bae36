"""The one form of every measurement."""

import json
from collections.abc import Iterator

import pytest

from tests.bench import __main__ as command
from tests.bench.figures import Figure, at_least, at_most, measured, within


@pytest.mark.parametrize(
    ("figure", "line"),
    [
        (at_least("share", 0.7, bar=0.65, sample_size=3), "pass\tshare\t0.7\t>= 0.65\t3"),
        (at_least("share", 0.64, bar=0.65, sample_size=3), "miss\tshare\t0.64\t>= 0.65\t3"),
        (at_most("milliseconds", 12.5, bar=10, sample_size=100), "miss\tmilliseconds\t12.5\t<= 10\t100"),
        (within("coverage", 0.95, low=0.92, high=0.98, sample_size=400), "pass\tcoverage\t0.95\t0.92 to 0.98\t400"),
        (measured("bytes", 1234567, sample_size=1), "pass\tbytes\t1234567\t-\t1"),
    ],
)
def test_a_figure_is_one_line_of_five_columns(figure: Figure, line: str) -> None:
    assert figure.as_line() == line


def test_a_figure_that_is_no_number_misses_every_bar() -> None:
    nothing = float("nan")
    assert not at_least("share", nothing, bar=0, sample_size=1).passed
    assert not at_most("share", nothing, bar=0, sample_size=1).passed
    assert not within("share", nothing, low=0, high=1, sample_size=1).passed


@pytest.mark.parametrize(("share", "exit_code"), [(0.7, 0), (0.6, 1)])
def test_one_miss_fails_the_run_and_every_figure_is_still_shown(
    share: float, exit_code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(name: str) -> Iterator[Figure]:
        yield at_least(name, share, bar=0.65, sample_size=2)
        yield measured("after", 1, sample_size=2)

    monkeypatch.setattr(command, "known_names", lambda: ["share"])
    monkeypatch.setattr(command, "measure", figures)
    assert command.main(["share", "--json"]) == exit_code
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [figure["name"] for figure in shown] == ["share", "after"]
    assert shown[0]["passed"] is (exit_code == 0)
