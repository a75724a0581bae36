"""The hubs of this node: their addresses and pinned keys, and clients for their API.

An address is checked when it is saved (CHECKS E52, E53): https to a public address; anything nearer only when the
node's settings allow it, or plain http to this very machine for trying things out. The key is pinned when a person has
compared its fingerprint, and from then on only that key speaks for the hub.
"""

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

import httpx
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from local_node.errors import NodeError
from local_node.orm import HubRow
from shared_schema.checkpoint import NoteVerifier
from shared_schema.errors import ContractError
from shared_schema.head_times import HeadTimes
from shared_schema.keys import SigningKey, same_fingerprint
from shared_schema.pins import Pin
from shared_schema.service.hub_api import HubApi, HubIdentity, check_hub_url

MAX_URL_LENGTH = 300
HTTPS_PORT = 443
FIRST_FREE_PORT = 1024
"""Below it, other services live: no hub is asked on the port of a mail or a file server."""

LEVELS = ("region", "nation", "europe")

Resolver = Callable[[str], Iterable[str]]


class HubError(NodeError):
    """A hub cannot be added or found."""

    code = "hub"


@dataclass(frozen=True, slots=True)
class PinnedHub:
    """A hub whose key a person has compared."""

    name: str
    url: str
    pin: Pin
    level: str
    enrolled: bool
    read: int
    size: int
    last_success_at: datetime | None
    vouched_at: datetime | None = None
    """When the hub last said that the head it shows is its newest."""
    elsewhere: str | None = None
    """Another place where this node asks which head of the hub is known there."""

    @property
    def verifier(self) -> NoteVerifier:
        return self.pin.verifier


def resolve(host: str) -> list[str]:
    """The addresses of a host name, from the system's resolver."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)]


def check_address(url: str, *, allow_private: bool, resolver: Resolver = resolve) -> str:
    """Return the address of a hub as it is saved.

    Raises HubError for anything but https to a public address on an ordinary port, http to this machine, or an
    address that `allow_private` permits.
    """
    try:
        checked = check_hub_url(url)
        parts = urlsplit(checked)
        host, port = parts.hostname or "", parts.port or HTTPS_PORT
    except (ContractError, ValueError) as error:
        raise HubError(str(error) if isinstance(error, ContractError) else "expected a port number") from None
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or "\\" in url or "@" in url:
        raise HubError(f"expected an address of at most {MAX_URL_LENGTH} ordinary characters")
    if port < FIRST_FREE_PORT and port != HTTPS_PORT:
        raise HubError(f"expected port {HTTPS_PORT} or one from {FIRST_FREE_PORT} on, got {port}")
    if parts.scheme == "https" and not allow_private:
        _check_public(host, resolver)
    return checked


def _check_public(host: str, resolver: Resolver) -> None:
    try:
        addresses = [_plain(ip_address(text.partition("%")[0])) for text in resolver(host)]
    except (OSError, ValueError):
        raise HubError(f"expected a host name that can be found, got {host}", code="unreachable") from None
    # The resolver also reads literals such as 2130706433 or 0x7f.1, so what counts is what they lead to.
    if not addresses or not all(address.is_global and not address.is_multicast for address in addresses):
        raise HubError(
            "expected a public address; for a hub inside your own network set allow_private_hubs = true in node.toml"
        )


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def connect(url: str, key: SigningKey, clock: Callable[[], datetime], transport: httpx.BaseTransport | None) -> HubApi:
    """A client for the API of one hub; the caller closes it."""
    return HubApi(url, key, clock, transport)


def pin_hub(session: Session, url: str, identity: HubIdentity, fingerprint: str, now: datetime) -> PinnedHub:
    """Save a hub whose fingerprint a person typed in; a new address of a known hub keeps the place in its feed.

    Raises HubError when the fingerprint is that of another key, or the name is known with another key.
    """
    pin = _pin(identity)
    verifier = pin.verifier
    if not same_fingerprint(fingerprint, verifier.key):
        raise HubError(
            "expected the fingerprint of this hub's key; ask its operator to read it out again",
            code="fingerprint-mismatch",
        )
    row = session.get(HubRow, identity.name)
    if row is None:
        row = HubRow(
            name=identity.name,
            url=url,
            vkey=verifier.vkey,
            former=pin.former_text(),
            level=identity.level,
            added_at=now,
            enrolled=False,
            seen_size=0,
            frontier_size=0,
            frontier=b"",
        )
        session.add(row)
    elif row.vkey != verifier.vkey:
        raise HubError("expected the key that is pinned for this hub", code="key-changed")
    row.url = url
    session.flush()
    return _hub(row)


def _pin(identity: HubIdentity) -> Pin:
    """The hub's key, with those that have handed over to it: its log began with the first of them."""
    try:
        pin = Pin.with_history(NoteVerifier.from_vkey(identity.vkey), identity.rotations)
    except ContractError as error:
        raise HubError(error.message) from None
    if pin.name != identity.name:
        raise HubError("expected a key in the hub's own name")
    return pin


def list_hubs(session: Session) -> tuple[PinnedHub, ...]:
    """All hubs, by name."""
    return tuple(_hub(row) for row in session.scalars(select(HubRow).order_by(HubRow.name)))


def nearest_first(hubs: Iterable[PinnedHub]) -> list[PinnedHub]:
    """The region before the nation before Europe: the first one is the home hub, whose rules count."""
    return sorted(hubs, key=lambda hub: (LEVELS.index(hub.level), hub.name))


def get_hub(session: Session, name: str) -> PinnedHub:
    """One hub. Raises HubError when it was never added."""
    row = session.get(HubRow, name)
    if row is None:
        raise HubError("expected the name of a hub that was added; see: local-node status", code="not-found")
    return _hub(row)


def mark_enrolled(session: Session, name: str, *, enrolled: bool) -> None:
    """Remember whether the hub counts this node among its members."""
    session.execute(update(HubRow).where(HubRow.name == name).values(enrolled=enrolled))


def mark_success(session: Session, name: str, now: datetime) -> None:
    """Remember that the hub was reached and its feed was honest."""
    session.execute(update(HubRow).where(HubRow.name == name).values(last_success_at=now))


def ask_elsewhere(session: Session, name: str, url: str | None) -> PinnedHub:
    """Ask at this address which head of the hub is known there; None for nowhere. Raises HubError."""
    get_hub(session, name)
    session.execute(update(HubRow).where(HubRow.name == name).values(elsewhere=url))
    session.expire_all()
    return get_hub(session, name)


def _hub(row: HubRow) -> PinnedHub:
    vouched_at = HeadTimes.from_text(row.head_times).hub
    return PinnedHub(
        name=row.name,
        url=row.url,
        pin=Pin.from_texts(row.vkey, row.former),
        level=row.level,
        enrolled=row.enrolled,
        read=row.frontier_size,
        size=row.seen_size,
        last_success_at=row.last_success_at,
        vouched_at=None if vouched_at is None else datetime.fromtimestamp(vouched_at, UTC),
        elsewhere=row.elsewhere,
    )
