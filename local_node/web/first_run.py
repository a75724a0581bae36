"""The pages before there is a node: behind a one-time code from the console, one small form for every answer.

Nothing here knows a database. Answers are kept in a file (`first_run`), so that they outlive a restart; `found` makes
the node of them. When that is done, the program shows the node's own pages under the same address.
"""

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from local_node import places
from local_node.first_run import (
    MAX_PEOPLE,
    Answers,
    City,
    CityKind,
    Manner,
    Someone,
    Step,
    Team,
    You,
    load_answers,
    save_answers,
)
from local_node.people import check_id
from local_node.setup_code import MAX_TYPED, CodeError, SetupDoor
from local_node.web.access import Right
from local_node.web.failures import status_of
from local_node.web.site import PROGRAM, Site
from local_node.web.site import City as CityOfSite
from shared_schema.content import CitySize, Urbanisation
from shared_schema.errors import ContractError, ProgramError
from shared_schema.service.accounts.account import check_name
from shared_schema.service.control import VerbError
from shared_schema.service.database import Database
from shared_schema.service.pages import failures
from shared_schema.service.pages.forms import Form, FormError, choice_of, number_of, text_of
from shared_schema.service.pages.sign_in import SignIn
from shared_schema.service.pages.site import NotAllowedError, NotSignedInError, static_files
from shared_schema.service.pages.statuses import code_of, describe
from shared_schema.service.passwords import MAX_CHARACTERS, check_password, hash_password
from shared_schema.service.problems import install_problem_handlers
from shared_schema.service.translations import N_, OWN_NAMES

COOKIE: Final = "__Host-set-up"
STEP_NAMES: Final = {
    Step.YOU: N_("You"),
    Step.TEAM: N_("Who works with the node"),
    Step.CITY: N_("Your city"),
    Step.REGION: N_("Your region"),
    Step.NAME: N_("The node's name"),
    Step.KIND: N_("What your city is like"),
    Step.LANGUAGE: N_("Language and time"),
}
ROLE_NAMES: Final = {
    "coordinator": N_("Coordinates: collects figures, writes lessons, asks for releases"),
    "reviewer": N_("Reviews: reads everything before it leaves, for example the data protection officer"),
    "reader": N_("Reads only"),
    "administrator": N_("Looks after the program only"),
}
SHORT_ROLES: Final = {
    "coordinator": N_("Coordinates"),
    "reviewer": N_("Reviews"),
    "reader": N_("Reads only"),
    "administrator": N_("Looks after the program"),
}
SIZES: Final = {
    "XS": N_("fewer than 50,000 inhabitants"),
    "S": N_("50,000 to 100,000"),
    "M": N_("100,000 to 250,000"),
    "L": N_("250,000 to 500,000"),
    "XL": N_("500,000 to a million"),
    "XXL": N_("more than a million"),
}
URBANISATION: Final = {"1": N_("a city"), "2": N_("a town or a suburb"), "3": N_("a rural area")}
EDITIONS: Final = (2010, 2100)
Problem = ProgramError | VerbError | ContractError


class FirstRunSite(Site):
    """As `Site`, in front of a node that is not there yet: one browser gets in, and nobody is signed in."""

    def __init__(self, door: SetupDoor, clock: Callable[[], datetime]) -> None:
        nobody = CityOfSite("", N_("A new node"), lambda: "", UTC)
        super().__init__(Database(f"sqlite:///{os.devnull}"), nobody, clock, _no_verbs)
        self._door = door

    def gate(self, request: Request) -> None:
        """Let in whoever typed the code, and everybody to the form that asks for it. Raises NotSignedInError."""
        request.state.visitor = None
        request.state.words = self._words_for(request, None)
        route = request.scope.get("route")
        right = self.rights.get((request.method, getattr(route, "path", "")))
        if right is Right.OUTSIDE:
            return
        if not self._door.lets_in(request.cookies.get(COOKIE, ""), self.clock()):
            raise NotSignedInError
        if right is None:
            raise NotAllowedError

    def missing(self, request: Request) -> Response:
        """Every other address leads to the list."""
        return RedirectResponse("/set-up", status_code=303)

    def message(self, request: Request, status: int, title: str, text: str, **values: Any) -> Response:
        """As for a node, with the way back to the list."""
        return self.page(request, "first_run_message.html", status=status, title=title, text=text, **values)


def _no_verbs(verb: str, _params: dict[str, Any]) -> dict[str, Any]:
    raise VerbError("no-settings", f"expected a node for {verb}")


