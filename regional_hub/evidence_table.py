"""What is known about what works: practices by outcome, evidence level and phenomenon, and where nothing is known.

Outcome and evidence are two axes, and no outcome weighs more than another: what did harm stands beside what worked. A
practice that worked in one city and did harm in another is in both places. Every city counts once for a practice, with
its newest word (`shared_schema.evidence`); a practice is its newest version.

    table = make_table(practices, reports, Filters(setting=frozenset({Setting.SCHOOL})))
    table.cells[Phenomenon.RWE, Outcome.HARM, EvidenceLevel.LEVEL_2].practices
    table.gaps                                       "nothing on X for schools", with the digests there are
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from shared_schema.evidence import Trial, newest_words
from shared_schema.messages import N_
from shared_schema.versions import Version, family_of
from shared_schema.vocabulary import EvidenceLevel, InterventionType, Outcome, Phenomenon, PreventionLevel, Setting

FAILURES: Final = frozenset({Outcome.NO_EFFECT, Outcome.HARM, Outcome.NOT_DELIVERED, Outcome.STOPPED})
WEAK: Final = frozenset({EvidenceLevel.LEVEL_0, EvidenceLevel.LEVEL_1})

Reason = Literal["nothing", "failures-only", "weak-only"]
REASON_WORDS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        "nothing": N_("Nothing is known yet"),
        "failures-only": N_("Only what did not work is known"),
        "weak-only": N_("Only experience and plausibility, nothing that was measured"),
    }
)
"""For people; to be translated where it is shown."""


@dataclass(frozen=True, slots=True)
class PracticeItem:
    """One version of a practice, without its words. `version.relayed`: its city is not named."""

    version: Version
    phenomenon: tuple[Phenomenon, ...]
    prevention_level: PreventionLevel
    outcome: Outcome
    level: EvidenceLevel
    setting: tuple[Setting, ...] = ()
    intervention: tuple[InterventionType, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportItem:
    """One version of another city's report on a practice."""

    version: Version
    practice: str
    outcome: Outcome
    level: EvidenceLevel


@dataclass(frozen=True, slots=True)
class Filters:
    """What practices are looked at; an empty set leaves nothing out. A phenomenon includes those below it."""

    phenomenon: frozenset[Phenomenon] = frozenset()
    setting: frozenset[Setting] = frozenset()
    prevention_level: frozenset[PreventionLevel] = frozenset()
    intervention: frozenset[InterventionType] = frozenset()

    def takes(self, practice: PracticeItem) -> bool:
        """Whether a practice is among those that are asked for."""
        phenomena = {above for each in practice.phenomenon for above in with_parents(each)}
        pairs: Iterable[tuple[frozenset[object], set[object]]] = (
            (frozenset(self.phenomenon), set(phenomena)),
            (frozenset(self.setting), set(practice.setting)),
            (frozenset(self.prevention_level), {practice.prevention_level}),
            (frozenset(self.intervention), set(practice.intervention)),
        )
        return all(not wanted or wanted & found for wanted, found in pairs)


class Place(NamedTuple):
    """A place in the table."""

    phenomenon: Phenomenon
    outcome: Outcome
    level: EvidenceLevel


