"""The analyst's pages and the interface behind them: who may ask, every format, and never a zero for what is hidden."""

import csv
import io
import json
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from fastapi.responses import Response, StreamingResponse

from regional_hub.door import script_tokens
from regional_hub.formats import FORMATS
from regional_hub.web.analyst_api import REQUESTS_A_MINUTE, Pace, file_response
from regional_hub.web.workbench import FILE_NAMES, HINTS
from shared_schema.problem import ProblemCode
from shared_schema.service.database import READERS
from tests.regional_hub.browsing import Browser, give_account
from tests.regional_hub.running import RunningHub, check_problem
from tests.regional_hub.test_figures import NAMES, SEPTEMBER, publisher_of, release
from tests.shared_schema import builders

pytestmark = pytest.mark.sqlite_is_enough


@pytest.fixture
def filled(region: RunningHub) -> RunningHub:
    """Three cities: October is shown, September has two cities and is withheld."""
    cities = [region.enrol(name) for name in NAMES]
    release(region, cities[:2], SEPTEMBER, 50, 70, 90)
    release(region, cities, builders.MONTH, 50, 70, 90)
    return region


def token_of(hub: RunningHub, person: str = "nils", scope: str = "figures:read") -> dict[str, str]:
    give_account(hub, person)
    with hub.hub.database.write() as session:
        token, _ = script_tokens.make_token(session, person, "notebook", [scope], 30, hub.clock())
    return {"Authorization": f"Bearer {token}"}


def ask(hub: RunningHub, address: str = "", headers: dict[str, str] | None = None) -> httpx.Response:
    return hub.client.get(f"/v1/aggregates?{address}", headers=token_of(hub) if headers is None else headers)


# --- who may ask -----------------------------------------------------------------------------------------------------


def test_without_a_token_nobody_gets_a_figure(filled: RunningHub) -> None:
    check_problem(ask(filled, headers={}), ProblemCode.NOT_SIGNED_IN)
    check_problem(ask(filled, headers={"Authorization": "Bearer pxn_" + "a" * 43}), ProblemCode.NOT_SIGNED_IN)


def test_a_token_for_something_else_opens_no_figure(filled: RunningHub) -> None:
    check_problem(ask(filled, headers=token_of(filled, "olga", "console:read")), ProblemCode.NOT_ALLOWED)


def test_a_session_is_no_token(filled: RunningHub) -> None:
    cookies = Browser(filled).sign_in("nils").cookies
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    check_problem(ask(filled, headers={"Cookie": cookie}), ProblemCode.NOT_SIGNED_IN)


def test_a_page_of_figures_is_for_those_who_are_signed_in(filled: RunningHub) -> None:
    for path in ("/figures", "/figures/file?format=csv", "/figures/use"):
        answer = Browser(filled).get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"), path


def test_one_who_asks_without_a_pause_waits_and_others_do_not() -> None:
    now = [1000.0]
    pace = Pace(3, lambda: now[0])
    assert [pace.wait(1) for _ in range(5)] == [0, 0, 0, 61, 61]
    assert pace.wait(2) == 0
    now[0] += 60
    assert pace.wait(1) == 0


def test_too_many_questions_of_a_token_are_told_when_to_come_back(filled: RunningHub) -> None:
    headers = token_of(filled)
    answers = [ask(filled, "cell=verbal", headers) for _ in range(REQUESTS_A_MINUTE + 1)]
    assert {answer.status_code for answer in answers[:-1]} == {200}
    check_problem(answers[-1], ProblemCode.RATE_LIMIT)
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert ask(filled).status_code == 200, "another token"


# --- what is asked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["table=none", "by=day", "as_of=x", "from=2026-99", "colour=red", "format=pdf", "area=XX", "cell=%00"]
)
def test_a_question_that_makes_no_sense_is_a_problem_document(filled: RunningHub, address: str) -> None:
    check_problem(ask(filled, address), ProblemCode.BAD_PARAMETER)


def test_on_a_page_it_says_what_was_expected(filled: RunningHub) -> None:
    answer = Browser(filled).sign_in("nils").get("/figures?by=day")
    assert answer.status_code == 422
    assert "expected by to be month or quarter or year" in answer.text


