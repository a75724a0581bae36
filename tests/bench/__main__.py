"""`./run bench NAME... [--json]`: a line per figure; exit code 1 when one misses its bar, 2 for an unknown name."""

import argparse
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module

import tests.bench
from tests.bench.figures import Figure

MODULE_PREFIX = "bench_"


def known_names() -> list[str]:
    """The measurements there are: the modules of this package that are named for one."""
    modules = (module.name for module in pkgutil.iter_modules(tests.bench.__path__))
    return sorted(name.removeprefix(MODULE_PREFIX) for name in modules if name.startswith(MODULE_PREFIX))


def measure(name: str) -> Iterator[Figure]:
    """Yield the figures of one measurement as they are found."""
    yield from import_module(f"{tests.bench.__name__}.{MODULE_PREFIX}{name}").measure()


def main(arguments: Sequence[str]) -> int:
    """Run the measurements that are named and print their figures."""
    parser = argparse.ArgumentParser(prog="./run bench", description="Measure, and hold each figure to its bar.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="what to measure")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure and line")
    chosen = parser.parse_args(arguments)
    known = known_names()
    if unknown := [name for name in chosen.names if name not in known]:
        print(f"expected one of {', '.join(known) or '(none yet)'}; got {', '.join(unknown)}", file=sys.stderr)
        return 2
    missed = False
    for name in chosen.names:
        for figure in measure(name):
            print(figure.as_json() if chosen.json else figure.as_line(), flush=True)
            missed = missed or not figure.passed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