def make_first_run(
    data_dir: Path, door: SetupDoor, clock: Callable[[], datetime], found: Callable[[Answers], None]
) -> FastAPI:
    """The web application before there is a node. `found` makes it; what it raises is shown."""
    from fastapi import Depends

    site = FirstRunSite(door, clock)
    app = FastAPI(
        title="Prevention Exchange",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(site.gate)],
    )
    install_problem_handlers(app)
    site.app = app
    app.state.asked_for = {"region"}  # before there is a node it is a question
    failures.install(app, site)

    async def ask_for_code(_request: Request, _error: Exception) -> Response:
        return RedirectResponse("/set-up/code", status_code=303)

    app.add_exception_handler(NotSignedInError, ask_for_code)
    app.mount("/static", static_files(PROGRAM), name="static")
    pages = FirstRunPages(site, door, data_dir, found)
    site.get("/health", lambda: JSONResponse({"status": "set-up"}), Right.OUTSIDE)
    site.post("/language", SignIn(site).choose_language, Right.OUTSIDE)
    site.get("/set-up/code", pages.ask_code, Right.OUTSIDE)
    site.post("/set-up/code", pages.check_code, Right.OUTSIDE)
    site.get("/", pages.go_to_list, Right.MANAGE_SETTINGS)
    site.get("/set-up", pages.show_list, Right.MANAGE_SETTINGS)
    site.post("/set-up/make", pages.make, Right.MANAGE_SETTINGS)
    site.get("/set-up/{step}", pages.show_step, Right.MANAGE_SETTINGS)
    site.post("/set-up/{step}", pages.save_step, Right.MANAGE_SETTINGS)
    return app


class FirstRunPages:
    """The handlers."""

    def __init__(self, site: FirstRunSite, door: SetupDoor, data_dir: Path, found: Callable[[Answers], None]) -> None:
        self._site = site
        self._door = door
        self._data_dir = data_dir
        self._found = found
        self._lock = threading.Lock()

    # --- the code --------------------------------------------------------------------------------------------------

    def ask_code(self, request: Request) -> Response:
        """The form for the code; whoever is in already goes on."""
        if self._door.lets_in(request.cookies.get(COOKIE, ""), self._site.clock()):
            return self._site.go("/set-up")
        return self._site.page(request, "first_run_code.html", error=None)

    def check_code(self, request: Request, form: Form) -> Response:
        """Let this browser in, once."""
        try:
            token = self._door.open(text_of(form, "code", most=MAX_TYPED), self._site.clock())
        except (CodeError, FormError) as error:
            status = 403 if error.code == "setup-code" else status_of(error)
            shown = describe(error) | {"field": "code"}
            return self._site.page(request, "first_run_code.html", status=status, error=shown)
        answer = self._site.go("/set-up")
        answer.set_cookie(COOKIE, token, path="/", secure=True, httponly=True, samesite="strict")
        return answer

    # --- the list --------------------------------------------------------------------------------------------------

    def go_to_list(self) -> Response:
        """The first address that anybody opens."""
        return self._site.go("/set-up")

    def show_list(self, request: Request) -> Response:
        """Every step with how far it is, and what comes next."""
        return self._list(request, load_answers(self._data_dir))

    def _list(self, request: Request, answers: Answers, *, error: Problem | None = None) -> Response:
        return self._site.page(
            request,
            "first_run.html",
            status=200 if error is None else status_of(error),
            answers=answers,
            steps=STEP_NAMES,
            next_step=answers.next_step,
            optional=(Step.KIND,),
            summary=self._summary(answers) if answers.next_step is None else None,
            error=None if error is None else describe(error),
        )

    def _summary(self, answers: Answers) -> dict[str, Any]:
        assert answers.you and answers.city and answers.region  # noqa: S101 - no step is left
        region = places.find_region(answers.city.country, answers.region)
        return {"region": region.name, "size": SIZES.get(answers.kind.size, "") if answers.kind else ""}

    def make(self, request: Request, form: Form) -> Response:
        """Make the node. From then on the program shows its own pages, where the list goes on."""
        with self._lock:
            answers = load_answers(self._data_dir)
            try:
                if str(answers.revision) != form.get("revision"):
                    raise FormError("expected the list as it is now; look at it again", "", code="changed")
                if answers.next_step is not None:
                    raise FormError("expected an answer to every step that needs one", "", code="setup")
                self._found(answers)
            except (ProgramError, VerbError, ContractError) as error:
                return self._list(request, answers, error=error)
        return self._site.go("/sign-in", next="/set-up")

    # --- the steps -------------------------------------------------------------------------------------------------

    def show_step(self, request: Request, step: str) -> Response:
        """The form of one step, with what was answered before."""
        if step not in list(Step):
            return self._site.missing(request)
        answers = load_answers(self._data_dir)
        if (missing := _needed_before(Step(step), answers)) is not None:
            return self._site.go(f"/set-up/{missing.value}")
        return self._form(request, Step(step), answers, _typed_before(Step(step), answers))

    def save_step(self, request: Request, step: str, form: Form) -> Response:
        """Keep one answer and go on to the next step; the form again, as it was typed, when it cannot be kept."""
        if step not in list(Step):
            return self._site.missing(request)
        with self._lock:
            answers = load_answers(self._data_dir)
            if (missing := _needed_before(Step(step), answers)) is not None:
                return self._site.go(f"/set-up/{missing.value}")
            try:
                changed = answers.model_copy(update=_read(Step(step), form, answers))
                kept = save_answers(self._data_dir, changed, seen=number_of(form, "revision", least=0, most=10**9))
            except (ProgramError, ContractError) as error:
                typed = {name: str(value) for name, value in form.items() if not name.startswith("password")}
                return self._form(request, Step(step), answers, typed, error=error)
        following = kept.next_step
        return self._site.go(f"/set-up/{following.value}" if following else "/set-up")

    def _form(
        self, request: Request, step: Step, answers: Answers, typed: dict[str, str], *, error: Problem | None = None
    ) -> Response:
        words = request.state.words
        shown = None if error is None else describe(error)
        if shown is not None and error is not None and code_of(error) in FIELD_OF_CODE:
            shown["field"] = shown["field"] or FIELD_OF_CODE[code_of(error)].get(step)
        country = answers.city.country if answers.city else ""
        return self._site.page(
            request,
            "first_run_step.html",
            status=200 if error is None else status_of(error),
            step=step.value,
            title=STEP_NAMES[step],
            answers=answers,
            typed=typed,
            error=shown,
            roles={code: words.gettext(name) for code, name in ROLE_NAMES.items()},
            short_roles={code: words.gettext(name) for code, name in SHORT_ROLES.items()},
            rows=range(1, MAX_PEOPLE + 1),
            countries=places.country_names(words.code) if step is Step.CITY else {},
            regions=places.regions_of(country) if step is Step.REGION else (),
            sizes={code: words.gettext(name) for code, name in SIZES.items()},
            urbanisation={code: words.gettext(name) for code, name in URBANISATION.items()},
            zones=_zones(country) if step is Step.LANGUAGE else {},
            names_of_languages=OWN_NAMES,
            most_characters=MAX_CHARACTERS,
        )


