"""How long a newcomer needs on the demo's programs, from signing in to "confirmed": steps, clicks, fields, seconds.

A real federation of two regions under a nation and two cities, each program in a process of its own, as `./run demo`
starts them. Seconds are those of a script that knows where everything is; clicks and fields are a person's.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from deploy.demo.federation import PASSWORD, Federation, load_cities, small_towns
from tests.bench.figures import Figure, at_most, measured
from tests.browser.chromium import running_chromium
from tests.browser.newcomer import play

MOST_FIELDS_OF_A_LESSON: Final = 12
"""Sharing a lesson takes a person under ten minutes: seven things to say, and who may read it."""


def measure() -> Iterator[Figure]:
    """Clicks, fields and seconds of every step, and their sums."""
    places = load_cities()
    by_hub = {city.hub: city for city in places if city not in small_towns(places)}
    with tempfile.TemporaryDirectory(prefix="pe-newcomer-") as name, running_chromium() as browser:
        federation = Federation(Path(name), places=list(by_hub.values()))
        try:
            federation.prepare()
            federation.start()
            federation.connect()
            federation.exchange_words()
            own, other = (federation.nodes[city.name].url for city in federation.cities)
            story = play(browser, own, other, PASSWORD, federation.exchange_words)
        finally:
            federation.stop()
    for step in story.steps:
        what = step.what.replace(" ", "_")
        yield measured(f"{what}_clicks", step.clicks, sample_size=1)
        yield measured(f"{what}_fields", step.fields, sample_size=1)
        yield measured(f"{what}_seconds", step.seconds, sample_size=1)
        if step.what.startswith("write"):
            yield at_most(f"{what}_entries", step.clicks + step.fields, bar=MOST_FIELDS_OF_A_LESSON, sample_size=1)
    yield measured("steps", len(story.steps), sample_size=1)
    yield measured("clicks", story.clicks, sample_size=1)
    yield measured("fields", story.fields, sample_size=1)
    yield measured("seconds", story.seconds, sample_size=1)
    yield at_most("console_complaints", len(story.complaints), bar=0, sample_size=1)
