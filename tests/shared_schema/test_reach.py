"""How far away an author is, read off the directory."""

import pytest

from shared_schema.directory import Directory
from shared_schema.governance import Level
from shared_schema.keys import Member, MemberRole, MemberStatus, SigningKey
from shared_schema.reach import distance_of, is_within
from shared_schema.statement import Audience

NODE, HUB, PARENT = MemberRole.NODE, MemberRole.HUB, MemberRole.PARENT


def key(name: str) -> SigningKey:
    return SigningKey.from_seed(name.encode().ljust(32, b".")[:32])


def directory(root: str, *members: tuple[str, MemberRole, str, str | None]) -> Directory:
    """Members as (name, role, who vouches, level)."""
    made = Directory(root, key(root).public)
    for name, role, voucher, level in members:
        member = Member(name, role, key(name).public, MemberStatus.ACTIVE, voucher, level=level)
        assert made.apply(position=0, signer=voucher, member=member), name
    return made


FROM_A_REGION = directory(
    "r1.de",
    ("city.r1.de", NODE, "r1.de", None),
    ("bund.de", PARENT, "r1.de", "nation"),
    ("r2.de", HUB, "bund.de", "region"),
    ("city.r2.de", NODE, "r2.de", None),
    ("city.bund.de", NODE, "bund.de", None),
    ("eu.eu", PARENT, "bund.de", "europe"),
    ("bund.fr", HUB, "eu.eu", "nation"),
    ("r3.fr", HUB, "bund.fr", "region"),
    ("city.r3.fr", NODE, "r3.fr", None),
)
FROM_THE_NATION = directory(
    "bund.de",
    ("r1.de", HUB, "bund.de", "region"),
    ("city.r1.de", NODE, "r1.de", None),
    ("city.bund.de", NODE, "bund.de", None),
    ("eu.eu", PARENT, "bund.de", "europe"),
    ("bund.fr", HUB, "eu.eu", "nation"),
)
WITHOUT_A_NATION = directory(
    "r1.de",
    ("eu.eu", PARENT, "r1.de", "europe"),
    ("r2.de", HUB, "eu.eu", "region"),
    ("city.r2.de", NODE, "r2.de", None),
)
UNSAID = directory("r1.de", ("up.de", PARENT, "r1.de", None), ("r2.de", HUB, "up.de", "region"))


@pytest.mark.parametrize(
    ("known", "level", "author", "distance"),
    [
        (FROM_A_REGION, "region", "r1.de", Audience.REGION),
        (FROM_A_REGION, "region", "city.r1.de", Audience.REGION),
        (FROM_A_REGION, "region", "bund.de", Audience.NATION),
        (FROM_A_REGION, "region", "city.bund.de", Audience.NATION),
        (FROM_A_REGION, "region", "city.r2.de", Audience.NATION),
        (FROM_A_REGION, "region", "eu.eu", Audience.EUROPE),
        (FROM_A_REGION, "region", "city.r3.fr", Audience.EUROPE),
        (FROM_A_REGION, "region", "nobody.de", Audience.EUROPE),
        (FROM_THE_NATION, "nation", "city.bund.de", Audience.REGION),
        (FROM_THE_NATION, "nation", "r1.de", Audience.NATION),
        (FROM_THE_NATION, "nation", "city.r1.de", Audience.NATION),
        (FROM_THE_NATION, "nation", "bund.fr", Audience.EUROPE),
        (WITHOUT_A_NATION, "region", "city.r2.de", Audience.EUROPE),
        (UNSAID, "region", "r2.de", Audience.EUROPE),
    ],
)
def test_the_highest_hub_on_the_way_says_how_far_away_an_author_is(
    known: Directory, level: Level, author: str, distance: Audience
) -> None:
    assert distance_of(known, author, level=level) is distance
    for to in ("region", "nation"):
        assert is_within(known, author, to, level=level) == (distance.reach <= Audience(to).reach)
