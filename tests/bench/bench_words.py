"""Words on their way out: what was planted in texts and is seen outside, and how long a person's way is.

Both run through real processes over HTTP: a node, a hub, and a proxy between them that writes down every byte.
"""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from deploy.demo.federation import ROOT
from tests.bench.figures import Figure, at_least, at_most, exactly, measured
from tests.federation.conftest import Processes
from tests.federation.planted import plant, play

TEXTS = 200
PARTS = ("planted", "way")
MINUTES = 10
FILLED_IN = {
    'phenomenon = [""]': 'phenomenon = ["RWE"]',
    'prevention_level = ""': 'prevention_level = "primary"',
    'agencies = [""]': 'agencies = ["edu_sec:deliver"]',
    'outcome = ""': 'outcome = "not_delivered"',
    "# \n": "# Rehearsing hard conversations\n",
    "## Summary\n": "## Summary\nSchools rehearse short scenes with trained actors before they need them.\n",
    "differently\n": "differently\nBegin with scenes that teachers bring themselves.\n",
}
"""The seven fields of a practice, as an editor changes the blank form."""


def measure(part: str | None = None) -> Iterator[Figure]:
    """Planted identifiers, and the way from a blank form to the hub."""
    for name, run in (("planted", measure_planted), ("way", measure_way)):
        if part in (None, name):
            yield from run()


def measure_planted() -> Iterator[Figure]:
    """1,000 identifiers in 200 texts of five languages: none may be in traffic, hub, logs or backups."""
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        outcome = play(Processes(directory, stack), directory, plant(TEXTS, random.SystemRandom()))
    yield at_least("words_planted_identifiers", outcome.planted, bar=1000, sample_size=TEXTS)
    yield measured("words_findings_in_them", outcome.findings, sample_size=TEXTS)
    yield exactly("words_planted_identifiers_seen_outside", len(outcome.seen), bar=0, sample_size=outcome.planted)


def measure_way() -> Iterator[Figure]:
    """Commands and minutes that a scripted user needs from a blank form to a practice in the hub's log."""
    with tempfile.TemporaryDirectory(prefix="pe-bench-") as name, ExitStack() as stack:
        directory = Path(name)
        processes = Processes(directory, stack)
        hub, node = processes.make_hub("sachsen.de"), processes.make_node("leipzig.sn.de")
        code = hub.ask("enrol.code", name=node.name)["code"]
        node.ask("hub.add", url=hub.url, fingerprint=hub.ask("status")["fingerprint"])
        node.ask("hub.enrol", hub=hub.name, code=code)
        hub.ask("enrol.approve", name=node.name, fingerprint=node.ask("status")["fingerprint"])
        node.ask("sync")
        form = directory / "idea.md"
        commands = (
            ("draft", "new", "practice", "--file", str(form)),
            ("draft", "check", "practice", str(form)),
            ("release", "words", "practice", str(form), "--by", "anna"),
            ("release", "approve", "r1", "--by", "ben"),
            ("sync",),
        )
        began = time.monotonic()
        for place, command in enumerate(commands):
            line = [sys.executable, "-m", "local_node", *command]
            if command[1:2] != ("new",):
                line += ["--data", str(node.data)]
            subprocess.run(line, cwd=ROOT, check=True, capture_output=True)
            if place == 0:
                _fill_in(form)
        minutes = (time.monotonic() - began) / 60
        node.ask("sync")
        kinds = [item["kind"] for item in node.ask("inbox.list", kind="practice")["items"]]
        yield exactly("words_practices_in_the_hub_at_the_end", len(kinds), bar=1, sample_size=1)
    yield measured("words_commands_from_a_blank_form_to_the_hub", len(commands), sample_size=1)
    yield exactly("words_commands_used_twice", len(commands) - len(set(commands)), bar=0, sample_size=1)
    yield measured("words_fields_filled_in", len(FILLED_IN), sample_size=1)
    yield at_most("words_minutes_of_a_scripted_user", minutes, bar=MINUTES, sample_size=1)


def _fill_in(form: Path) -> None:
    text = form.read_text(encoding="utf-8")
    for blank, filled in FILLED_IN.items():
        text = text.replace(blank, filled, 1)
    form.write_text(text, encoding="utf-8")
