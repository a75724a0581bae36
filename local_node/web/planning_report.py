"""What the calendar tells in the report of a quarter: how many activities there were, by kind. No title, no place."""

from collections import Counter

from sqlalchemy.orm import Session

from local_node.activity_store import Filter, list_activities
from local_node.clashes import ActivityState
from local_node.web.calendar import names_for
from local_node.web.report_sections import Section
from local_node.web.words import Words
from shared_schema.period import Period


def activities_of(session: Session, quarter: Period, words: Words) -> Section | None:
    """Activities that were confirmed or done; quiet windows are not counted, for a number of them would tell."""
    which = Filter(quarter.first_day, quarter.last_day, states=(ActivityState.CONFIRMED, ActivityState.DONE))
    found = [each for each in list_activities(session, which) if not each.draft.quiet]
    if not found:
        return None
    sentence = words.ngettext(
        "1 activity of our partners, confirmed or done:",
        "%(num)s activities of our partners, confirmed or done:",
        len(found),
    )
    kinds = names_for(session, words).kinds
    counts = Counter(kinds[each.draft.kind] for each in found)
    lines = tuple(f"{kind}: {words.number(count)}" for kind, count in counts.most_common())
    return Section(sentence % {"num": len(found)}, lines)
