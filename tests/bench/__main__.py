"""`./run bench NAME... [--only PART] [--json]`: a line per figure.

The exit code is 1 when one misses its bar, 2 for an unknown name or part.
A measurement of several parts has them in `PARTS` and takes one of them as `measure(part)`.
"""

import argparse
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType

import tests.bench
from tests.bench.figures import Figure

MODULE_PREFIX = "bench_"


def known_names() -> list[str]:
    """The measurements there are: the modules of this package that are named for one."""
    modules = (module.name for module in pkgutil.iter_modules(tests.bench.__path__))
    return sorted(name.removeprefix(MODULE_PREFIX) for name in modules if name.startswith(MODULE_PREFIX))


def measure(name: str) -> Iterator[Figure]:
    """Yield the figures of one measurement as they are found."""
    yield from _module(name).measure()


def measure_part(name: str, part: str) -> Iterator[Figure]:
    """Yield the figures of one part of a measurement."""
    yield from _module(name).measure(part)


def parts_of(name: str) -> tuple[str, ...]:
    """The parts that a measurement can be asked for one by one; none for most."""
    return tuple(getattr(_module(name), "PARTS", ()))


def _module(name: str) -> ModuleType:
    return import_module(f"{tests.bench.__name__}.{MODULE_PREFIX}{name}")


def main(arguments: Sequence[str]) -> int:
    """Run the measurements that are named and print their figures."""
    parser = argparse.ArgumentParser(prog="./run bench", description="Measure, and hold each figure to its bar.")
    parser.add_argument("names", nargs="+", metavar="NAME", help="what to measure")
    parser.add_argument("--only", metavar="PART", help="one part of a measurement that has several")
    parser.add_argument("--json", action="store_true", help="one JSON object per figure and line")
    chosen = parser.parse_args(arguments)
    known = known_names()
    if unknown := [name for name in chosen.names if name not in known]:
        print(f"expected one of {', '.join(known) or '(none yet)'}; got {', '.join(unknown)}", file=sys.stderr)
        return 2
    parts = {part for name in chosen.names for part in parts_of(name)} if chosen.only else set()
    if chosen.only and chosen.only not in parts:
        print(f"expected one of {', '.join(sorted(parts)) or '(no parts)'}; got {chosen.only}", file=sys.stderr)
        return 2
    missed = False
    for name in chosen.names:
        for figure in measure_part(name, chosen.only) if chosen.only else measure(name):
            print(figure.as_json() if chosen.json else figure.as_line(), flush=True)
            missed = missed or not figure.passed
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
