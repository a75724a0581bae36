"""How far away an author is from a reader: of the same home hub, of the same nation, or beyond.

The directory says it. Authority goes outwards from the reader's own hub: upwards to the hub above it (role `parent`),
and from any hub down to its members. The highest level on the way from the author's home hub to the reader's is how far
an item of that author must have travelled to be here.

    distance_of(directory, "leipzig.sn.de", level="region")      Audience.REGION at its home hub and its members
"""

from shared_schema.directory import Directory
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole
from shared_schema.statement import Audience

REACH_OF_LEVEL: dict[Level, int] = {
    "region": Audience.REGION.reach,
    "nation": Audience.NATION.reach,
    "europe": Audience.EUROPE.reach,
}
MAX_STEPS = 16
"""From anybody to anybody in a federation of three levels there are at most five."""


def distance_of(directory: Directory, author: str, *, level: Level) -> Audience:
    """The smallest audience with which an item of `author` comes to the directory's root, a hub of `level`.

    Whoever is not in the directory, or whose way here is not known, is as far away as can be: a reader that does not
    know erases.
    """
    member = directory.find(author)
    home = _home_of(directory, member)
    if home is None:
        return Audience.EUROPE
    if home.name == directory.root:
        return Audience.REGION
    highest = max(REACH_OF_LEVEL[level], Audience.NATION.reach)
    step: Member | None = home
    for _ in range(MAX_STEPS):
        if step is None:
            break
        if step.name == directory.root:
            return Audience.NATION if highest <= Audience.NATION.reach else Audience.EUROPE
        if step.role is MemberRole.PARENT:
            highest = max(highest, REACH_OF_LEVEL.get(step.level or "europe", Audience.EUROPE.reach))  # type: ignore[call-overload]
        step = directory.find(step.vouched_by)
    return Audience.EUROPE


def _home_of(directory: Directory, author: Member | None) -> Member | None:
    """The hub at which an author hands in; a hub is its own."""
    if author is None or author.role is not MemberRole.NODE:
        return author
    return directory.find(author.vouched_by)


def is_within(directory: Directory, author: str, to: str, *, level: Level) -> bool:
    """Whether the directory's root and its members keep what `author` narrows to `to`."""
    return distance_of(directory, author, level=level).reach <= Audience(to).reach