@pytest.mark.parametrize(
    "wrong", ["by=day", "table=none", "area=XX", "level=city", "cell=none", "to=x", "source=x", "as_of=0"]
)
def test_on_a_page_it_says_so_in_the_readers_language_too(filled: RunningHub, wrong: str) -> None:
    browser = Browser(filled).sign_in("nils")
    name = wrong.partition("=")[0]
    english = browser.get(f"/figures?{wrong}").text
    german = browser.get(f"/figures?{wrong}", headers={"Accept-Language": "de"}).text
    assert HINTS[name] in english
    assert HINTS[name] not in german


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_with_its_type_and_its_permanent_link(filled: RunningHub, name: str) -> None:
    answer = ask(filled, f"format={name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FORMATS[name].media_type
    assert answer.headers["cache-control"] == "no-store"
    parts = urlsplit(answer.headers["content-location"])
    again = ask(filled, parts.query)
    assert again.content == answer.content


def test_a_permanent_link_has_the_same_bytes_after_new_figures_came(filled: RunningHub) -> None:
    links = {name: ask(filled, f"format={name}").headers["content-location"] for name in FORMATS}
    before = {name: ask(filled, urlsplit(link).query).content for name, link in links.items()}
    release(filled, filled.cities[2:], SEPTEMBER, 60, 60, 60)
    assert {name: ask(filled, urlsplit(link).query).content for name, link in links.items()} == before
    assert ask(filled, "format=csv").content != before["csv"]


def test_what_is_withheld_is_empty_and_no_zero(filled: RunningHub) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(filled, "format=csv&from=2026-09&to=2026-09").text)))
    assert rows and {row["status"] for row in rows} == {"Q"}
    assert {row[name] for row in rows for name in ("estimate", "low", "high")} == {""}
    page = Browser(filled).sign_in("nils").get("/figures?from=2026-09&to=2026-09&view=table")
    assert "hidden" in page.text and "from fewer cities than the policy asks for" in page.text
    assert "<td>0</td>" not in page.text


def test_what_can_be_asked_for_is_told(filled: RunningHub) -> None:
    told = filled.client.get("/v1/tables", headers=token_of(filled)).json()
    assert [table["id"] for table in told["tables"]] == [builders.TABLE.id]
    assert told["areas"] == [{"code": "DED", "hub": "sachsen.de", "level": "region", "relation": "own"}]
    assert told["as_of"] == told["newest"] > 0


# --- pages -----------------------------------------------------------------------------------------------------------


def test_a_page_has_charts_and_the_same_figures_as_a_table(filled: RunningHub) -> None:
    browser = Browser(filled).sign_in("nils")
    charts, table = (browser.get(f"/figures?from=2026-09&to=2026-10&view={view}") for view in ("chart", "table"))
    assert charts.text.count("<svg") == len(builders.GRID) + 1
    for text in ("150", "210", "270", "3 of 3"):
        assert text in table.text
    assert "as_of=" in table.text


def test_the_files_of_a_page_are_those_of_the_interface(filled: RunningHub) -> None:
    assert set(FILE_NAMES) == set(FORMATS)
    browser = Browser(filled).sign_in("nils")
    for name in FORMATS:
        answer = browser.get(f"/figures/file?format={name}")
        assert answer.status_code == 200 and answer.headers["content-disposition"].startswith("attachment")
        assert answer.content == ask(filled, f"format={name}").content


def test_json_says_whose_it_is_and_how_to_cite_it(filled: RunningHub) -> None:
    told = json.loads(ask(filled, "cell=verbal&from=2026-10").content)
    assert "sachsen.de (region): Bias incidents by offence" in json.dumps(told)
    assert [each["estimate"] for each in told["figures"]] == [150]


def test_a_reader_that_takes_its_time_keeps_no_connection(filled: RunningHub) -> None:
    site = filled.hub.database
    parameters, publisher = {"table": [builders.TABLE.id]}, publisher_of(filled)
    waiting = [file_response(site, parameters, publisher, FORMATS["csv"]) for _ in range(READERS + 1)]
    assert filled.hub.database.wipe()
    assert len(waiting) > READERS and ask(filled).status_code == 200
    assert {len(read(response)) for response in waiting} == {len(ask(filled, "format=csv").content)}


def read(response: Response) -> bytes:
    async def gather() -> bytes:
        assert isinstance(response, StreamingResponse)
        return b"".join([bytes(piece) async for piece in response.body_iterator])  # type: ignore[arg-type]

    return anyio.run(gather)


@pytest.mark.sqlite_is_enough(False)
@pytest.mark.parametrize("path", ["/members/%00", "/audit?action=%00", "/figures?area=%00", "/accounts/%00"])
def test_a_nul_in_an_address_is_refused_on_both_databases(hub: RunningHub, path: str) -> None:
    browser = Browser(hub).sign_in("olga" if path.startswith(("/members", "/audit")) else "ada")
    assert browser.get(path).status_code in (404, 422)
    assert browser.post("/watch/%00", {"action": "see"}).status_code in (403, 404)
