"""Questions of other cities, answered or open, and what nobody has written about yet."""

from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response

from local_node import questions
from local_node.questions import Missing
from local_node.web.access import Right
from local_node.web.site import Site


def install(site: Site) -> None:
    """Add the pages of this module."""
    pages = QuestionPages(site)
    site.get("/questions", pages.show, Right.READ_INBOX)


class QuestionPages:
    """The handlers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def show(self, request: Request) -> Response:
        """What waits for an answer, what is answered, and what is missing."""
        with self._site.database.read() as session:
            found = questions.list_open(session, self._site.city.name)
            missing = questions.list_missing(session)
        return self._site.page(
            request,
            "inbox_questions.html",
            waiting=[question for question in found if not question.by_us],
            answered=[question for question in found if question.by_us],
            missing=[(each, _address(each)) for each in missing],
        )


def _address(missing: Missing) -> str:
    """The list that is empty, so that somebody can see what is nearest to it."""
    fields = [("phenomenon", missing.phenomenon.value)]
    if missing.setting is not None:
        fields.append(("setting", missing.setting.value))
    return f"/inbox?{urlencode(fields)}"