@dataclass(frozen=True, slots=True)
class EvidenceCell:
    """The practices in one place by their newest digests, and how many cities say so; `unnamed` are among them."""

    practices: tuple[str, ...]
    cities: int
    unnamed: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What is not known: a phenomenon in a setting, or with a kind of intervention; the practices there are."""

    phenomenon: Phenomenon
    about: Setting | InterventionType
    reason: Reason
    practices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvidenceTable:
    """The places in which there is something, the gaps, and how many practices were looked at."""

    practices: int
    cells: Mapping[Place, EvidenceCell]
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """A practice in its newest version, with the newest word of every city about it."""

    practice: PracticeItem
    words: tuple[Trial, ...]


def make_table(
    practices: Sequence[PracticeItem], reports: Sequence[ReportItem], filters: Filters | None = None
) -> EvidenceTable:
    """The table of everything that the filters take."""
    wanted = filters or Filters()
    known = [each for each in _merge(practices, reports) if wanted.takes(each.practice)]
    return EvidenceTable(len(known), _cells(known), tuple(_gaps(known, wanted)))


def with_parents(phenomenon: Phenomenon) -> tuple[Phenomenon, ...]:
    """A phenomenon and those above it: `REL.ISL` is `REL` as well."""
    parts = phenomenon.value.split(".")
    codes = (".".join(parts[: length + 1]) for length in range(len(parts)))
    return tuple(Phenomenon(code) for code in codes if code in set(Phenomenon))


def _merge(practices: Sequence[PracticeItem], reports: Sequence[ReportItem]) -> Iterator[_Known]:
    by_digest = {practice.version.digest: practice for practice in practices}
    by_practice: defaultdict[str, list[ReportItem]] = defaultdict(list)
    for report in _newest_reports(reports):
        by_practice[report.practice].append(report)
    for family in _families([practice.version for practice in practices]):
        newest = by_digest[family[0].digest]
        told = [report for version in family for report in by_practice[version.digest]]
        trials = [_trial(newest.version, newest.outcome, newest.level)]
        trials += [_trial(report.version, report.outcome, report.level) for report in told]
        yield _Known(newest, newest_words(trials))


def _families(versions: Sequence[Version]) -> Iterator[tuple[Version, ...]]:
    """Each item once, with all its versions, the newest first. Only one city's own can belong together."""
    by_origin: defaultdict[str, list[Version]] = defaultdict(list)
    for version in versions:
        by_origin[version.digest if version.relayed else version.origin].append(version)
    for own in by_origin.values():
        seen: set[str] = set()
        for version in own:
            if version.digest not in seen:
                family = family_of(own, version.digest)
                seen |= {each.digest for each in family}
                yield family


def _newest_reports(reports: Sequence[ReportItem]) -> Iterator[ReportItem]:
    by_digest = {report.version.digest: report for report in reports}
    for family in _families([report.version for report in reports]):
        yield by_digest[family[0].digest]


def _trial(version: Version, outcome: Outcome, level: EvidenceLevel) -> Trial:
    return Trial(None if version.relayed else version.origin, outcome, version.seq, level)


def _cells(known: Sequence[_Known]) -> dict[Place, EvidenceCell]:
    found: defaultdict[Place, list[tuple[str, Trial]]] = defaultdict(list)
    for each in known:
        for phenomenon in dict.fromkeys(each.practice.phenomenon):
            for word in each.words:
                place = Place(phenomenon, word.outcome, word.level)
                found[place].append((each.practice.version.digest, word))
    return {place: _cell(found[place]) for place in _in_order(found)}


def _in_order(places: Iterable[Place]) -> list[Place]:
    order = [code for vocabulary in (Phenomenon, Outcome, EvidenceLevel) for code in vocabulary]
    return sorted(places, key=lambda place: [order.index(code) for code in place])


def _cell(words: Sequence[tuple[str, Trial]]) -> EvidenceCell:
    digests = tuple(sorted({digest for digest, _ in words}))
    return EvidenceCell(digests, len(words), sum(word.city is None for _, word in words))


def _gaps(known: Sequence[_Known], wanted: Filters) -> Iterator[Gap]:
    """Of every phenomenon with every setting and kind of intervention, except those that are not stated."""
    phenomena = [each for each in Phenomenon if each is not Phenomenon.UNKNOWN and _is_asked(each, wanted.phenomenon)]
    settings = [each for each in Setting if each is not Setting.UNKNOWN and _is_in(each, wanted.setting)]
    kinds = [each for each in InterventionType if _is_in(each, wanted.intervention)]
    for phenomenon in phenomena:
        about = [each for each in known if any(phenomenon in with_parents(own) for own in each.practice.phenomenon)]
        for setting in settings:
            yield from _gap(phenomenon, setting, [each for each in about if setting in each.practice.setting])
        for kind in kinds:
            yield from _gap(phenomenon, kind, [each for each in about if kind in each.practice.intervention])


def _is_asked(phenomenon: Phenomenon, wanted: frozenset[Phenomenon]) -> bool:
    return not wanted or bool(wanted & set(with_parents(phenomenon)))


def _is_in(code: Setting | InterventionType, wanted: frozenset[Setting] | frozenset[InterventionType]) -> bool:
    return not wanted or code in wanted


def _gap(phenomenon: Phenomenon, about: Setting | InterventionType, found: Sequence[_Known]) -> Iterator[Gap]:
    words = [word for each in found for word in each.words]
    digests = tuple(sorted(each.practice.version.digest for each in found))
    if not words:
        yield Gap(phenomenon, about, "nothing", ())
    elif all(word.outcome in FAILURES for word in words):
        yield Gap(phenomenon, about, "failures-only", digests)
    elif all(word.level in WEAK for word in words):
        yield Gap(phenomenon, about, "weak-only", digests)