FIELD_OF_CODE: Final[dict[str, dict[Step, str]]] = {
    "person": {Step.YOU: "id"},
    "name": {Step.YOU: "name"},
    "schema": {Step.YOU: "password"},
    "municipality": {Step.CITY: "municipality"},
    "place": {Step.CITY: "country", Step.REGION: "region"},
    "node-name": {Step.NAME: "name"},
}
"""The field that an error of a rule below belongs to."""


# --- from a form to an answer, and back ------------------------------------------------------------------------------


def _needed_before(step: Step, answers: Answers) -> Step | None:
    """The step whose answer this one builds on and does not have."""
    needs = {
        Step.TEAM: (Step.YOU,),
        Step.REGION: (Step.CITY,),
        Step.NAME: (Step.CITY, Step.REGION),
        Step.LANGUAGE: (Step.CITY,),
    }
    return next((each for each in needs.get(step, ()) if not answers.is_done(each)), None)


def _read(step: Step, form: Form, answers: Answers) -> dict[str, Any]:
    """What a form says, as changes of the answers. Raises ProgramError, PasswordError."""
    return {step.value: _READERS[step](form, answers)} | (
        {"region": None, "name": None} if step is Step.CITY and _has_moved(form, answers) else {}
    )


def _has_moved(form: Form, answers: Answers) -> bool:
    return answers.city is not None and answers.city.country != form.get("country")


def _read_you(form: Form, answers: Answers) -> You:
    person_id, name = text_of(form, "id", most=40).lower(), check_name(text_of(form, "name", most=80))
    check_id(person_id)
    role = choice_of(form, "role", ("coordinator", "reviewer", "administrator"))
    password = str(form.get("password", ""))
    if not password and answers.you is not None:
        hashed = answers.you.password_hash
    else:
        if password != form.get("password-again"):
            raise FormError("expected the same password twice", "password-again", code="password-twice")
        check_password(password, words=(person_id, name, *name.split()))
        hashed = hash_password(password)
    return You(id=person_id, name=name, role=role, password_hash=hashed)  # type: ignore[arg-type]


