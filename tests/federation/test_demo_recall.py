"""What the demo says of taking back is what happened, also when somebody is missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.demo.recall import Asked, TakenBack, take_back
from tests.federation.topology import FederatedCity, Federation, Shape
from tests.regional_hub.running import EventLoop, RunningHub

AUTHOR, FAR = "c001.test.eu", "c002.test.eu"


@dataclass
class Asking:
    """A program of this process, asked as the demo asks its own."""

    program: FederatedCity | RunningHub

    def ask(self, verb: str, **params: Any) -> dict[str, Any]:
        return self.program.verb(verb, **params)


def asking(programs: Mapping[str, FederatedCity] | Mapping[str, RunningHub]) -> dict[str, Asked]:
    return {name: Asking(program) for name, program in programs.items()}


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory, loop: EventLoop) -> Iterator[Federation]:
    """As in the demo: a nation over two regions, a city in each."""
    with Federation.start(Shape.tree(hubs=(1, 2), cities=2), tmp_path_factory.mktemp("all"), loop) as started:
        yield started


def publish_and_take_back(federation: Federation, title: str, *, cut: bool = False) -> TakenBack:
    federation.city(AUTHOR).publish(title)
    federation.settle()
    if cut:
        federation.cut(FAR, federation.city(FAR).hub)

    def exchange() -> None:
        if not cut:
            federation.round()
            return
        federation.city(AUTHOR).sync()
        for hub in federation.hubs.values():
            hub.verb("follow")

    return take_back(asking(federation.cities), asking(federation.hubs), AUTHOR, exchange)


def test_everybody_confirms_and_nobody_shows_it(federation: Federation) -> None:
    taken = publish_and_take_back(federation, "A reading circle")
    others = len(federation.cities) + len(federation.hubs) - 2  # all but the author and its home hub
    assert (taken.recall, taken.withdrawn_everywhere) == (f"{others} of {others}", True)
    assert (taken.author, taken.title) == (AUTHOR, "A reading circle")


@pytest.mark.long
def test_it_is_not_called_withdrawn_everywhere_while_a_city_shows_it(federation: Federation) -> None:
    taken = publish_and_take_back(federation, "An evening walk", cut=True)
    assert (taken.recall, taken.is_gone, taken.withdrawn_everywhere) == ("2 of 3", False, False)
    federation.mend()
    federation.settle()
