"""`./run demo`: start the federation, run two years through it, check it, say where to look, stay up until Ctrl-C."""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from deploy.demo import one_operator
from deploy.demo.check import Findings, check_federation
from deploy.demo.federation import DemoError, Federation
from deploy.demo.recall import take_back
from deploy.demo.sealed_story import PAIR, run_sealed
from deploy.demo.story import MONTHS, run_story
from deploy.demo.telling import findings_in_lines

STEPS = MONTHS + 11
EXCHANGE_SECONDS = 10


def main() -> int:
    """Return 0 when every check holds, 1 when one does not, 2 when the demo could not run."""
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the check")
    parser.add_argument("--json", action="store_true", help="print one JSON line at the end")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep all state in DIR")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    try:
        with _directory(options.keep) as directory:
            return _run(directory, options, started)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: stopped", file=sys.stderr)
        return 130


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="pe-demo-") as name:
            yield Path(name)
        return
    if keep.exists() and any(keep.iterdir()):
        raise DemoError(f"expected an empty or new directory, got {keep}")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


def _run(directory: Path, options: argparse.Namespace, started: float) -> int:
    federation = Federation(directory)
    progress = _Progress()
    try:
        progress.tell("making three hubs and nine city nodes")
        federation.prepare()
        progress.tell("starting twelve processes")
        federation.start()
        progress.tell("enrolling members, with codes and fingerprints")
        federation.connect()
        run_story(federation, progress.tell)
        sealed_total = run_sealed(federation, progress.tell)
        progress.tell("one city takes a practice back, until everybody has confirmed it")
        author = federation.cities[0].name
        taken = take_back(federation.nodes, federation.hubs, author, federation.exchange_words)
        progress.tell("checking against the true counts")
        findings = check_federation(federation, taken, sealed_total)
        progress.tell("two hubs of one operator ask for a sealed total")
        _play_one_operator(federation, findings)
        findings.seconds = round(time.monotonic() - started, 1)
        _print_findings(findings, federation, as_json=options.json)
        if not options.once:
            print("\nThe federation stays up until Ctrl-C, and exchanges on.", file=sys.stderr, flush=True)
            try:
                _exchange_on(federation)
            except KeyboardInterrupt:
                print("\ndemo: stopping", file=sys.stderr)
        return 1 if findings.problems else 0
    finally:
        federation.stop()


def _play_one_operator(federation: Federation, findings: Findings) -> None:
    """After everything was checked: what stands in the log from now on is the demo's doing."""
    node = federation.nodes[federation.cities[0].name]
    leader, helper = federation.hubs[PAIR.leader], federation.hubs[PAIR.helper]
    digest = one_operator.announce(leader.data, helper.data, findings.sealed.batch)
    federation.exchange_words()
    findings.same_operator_refused = one_operator.is_refused(node, digest)
    if not findings.same_operator_refused:
        findings.problems.append(f"{node.name} does not refuse a sealed total of two hubs of one operator")
    alarms = [hub.name for hub in federation.hubs.values() if hub.ask("status")["alarms"]]
    findings.problems += [f"{name}: alarm after two hubs of one operator were played" for name in alarms]


def _exchange_on(federation: Federation) -> NoReturn:
    """Let everybody take turns, so that what somebody writes on the pages arrives elsewhere while they watch."""
    while True:
        time.sleep(EXCHANGE_SECONDS)
        try:
            federation.exchange_words()
        except DemoError as error:  # somebody plays with a program: the others go on
            print(f"demo: {error}", file=sys.stderr, flush=True)


def _print_findings(findings: Findings, federation: Federation, *, as_json: bool) -> None:
    print("\n".join(findings_in_lines(findings, federation)), file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(json.dumps(findings.to_object()), flush=True)


class _Progress:
    """A line per step, on standard error."""

    def __init__(self) -> None:
        self._step = 0
        self._started = time.monotonic()

    def tell(self, what: str) -> None:
        self._step += 1
        seconds = time.monotonic() - self._started
        print(f"[{self._step:2d}/{STEPS}] {seconds:5.1f} s  {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