def _read_team(form: Form, answers: Answers) -> Team:
    alone = choice_of(form, "alone", ("one", "several")) == "one"
    people = tuple(person for row in range(1, MAX_PEOPLE + 1) if (person := _read_person(form, row)) is not None)
    assert answers.you is not None  # noqa: S101 - the step before
    ids = [answers.you.id, *(person.id for person in people)]
    if len(set(ids)) != len(ids):
        raise FormError("expected another id for everybody", "id-1", code="same-id")
    if alone and (len(people) > 1 or any(person.role != "reviewer" for person in people)):
        raise FormError("expected nobody else, or one reviewer", "role-1", code="alone")
    if not alone and not people:
        raise FormError("expected at least one other person", "name-1", code="several")
    if "coordinator" not in {answers.you.role, *(person.role for person in people)}:
        raise FormError("expected somebody who coordinates", "role-1", code="no-coordinator")
    return Team(alone=alone, people=people)


def _read_person(form: Form, row: int) -> Someone | None:
    name, person_id = text_of(form, f"name-{row}", most=80), text_of(form, f"id-{row}", most=40).lower()
    if not name and not person_id:
        return None
    try:
        check_id(person_id)
        role = choice_of(form, f"role-{row}", ROLE_NAMES)
        return Someone(id=person_id, name=check_name(name), role=role)  # type: ignore[arg-type]
    except FormError:
        raise
    except ProgramError as error:
        field = "name" if error.code == "name" else "id"
        raise FormError(error.message, f"{field}-{row}", code=error.code) from None


def _read_city(form: Form, _answers: Answers) -> City:
    country = choice_of(form, "country", places.country_names("en"))
    return City(
        name=text_of(form, "name", least=1, most=80),
        country=country,
        municipality=places.check_municipality(country, text_of(form, "municipality", most=40)),
        version=str(number_of(form, "version", least=EDITIONS[0], most=EDITIONS[1])),
    )


def _read_region(form: Form, answers: Answers) -> str:
    assert answers.city is not None  # noqa: S101 - the step before
    return places.find_region(answers.city.country, text_of(form, "region", most=10)).code


def _read_name(form: Form, _answers: Answers) -> str:
    return places.check_name(text_of(form, "name", most=200))


def _read_kind(form: Form, _answers: Answers) -> CityKind:
    return CityKind(
        size=choice_of(form, "size", ("", *get_args(CitySize))),
        urbanisation=choice_of(form, "urbanisation", ("", *get_args(Urbanisation))),
    )


def _read_language(form: Form, answers: Answers) -> Manner:
    country = answers.city.country if answers.city else ""
    return Manner(language=choice_of(form, "pages", OWN_NAMES), time_zone=choice_of(form, "time_zone", _zones(country)))


_READERS: Final[dict[Step, Callable[[Form, Answers], Any]]] = {
    Step.YOU: _read_you,
    Step.TEAM: _read_team,
    Step.CITY: _read_city,
    Step.REGION: _read_region,
    Step.NAME: _read_name,
    Step.KIND: _read_kind,
    Step.LANGUAGE: _read_language,
}


def _typed_before(step: Step, answers: Answers) -> dict[str, str]:
    """The fields of a form as they were answered, or a proposal where there is one."""
    value = getattr(answers, step.value)
    if isinstance(value, Team):
        rows = {
            f"{field}-{row}": getattr(person, field)
            for row, person in enumerate(value.people, start=1)
            for field in ("id", "name", "role")
        }
        return {"alone": "one" if value.alone else "several"} | rows
    if isinstance(value, Manner):
        return {"pages": value.language, "time_zone": value.time_zone}
    if isinstance(value, str):
        return {step.value: value}
    if value is not None:
        return {name: text for name, text in value.model_dump().items() if name != "password_hash"}
    if step is Step.NAME and answers.city is not None and answers.region is not None:
        region = places.find_region(answers.city.country, answers.region)
        return {"name": places.propose_name(answers.city.name, region.name, answers.city.country)}
    return {}


def _zones(country: str) -> dict[str, str]:
    """The time zones of the country, and UTC."""
    return {zone: zone.replace("_", " ") for zone in (*places.zones_of(country), "UTC")} if country else {"UTC": "UTC"}
