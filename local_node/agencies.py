"""Partner agencies and whom to call there: added, changed, ended, never erased.

An agency keeps its id for ever, because its records carry it. Whoever changes one has seen it first: the digest of
what was shown comes back with the form, and a form about an older state changes nothing.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from local_node import audit
from local_node.errors import NodeError
from local_node.orm import AgencyContactRow, AgencyRow, ImportBatchRow
from shared_schema import canonical
from shared_schema.errors import ContractError
from shared_schema.vocabulary import AgencyRole, AgencyType

MAX_NAME_CHARACTERS: Final = 120
MAX_FIELD_CHARACTERS: Final = 120
MAX_CONTACTS: Final = 10
MAX_ID_CHARACTERS: Final = 60
_SPELLED: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "æ": "ae", "å": "aa", "ł": "l"}
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}", re.ASCII)
_NOT_AN_ID: Final = frozenset({"new", "sheets"})
"""Where an id would stand in an address, the form for a new agency is, or a table that waits to be looked at."""
_EMAIL: Final = re.compile(r"[^\s@<>\"',;:\\()\[\]]{1,64}@[^\s@<>\"',;:\\()\[\]]+\.[^\s@<>\"',;:\\()\[\]]+")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.-]{2,38}", re.ASCII)
Code = TypeVar("Code", AgencyType, AgencyRole)


class AgencyError(NodeError):
    """An agency cannot be like this, or was changed meanwhile."""

    code = "agency"


@dataclass(frozen=True, slots=True)
class Contact:
    """Somebody of an agency whom one can call about work."""

    name: str
    email: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class Agency:
    """A partner agency with its contacts."""

    id: str
    name: str
    kinds: tuple[AgencyType, ...]
    roles: tuple[AgencyRole, ...]
    contacts: tuple[Contact, ...]
    ended_at: datetime | None = None

    @property
    def seen(self) -> str:
        """The digest of what a page shows; a form carries it back."""
        shown = {
            "name": self.name,
            "kinds": list(self.kinds),
            "roles": list(self.roles),
            "contacts": [[contact.name, contact.email, contact.phone] for contact in self.contacts],
            "ended": self.ended_at is not None,
        }
        return hashlib.sha256(canonical.encode(shown)).hexdigest()


@dataclass(frozen=True, slots=True)
class AgencyForm:
    """What somebody typed about an agency."""

    name: str
    kinds: Sequence[str]
    roles: Sequence[str]
    contacts: Sequence[Contact] = ()


def check_form(form: AgencyForm) -> AgencyForm:
    """The form with space around its texts cut off and empty contacts left out.

    Raises AgencyError that says which field is wrong: `agency-name`, `agency-kinds`, `agency-roles`, `agency-contact`.
    """
    name = _text(form.name, MAX_NAME_CHARACTERS, "agency-name", "a name")
    kinds = _codes(AgencyType, form.kinds, "agency-kinds", "kind")
    roles = _codes(AgencyRole, form.roles, "agency-roles", "role")
    filled = [contact for contact in form.contacts if any((contact.name, contact.email, contact.phone))]
    if len(filled) > MAX_CONTACTS:
        raise AgencyError(f"expected at most {MAX_CONTACTS} contacts", code="agency-contact")
    return AgencyForm(name, kinds, roles, tuple(_contact(contact) for contact in filled))


def propose_id(name: str) -> str:
    """An id that people recognise: `Jugendamt Süd` → `jugendamt-sued`. Empty when the name has no usable letter."""
    spelled = "".join(_SPELLED.get(letter, letter) for letter in unicodedata.normalize("NFC", name.lower()))
    plain = unicodedata.normalize("NFD", spelled).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_ID_CHARACTERS].rstrip("-")


def add_agency(session: Session, agency_id: str, form: AgencyForm, *, by: str, now: datetime) -> Agency:
    """Add a partner. Raises AgencyError: as `check_form` does, a malformed id, an id that is taken."""
    checked = check_form(form)
    if not _ID.fullmatch(agency_id) or agency_id in _NOT_AN_ID:
        raise AgencyError(
            "expected an id of small letters, digits, dot, dash or underscore, 60 at most", code="agency-id"
        )
    if session.get(AgencyRow, agency_id) is not None:
        raise AgencyError("expected an id that no agency has or had", code="agency-known")
    row = AgencyRow(id=agency_id, name=checked.name, kinds="", roles="", added_at=now, ended_at=None)
    _fill(row, checked)
    session.add(row)
    session.flush()
    _put_contacts(session, agency_id, checked.contacts)
    audit.append(session, by, "agency.added", agency_id, now)
    return get_agency(session, agency_id)


def change_agency(session: Session, agency_id: str, form: AgencyForm, seen: str, *, by: str, now: datetime) -> Agency:
    """Change an agency that is as the person saw it. Raises AgencyError: `agency-changed`, or as `check_form` does."""
    checked = check_form(form)
    row = _as_seen(session, agency_id, seen)
    if row.ended_at is not None:
        raise AgencyError("expected an agency that takes part; take it back first", code="agency-ended")
    _fill(row, checked)
    _put_contacts(session, agency_id, checked.contacts)
    changed = get_agency(session, agency_id)
    if changed.seen != seen:
        audit.append(session, by, "agency.changed", agency_id, now)
    return changed


def end_agency(session: Session, agency_id: str, seen: str, *, by: str, now: datetime) -> Agency:
    """The agency takes part no more; it stays readable and keeps its records. Raises AgencyError: `agency-changed`."""
    row = _as_seen(session, agency_id, seen)
    if row.ended_at is None:
        row.ended_at = now
        audit.append(session, by, "agency.ended", agency_id, now)
    return get_agency(session, agency_id)


def resume_agency(session: Session, agency_id: str, seen: str, *, by: str, now: datetime) -> Agency:
    """An agency that ended takes part again. Raises AgencyError: `agency-changed`."""
    row = _as_seen(session, agency_id, seen)
    if row.ended_at is not None:
        row.ended_at = None
        audit.append(session, by, "agency.resumed", agency_id, now)
    return get_agency(session, agency_id)


def find_agency(session: Session, agency_id: str) -> Agency | None:
    """The agency with this id."""
    row = session.get(AgencyRow, agency_id)
    if row is None:
        return None
    contacts = session.scalars(
        select(AgencyContactRow).where(AgencyContactRow.agency_id == agency_id).order_by(AgencyContactRow.id)
    )
    return _agency(row, list(contacts))


def get_agency(session: Session, agency_id: str) -> Agency:
    """Raises AgencyError when there is none."""
    found = find_agency(session, agency_id)
    if found is None:
        raise AgencyError("expected the id of a partner agency", code="agency-unknown")
    return found


def list_agencies(session: Session, *, with_ended: bool = True) -> tuple[Agency, ...]:
    """All of them by name, those that take part before those that ended."""
    query = select(AgencyRow).order_by(AgencyRow.ended_at.is_not(None), AgencyRow.name)
    rows = list(session.scalars(query if with_ended else query.where(AgencyRow.ended_at.is_(None))))
    contacts: dict[str, list[AgencyContactRow]] = {}
    for contact in session.scalars(select(AgencyContactRow).order_by(AgencyContactRow.id)):
        contacts.setdefault(contact.agency_id, []).append(contact)
    return tuple(_agency(row, contacts.get(row.id, [])) for row in rows)


def unlisted(session: Session) -> tuple[str, ...]:
    """Ids under which figures were read in, of agencies that nobody has added."""
    listed = select(AgencyRow.id)
    rows = session.scalars(select(ImportBatchRow.agency).where(ImportBatchRow.agency.not_in(listed)).distinct())
    return tuple(sorted(rows))


def _as_seen(session: Session, agency_id: str, seen: str) -> AgencyRow:
    """The row, if it still says what the person saw. One writer at a time, so nothing comes between."""
    if get_agency(session, agency_id).seen != seen:
        raise AgencyError(
            "expected the agency as it stands now: somebody has changed it since this page was opened",
            code="agency-changed",
        )
    return session.get_one(AgencyRow, agency_id)


def _fill(row: AgencyRow, form: AgencyForm) -> None:
    row.name = form.name
    row.kinds = canonical.encode({"codes": list(form.kinds)}).decode()
    row.roles = canonical.encode({"codes": list(form.roles)}).decode()


def _put_contacts(session: Session, agency_id: str, contacts: Sequence[Contact]) -> None:
    session.execute(delete(AgencyContactRow).where(AgencyContactRow.agency_id == agency_id))
    session.add_all(
        AgencyContactRow(agency_id=agency_id, name=contact.name, email=contact.email, phone=contact.phone)
        for contact in contacts
    )
    session.flush()


def _agency(row: AgencyRow, contacts: Sequence[AgencyContactRow]) -> Agency:
    return Agency(
        row.id,
        row.name,
        tuple(AgencyType(code) for code in canonical.parse_canonical(row.kinds.encode())["codes"]),
        tuple(AgencyRole(code) for code in canonical.parse_canonical(row.roles.encode())["codes"]),
        tuple(Contact(contact.name, contact.email, contact.phone) for contact in contacts),
        row.ended_at,
    )


def _codes(known: type[Code], given: Sequence[str], code: str, what: str) -> tuple[Code, ...]:
    """In the order of the vocabulary, each once."""
    if not given or not set(given) <= set(known):
        raise AgencyError(f"expected at least one {what} of the list", code=code)
    return tuple(member for member in known if member in set(given))


def _contact(contact: Contact) -> Contact:
    name = _text(contact.name, MAX_FIELD_CHARACTERS, "agency-contact", "a name for every contact")
    email, phone = contact.email.strip(), contact.phone.strip()
    if email and (len(email) > MAX_FIELD_CHARACTERS or not _EMAIL.fullmatch(email)):
        raise AgencyError("expected an e-mail address like office@city.example", code="agency-contact")
    if phone and not _PHONE.fullmatch(phone):
        raise AgencyError("expected a telephone number of digits and spaces", code="agency-contact")
    return Contact(name, email, phone)


def _text(value: str, limit: int, code: str, what: str) -> str:
    text = unicodedata.normalize("NFC", " ".join(value.split()))
    try:
        canonical.check_text(text)
    except ContractError:
        text = ""
    if not 1 <= len(text) <= limit or not text.isprintable():
        raise AgencyError(f"expected {what}, of 1 to {limit} printable characters", code=code)
    return text
