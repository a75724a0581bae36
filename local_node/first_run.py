"""What somebody answers before there is a node: the steps, which are done, and a file that survives a restart.

The answers lie in `setup.json` in the data directory, readable by its owner alone, until the node is made. The password
is in it as a hash only. Every saving raises `revision`; a form that was opened before somebody else saved is refused.

    answers = load_answers(data_dir)
    save_answers(data_dir, answers.model_copy(update={"city": City(...)}), seen=answers.revision)
"""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local_node.errors import NodeError

FILE_NAME: Final = "setup.json"
MAX_FILE_BYTES: Final = 64 * 1024
MAX_PEOPLE: Final = 5


class SetupError(NodeError):
    """An answer cannot be kept."""

    code = "setup"


class Step(StrEnum):
    """One small form, in the order of the list."""

    YOU = "you"
    TEAM = "team"
    CITY = "city"
    REGION = "region"
    NAME = "name"
    KIND = "kind"
    LANGUAGE = "language"


OPTIONAL: Final = frozenset({Step.KIND})


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Someone(_Answer):
    """A person who will work with the node."""

    id: str
    name: str
    role: Literal["coordinator", "reviewer", "reader", "administrator"]


class You(Someone):
    """Whoever sets the node up; administrates in any case."""

    password_hash: str


class Team(_Answer):
    """Whether one person does it all; `people` are the others, in a one-person city a reviewer outside at most."""

    alone: bool
    people: Annotated[tuple[Someone, ...], Field(max_length=MAX_PEOPLE, strict=False)] = ()


class City(_Answer):
    """Where the node stands."""

    name: str
    country: str
    municipality: str
    version: str


class CityKind(_Answer):
    """What the city is like, so that similar cities find each other; empty texts where nobody said."""

    size: str
    urbanisation: str


class Manner(_Answer):
    """In which language and time people read the pages."""

    language: str
    time_zone: str


class Answers(_Answer):
    """All answers so far."""

    revision: int = 0
    you: You | None = None
    team: Team | None = None
    city: City | None = None
    region: str | None = None
    name: str | None = None
    kind: CityKind | None = None
    language: Manner | None = None

    def is_done(self, step: Step) -> bool:
        """Whether a step has its answer."""
        return getattr(self, step.value) is not None

    @property
    def next_step(self) -> Step | None:
        """The first step without an answer that needs one; None when the node can be made."""
        return next((step for step in Step if step not in OPTIONAL and not self.is_done(step)), None)


def load_answers(data_dir: Path) -> Answers:
    """What was answered so far. Raises SetupError when the file is no such file."""
    path = data_dir / FILE_NAME
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        return Answers.model_validate_json(data)
    except FileNotFoundError:
        return Answers()
    except (ValidationError, ValueError, OSError):
        raise SetupError(f"expected the answers of an earlier start in {path}; remove the file to begin anew") from None


def save_answers(data_dir: Path, answers: Answers, *, seen: int) -> Answers:
    """Keep answers, whole or not at all, for their owner alone; `seen` is the revision that the form showed.

    Raises SetupError (`changed`) when somebody has saved since. The caller lets nobody else save meanwhile.
    """
    if load_answers(data_dir).revision != seen:
        raise SetupError("expected the newest answers: another window has saved in the meantime", code="changed")
    kept = answers.model_copy(update={"revision": seen + 1})
    draft = data_dir / f"{FILE_NAME}.new"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(kept.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(data_dir / FILE_NAME)
    return kept


def has_answers(data_dir: Path) -> bool:
    """Whether a set-up was begun here."""
    return (data_dir / FILE_NAME).exists()


def drop_answers(data_dir: Path) -> None:
    """Remove the answers, when the node is made."""
    for name in (FILE_NAME, f"{FILE_NAME}.new"):
        (data_dir / name).unlink(missing_ok=True)
