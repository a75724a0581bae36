"""The entry point of both command lines: whatever is wrong is one line on standard error and exit code 2.

That holds for a wrong option as for a wrong record. A trace never shows: it could hold what a record holds.
"""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from typer.exceptions import TyperException

from shared_schema.service.control import VerbError

WRONG = 2
INTERRUPTED = 130
"""What a shell reports after Ctrl-C."""


def run_command_line(cli: typer.Typer, program: str) -> NoReturn:
    """Run the command that was typed, and end the process with its exit code."""
    try:
        _check_arguments(sys.argv)
        code = cli(standalone_mode=False)
    except VerbError as error:
        _complain(program, error.message)
        raise SystemExit(WRONG) from None
    except TyperException as error:
        describe = getattr(error, "format_message", error.__str__)
        if message := describe().rstrip("."):  # without one, the help has been printed already
            _complain(program, f"{message}; --help says how")
        raise SystemExit(WRONG) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except OSError as error:
        place, why = error.filename or "the data directory", error.strerror or "cannot"
        _complain(program, f"expected to read and write {place}: {why}")
        raise SystemExit(WRONG) from None
    except Exception as error:  # where it happened is enough to report it
        name, place = type(error).__name__, _place_of(error)
        _complain(program, f"expected no {name} {place}; this is a mistake in the program, report it")
        raise SystemExit(WRONG) from None
    raise SystemExit(code if isinstance(code, int) else 0)


def _check_arguments(arguments: Sequence[str]) -> None:
    """Raise VerbError for bytes that are no text: they cannot be stored, shown or signed."""
    try:
        "".join(arguments).encode()
    except UnicodeEncodeError:
        raise VerbError("bad-parameter", "expected arguments in UTF-8") from None


def _place_of(error: Exception) -> str:
    """Where in the program it happened, as file and line."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"in {Path(last.filename).name} line {last.lineno}"


def _complain(program: str, message: str) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    console.print(f"{program}: {' '.join(message.split())}")
