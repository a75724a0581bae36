"""The picture in words: names of its sources, figures with their intervals, notes, and the line to cite it by.

Everything that a chart only shows stands here as a sentence, in the reader's language, for the page and for the files.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from local_node.web import presentation
from local_node.web.picture_query import EVERY, Query
from local_node.web.picture_view import ALL, Picture, Shown, Source
from local_node.web.words import Words
from shared_schema.period import parse_period
from shared_schema.service.charts import Mark
from shared_schema.service.pages import terms
from shared_schema.service.pages.figure_words import FEW, HIDDEN, MARKS, NOT_COLLECTED
from shared_schema.service.translations import N_
from shared_schema.trend import Coverage, TableDefinition

ERASED: Final = N_("erased, as the retention rules say")
NOTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "partial": N_("without agencies that reported a part of it only"),
        "late": N_("with figures that came after the release"),
    }
)
CHANGES: Final[Mapping[tuple[str | None, bool], str]] = MappingProxyType(
    {
        ("up", False): N_("%(source)s, %(cell)s: more in %(period)s than in the period before."),
        ("down", False): N_("%(source)s, %(cell)s: fewer in %(period)s than in the period before."),
        (None, True): N_("%(source)s, %(cell)s: %(period)s stands out against the twelve before."),
        ("up", True): N_(
            "%(source)s, %(cell)s: more in %(period)s than in the period before, and than in the twelve before."
        ),
        ("down", True): N_(
            "%(source)s, %(cell)s: fewer in %(period)s than in the period before, but more than in the twelve before."
        ),
    }
)
"""(direction, whether it stands out) → the alert."""
NO_FIGURE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "few": FEW,
        "hidden": HIDDEN,
        "missing": NOT_COLLECTED,
        "absent": N_("nothing was shared"),
        "erased": ERASED,
    }
)


class PictureWords:
    """One picture in one language."""

    def __init__(self, words: Words, city: str) -> None:
        self.words = words
        self.city = city
        self._periods: dict[str, str] = {}

    def say(self, text: str, **values: object) -> str:
        """A translated sentence with its values in place."""
        return self.words.gettext(text) % values

    # --- names -------------------------------------------------------------------------------------------------

    def table(self, table: TableDefinition) -> str:
        return self.words.gettext(table.title)

    def cell(self, table: TableDefinition, code: str) -> str:
        """The label of a cell, or of all of them together."""
        if code == ALL:
            return self.words.gettext(N_("All together"))
        return self.words.gettext(terms.cell_label(table.dimension, code))

    def chosen(self, query: Query) -> str:
        if query.cell == EVERY:
            return self.words.gettext(N_("Every one, side by side"))
        return self.cell(query.table, query.cell)

    def source(self, source: Source) -> str:
        """Who says it."""
        if source.kind == "own":
            return self.say(N_("%(city)s, our own exact figures"), city=self.city)
        if source.kind == "released":
            return self.say(N_("%(city)s, as we shared it"), city=self.city)
        if source.level == "region":
            return self.say(N_("Our region: %(name)s"), name=source.name)
        if source.level == "nation":
            return self.say(N_("The country: %(name)s"), name=source.name)
        if source.level == "europe":
            return self.say(N_("Europe: %(name)s"), name=source.name)
        return source.name

    def explanation(self, source: Source) -> str:
        """What kind of figures these are, in a sentence or two."""
        if source.kind == "own":
            return self.words.gettext(
                N_("What our agencies reported, without any noise. These figures stay in this node.")
            )
        if source.kind == "released":
            return self.words.gettext(
                N_("What a second person approved. A little chance was added, so that nobody can be found in it.")
            )
        return self.words.gettext(
            N_("The sum over the cities that took part. Every city has added a little chance to its figures.")
        )

    def period(self, label: str) -> str:
        """`Oct 2026`, `Q4 2026`, `2026`, as the language writes it."""
        if label not in self._periods:
            self._periods[label] = self.words.language.period(parse_period(label))
        return self._periods[label]

    # --- figures -----------------------------------------------------------------------------------------------

    def marks(self, source: Source) -> dict[Mark, str]:
        """What each mark of a source's chart means."""
        said = {mark: self.words.gettext(text) for mark, text in MARKS.items()}
        return said | {Mark.ABSENT: self.words.gettext(ERASED)} if source.kind == "own" else said

    def figure(self, shown: Shown) -> str:
        """`27 (24 to 30)`, `0`, or why there is no figure."""
        if shown.kind == "few" and shown.low is not None and shown.high is not None:
            return self.say(N_("too few to tell (%(low)s to %(high)s)"), **self._ends(shown))
        if shown.value is None:
            return self.words.gettext(NO_FIGURE.get(shown.kind, NO_FIGURE["missing"]))
        if shown.low is None or shown.high is None:
            return self.words.number(shown.value)
        return self.say(N_("%(value)s (%(low)s to %(high)s)"), **self._ends(shown))

    def _ends(self, shown: Shown) -> dict[str, str]:
        numbers = {"value": shown.value, "low": shown.low, "high": shown.high}
        return {name: self.words.number(number or 0) for name, number in numbers.items()}

    def notes(self, shown: Shown) -> Iterator[str]:
        """What else a reader must know beside a figure."""
        for code in shown.notes:
            yield self.words.gettext(NOTES.get(code) or presentation.figure_note(code))
        if shown.left_out:
            yield self.words.ngettext(
                "without 1 group that nobody counted", "without %(num)s groups that nobody counted", shown.left_out
            ) % {"num": shown.left_out}
        if shown.kept:
            cities, most = shown.kept
            yield self.words.ngettext(
                "1 city keeps its figure to itself, at most %(most)s",
                "%(num)s cities keep theirs to themselves, together at most %(most)s",
                cities,
            ) % {"num": cities, "most": self.words.number(most)}
        if shown.obstacle is not None and shown.obstacle in presentation.OBSTACLES:
            yield self.say(N_("no arrow: %(why)s"), why=self.words.gettext(presentation.OBSTACLES[shown.obstacle]))

    def change(self, shown: Shown) -> str:
        """The arrow in words; empty where there is none."""
        return self.words.gettext({"up": N_("up"), "down": N_("down")}.get(shown.direction or "", ""))

    def coverage(self, source: Source, period: str) -> str:
        """`7 of 12 cities, 31 of 40 agencies`."""
        coverage = source.coverage.get(period)
        if coverage is None:
            return ""
        numbers = self._of(coverage)
        if source.kind != "sum":
            return self.say(N_("%(reporting)s of %(expected)s agencies"), **numbers)
        agencies = source.agencies.get(period)
        if agencies is None:
            return self.say(N_("%(reporting)s of %(expected)s cities"), **numbers)
        both = numbers | {f"agencies_{name}": number for name, number in self._of(agencies).items()}
        return self.say(
            N_(
                "%(reporting)s of %(expected)s cities, %(agencies_reporting)s of %(agencies_expected)s agencies"
            ),
            **both,
        )  # fmt: skip

    def _of(self, coverage: Coverage) -> dict[str, str]:
        return {
            "reporting": self.words.number(coverage.reporting),
            "expected": self.words.number(coverage.expected),
        }

    def periods(self, query: Query) -> str:
        first, last = self.period(query.labels[0]), self.period(query.labels[-1])
        return first if first == last else self.say(N_("%(first)s to %(last)s"), first=first, last=last)

    # --- sentences ---------------------------------------------------------------------------------------------

    def noise(self, picture: Picture) -> str:
        """What the noise means, with the newest figure that was shared as its example; empty where there is none."""
        for source in picture.sources:
            if source.kind != "released":
                continue
            for period in reversed(picture.query.labels):
                shown = source.at(period, picture.columns[-1])
                if shown.value is not None:
                    return self.say(
                        N_(
                            "For %(period)s we shared the figure %(value)s. "
                            "The true number is very probably between %(low)s and %(high)s."
                        ),
                        period=self.period(period),
                        **self._ends(shown),
                    )
        return ""

    def changes(self, picture: Picture) -> Iterator[str]:
        """Alerts: what has changed in the newest figures of the sums, by more than chance."""
        for source, period, code, shown in picture.changes:
            values = {
                "source": self.source(source),
                "cell": self.cell(picture.query.table, code),
                "period": self.period(period),
            }
            yield self.say(CHANGES[shown.direction, shown.peak], **values)

    def chart_sentence(self, picture: Picture, source: Source, code: str) -> str:
        """What a chart shows, for somebody who does not see it."""
        known = [
            (label, shown) for label in picture.query.labels if (shown := source.at(label, code)).value is not None
        ]
        periods = self.periods(picture.query)
        if not known:
            return self.say(N_("%(periods)s: no figures."), periods=periods)
        least = min(known, key=lambda each: each[1].value or 0)
        most = max(known, key=lambda each: each[1].value or 0)
        return self.say(
            N_(
                "%(periods)s, %(known)s of %(all)s periods with a figure. Lowest: %(least)s in %(least_at)s. "
                "Highest: %(most)s in %(most_at)s. Last: %(last)s in %(last_at)s."
            ),
            periods=periods,
            known=len(known),
            all=len(picture.query.labels),
            least=self.figure(least[1]),
            least_at=self.period(least[0]),
            most=self.figure(most[1]),
            most_at=self.period(most[0]),
            last=self.figure(known[-1][1]),
            last_at=self.period(known[-1][0]),
        )

    def citation(self, query: Query, now: datetime) -> str:
        """The line under which somebody else can find these very figures again."""
        return self.say(
            N_("%(city)s, Prevention Exchange: %(table)s, version %(version)s, %(periods)s. As of %(day)s."),
            city=self.city,
            table=self.table(query.table),
            version=query.table.version,
            periods=self.periods(query),
            day=self.words.date(now),
        )

    def reading(self, picture: Picture) -> Iterator[tuple[str, str]]:
        """How to read the figures: only what is on this page."""
        said = self.words.gettext
        yield said(N_("27 (24 to 30)")), said(N_("The true number lies between 24 and 30 in about 95 of 100 cases."))
        yield (
            said(N_("too few to tell")),
            said(N_("The chance in the figure is about as large as the figure itself. It may be zero.")),
        )
        yield said(N_("not collected")), said(N_("Nobody counted it. This is not a zero."))
        if any(source.kind == "sum" for source in picture.sources):
            yield (
                said(N_("hidden")),
                said(N_("There is a figure that is not shown: from few cities, or one could be worked out from it.")),
            )
            yield (
                said(N_("▲ up, ▼ down")),
                said(N_("More or less than in the period before, by more than chance and the usual ups and downs.")),
            )
            yield (
                said(N_("Coverage")),
                said(N_("How many of the cities, and of their agencies, are in the figure at least.")),
            )
        if any(source.kind == "own" for source in picture.sources):
            yield (
                said(N_("came after the release")),
                said(N_("Our own figures stand in the month they are about. In what we shared they count later.")),
            )
