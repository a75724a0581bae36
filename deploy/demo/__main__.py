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

from deploy.demo.check import Findings, check_federation
from deploy.demo.federation import ANALYST, COORDINATOR, OPERATOR, PASSWORD, REVIEWER, DemoError, Federation
from deploy.demo.recall import take_back
from deploy.demo.story import MONTHS, run_story

STEPS = MONTHS + 7
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
        progress.tell("making three hubs and six city nodes")
        federation.prepare()
        progress.tell("starting nine processes")
        federation.start()
        progress.tell("enrolling members, with codes and fingerprints")
        federation.connect()
        run_story(federation, progress.tell)
        progress.tell("one city takes a practice back, until everybody has confirmed it")
        author = federation.cities[0].name
        taken = take_back(federation.nodes, federation.hubs, author, federation.exchange_words)
        progress.tell("checking against the true counts")
        findings = check_federation(federation, taken)
        findings.seconds = round(time.monotonic() - started, 1)
        _print_findings(findings, federation, options)
        if not options.once:
            print("\nThe federation stays up until Ctrl-C, and exchanges on.", file=sys.stderr, flush=True)
            try:
                _exchange_on(federation)
            except KeyboardInterrupt:
                print("\ndemo: stopping", file=sys.stderr)
        return 1 if findings.problems else 0
    finally:
        federation.stop()


def _exchange_on(federation: Federation) -> NoReturn:
    """Let everybody take turns, so that what somebody writes on the pages arrives elsewhere while they watch."""
    while True:
        time.sleep(EXCHANGE_SECONDS)
        try:
            federation.exchange_words()
        except DemoError as error:  # somebody plays with a program: the others go on
            print(f"demo: {error}", file=sys.stderr, flush=True)


class _Progress:
    """A line per step, on standard error."""

    def __init__(self) -> None:
        self._step = 0
        self._started = time.monotonic()

    def tell(self, what: str) -> None:
        self._step += 1
        seconds = time.monotonic() - self._started
        print(f"[{self._step:2d}/{STEPS}] {seconds:5.1f} s  {what}", file=sys.stderr, flush=True)


def _print_findings(findings: Findings, federation: Federation, options: argparse.Namespace) -> None:
    out = sys.stderr if options.json else sys.stdout
    low = f"{findings.coverage_95:.1%} of {findings.aggregate_cells} added-up cells hold the true count"
    lines = [
        "",
        "What was found",
        f"  statements from cities        {findings.statements}",
        f"  logs                          {findings.log_sizes}, verified: {findings.logs_verified}",
        f"  practices read in every city  {findings.practices_read_in_every_city}",
        f"  practice taken back           by {findings.withdrawn_by}; {findings.recall} hubs and cities confirmed it, "
        + ("and nobody shows it any more" if findings.withdrawn_everywhere else "and SOMEBODY STILL HAS IT"),
        f"  origin signatures verified    {findings.origin_signatures_verified}, by the cities themselves",
        f"  95 % intervals                {low}",
        f"  sums back in every city       {findings.aggregates_in_every_city}",
        f"  seconds                       {findings.seconds}",
        *(f"  PROBLEM: {problem}" for problem in findings.problems),
        "",
        f"Where to look (password: {PASSWORD})",
        f"  cities: sign in as {COORDINATOR}, coordinator, or {REVIEWER}, reviewer",
        f"  hubs: sign in as {ANALYST}, analyst, or {OPERATOR}, operator (with a second factor)",
        *(f"  {program.name:16} {program.url}  {program.data}" for program in federation.programs),
    ]
    print("\n".join(lines), file=out, flush=True)
    if options.json:
        print(json.dumps(findings.to_object()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
