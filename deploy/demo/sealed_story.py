"""After the two years: three cities and three small towns of one region are added up sealed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from deploy.demo import sealed
from deploy.demo.federation import NATION, SAXONY, City, Federation, together
from deploy.demo.sealed import HubPair, Total
from deploy.demo.secrets_left import Left, look, take_note
from deploy.demo.story import enter_month, read_figures

PAIR = HubPair(leader=SAXONY, helper=NATION)


@dataclass(frozen=True)
class Sealed:
    """What came of it. Totals are what a city reads; `before` and `after` are of the search at each hub."""

    batch: str
    operators: dict[str, str]
    members: int
    counted: int
    """Cities that find themselves in the opened total."""
    shares: list[int]
    """How many shares each member has sent."""
    region: Total | None
    nation: Total | None
    before: list[Left]
    after: list[Left]
    problems: list[str] = field(default_factory=list)

    @property
    def readable(self) -> int:
        """Shares of single cities that one of the hubs still has, or has logged."""
        return sum(left.readable + left.shares_in_files for left in self.after)

    @property
    def keys_left(self) -> int:
        return sum(left.keys_in_files for left in self.after)

    @property
    def cities(self) -> str:
        return f"{self.counted} of {self.members}"


def run_sealed(federation: Federation, tell: Callable[[str], None]) -> Sealed:
    """From the policy to the total that everybody reads."""
    leader = federation.hubs[PAIR.leader]
    tell("a new policy seals one table, and two hubs of two operators agree on a batch")
    sealed.seal_table(leader, PAIR.helper)
    federation.exchange_words()
    batch = sealed.open_batch(leader)
    federation.exchange_words()
    members = [place for place in federation.places if place.hub == PAIR.leader]
    tell(f"six cities hand in {sealed.MONTH}, each in two halves")
    together(lambda place: _take_part(federation, place, batch), members)
    folders = {place.name: federation.nodes[place.name].data for place in members}
    hubs = {name: federation.hubs[name].data for name in (PAIR.leader, PAIR.helper)}
    noted = take_note(folders, hubs, batch)
    before = [look(folder, noted) for folder in hubs.values()]
    tell("both hubs add up, and the total comes back to the cities")
    sealed.add_up(federation.hubs, PAIR)
    federation.exchange()
    together(lambda node: node.ask("sync"), federation.nodes.values())
    reader = federation.nodes[members[-1].name]
    truth = sealed.true_sums([read_figures(place, "by_weekday")[sealed.MONTH] for place in members])
    found = Sealed(
        batch=batch,
        operators=sealed.operators_in(reader, batch),
        members=len(members),
        counted=sealed.count_in({place.name: federation.nodes[place.name] for place in members}, batch),
        shares=[len(shares) for shares in noted.shares.values()],
        region=sealed.read_total(reader, PAIR.leader, truth),
        nation=sealed.read_total(reader, PAIR.helper, truth),
        before=before,
        after=[look(folder, noted) for folder in hubs.values()],
    )
    found.problems.extend(problems_of(found))
    return found


def _take_part(federation: Federation, place: City, batch: str) -> None:
    node = federation.nodes[place.name]
    enter_month(node, sealed.TABLE, sealed.MONTH, read_figures(place, "by_weekday")[sealed.MONTH])
    sealed.send_share(node, batch)
    node.ask("sync")


def problems_of(found: Sealed) -> list[str]:
    """What a sealed total promises and did not keep; empty when all is well."""
    problems = []
    if len(set(found.operators.values())) != len(found.operators) or len(found.operators) != 2:
        problems.append(f"expected a sealed total of two hubs and two operators, got {found.operators}")
    if found.counted != found.members or set(found.shares) != {1}:
        problems.append(f"expected one share of each of {found.members} cities in the total, got {found.cities}")
    if not _is_seen(found.before):
        problems.append("the search for keys and shares does not find them while a batch is open")
    if found.readable:
        problems.append(f"{found.readable} times a share of a single city is left at a hub")
    if found.keys_left:
        problems.append(f"{found.keys_left} keys of the sealed total are left at the hubs")
    return problems + _problems_of_totals(found)


def _is_seen(before: Sequence[Left]) -> bool:
    """The leader has every share and its keys, the second hub its keys: so the search is not blind."""
    return bool(before) and before[0].shares_in_files > 0 and all(left.keys_in_files > 0 for left in before)


def _problems_of_totals(found: Sealed) -> list[str]:
    if found.region is None or found.nation is None:
        return ["the sealed total has not come to the cities, or not in the sum of the nation"]
    problems = []
    if {found.region.mechanism, found.nation.mechanism} != {"two-hub"}:
        problems.append("a sum of sealed totals alone does not say so")
    if found.region.cells != found.nation.cells:
        problems.append("the sum of the nation does not have the sealed total of its one region")
    if found.region.most_off > sealed.MOST_SCALES * sealed.scale(found.region):
        problems.append(f"a sealed total is {found.region.most_off} off: one of the two sums is false")
    return problems
