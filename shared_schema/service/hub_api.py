"""The client of a hub's API, for nodes and for hubs that follow other hubs. The hub may be hostile.

No redirects, no proxies from the environment, no content encoding, at most 8 MB an answer, plain http to loopback only.
What comes back is bytes or checked models; whoever calls verifies proofs and signatures.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import Field

from shared_schema import SOFTWARE_VERSION
from shared_schema.canonical import encode, parse_strict
from shared_schema.entry import Receipt
from shared_schema.envelope import Envelope, parse_envelope
from shared_schema.errors import ContractError, SchemaError
from shared_schema.explain import Explanation
from shared_schema.feed import MAX_RESPONSE_BYTES
from shared_schema.keys import SigningKey
from shared_schema.names import Digest, Origin
from shared_schema.problem import ProblemCode
from shared_schema.recall import RecallPage
from shared_schema.recovery import BroughtEntries, RecoveryState, ShownHead
from shared_schema.relay import RelayStanding
from shared_schema.rotation import MAX_CHAIN
from shared_schema.service.setting_values import is_this_machine
from shared_schema.service.signed_reads import sign_request
from shared_schema.wire import WireModel
from shared_schema.witness import SIZE_MEDIA_TYPE

Model = TypeVar("Model", bound=WireModel)
TIMEOUT = httpx.Timeout(15.0, connect=5.0)
ANSWER_TIMEOUT = httpx.Timeout(300.0, connect=5.0)
"""A second hub looks at two thousand shares before it answers: half a minute of one slow core."""
MAX_RETRY_AFTER_SECONDS = 3600
VERSION_HEADER = "Prevention-Exchange-Version"
"""Every request names the version of the program that sends it, so that a hub can tell one that is too old."""
TOTAL_SECONDS = 120
"""8 MB in two minutes: a line of half a megabit. Slower than that is not an answer but a held connection."""


class HubUnreachable(Exception):
    """No usable answer now; the same request may go through later.

    `retry_after` in seconds if the hub named it; `code` is that of a problem document, such as `log-behind`.
    """

    def __init__(self, message: str, retry_after: int | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.code = code


class HubRefused(Exception):
    """The hub says no, for a reason that a retry does not change: status 4xx with a problem code."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.message = message


class WitnessKnows(HubRefused):
    """A witness has cosigned another size than the one that was named: `size`."""

    def __init__(self, size: int) -> None:
        super().__init__(ProblemCode.WITNESS_SIZE.value, 409, f"the witness knows a log of {size} entries")
        self.size = size


class HubIdentity(WireModel):
    """What a hub says about itself; a person compares the fingerprint."""

    name: Origin
    level: Literal["region", "nation", "europe"]
    vkey: Annotated[str, Field(max_length=300)]
    fingerprint: Annotated[str, Field(max_length=100)]
    api: Literal[1]
    rotations: Annotated[tuple[dict[str, Any], ...], Field(max_length=MAX_CHAIN)] = ()
    """How its key was handed on, oldest first (`shared_schema.rotation`); a reader verifies each one."""


class MemberState(WireModel):
    """What a hub knows of the member that asks.

    `ledger_seq` and `ledger_head`: the highest entry of the member's ledger among its accepted releases. Absent when
    there is none, and from hubs before version 0.2. `missing`: how many contents the hub lost with an old copy; only
    for programs that name their version, because older ones refuse a field that they do not know.
    """

    name: Origin
    status: str
    highest_seq: Annotated[int, Field(ge=0)]
    ledger_seq: Annotated[int, Field(ge=1)] | None = None
    ledger_head: Digest | None = None
    missing: Annotated[int, Field(ge=0)] | None = None


def check_hub_url(url: str) -> str:
    """Return the address without a trailing slash.

    Raises SchemaError unless it is https, or http to this machine; without user name, query or fragment.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise SchemaError("expected an address such as https://hub.example") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.password:
        raise SchemaError("expected an address such as https://hub.example")
    if parts.query or parts.fragment:
        raise SchemaError("expected a hub address without ? and #")
    if parts.scheme == "http" and not is_this_machine(parts.hostname):
        raise SchemaError("expected https; plain http is for this machine only")
    return url.rstrip("/")


def new_client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """An HTTP client as careful as the one of `HubApi`, for what anybody may read."""
    return httpx.Client(
        timeout=TIMEOUT,
        follow_redirects=False,
        trust_env=False,
        transport=transport,
        headers={
            "Accept-Encoding": "identity",
            "User-Agent": "prevention-exchange",
            VERSION_HEADER: SOFTWARE_VERSION,
        },
    )


class HubApi:
    """One hub's API, seen by one member.

    Every call raises HubUnreachable or HubRefused and nothing else.
    """

    def __init__(
        self,
        base_url: str,
        key: SigningKey,
        clock: Callable[[], datetime],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = check_hub_url(base_url)
        self._key = key
        self._clock = clock
        self._date: str | None = None
        self._client = new_client(transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def identity(self) -> HubIdentity:
        """Who the hub says it is. Not verified: the fingerprint is for a person to compare."""
        return _read(HubIdentity, self._request("GET", "/v1/hub"))

    def reach(self) -> str | None:
        """Return the Date header of an answer, so that clocks can be compared; None when there is none."""
        self._request("GET", "/v1/hub")
        return self._date

    def request_enrolment(self, envelope: bytes) -> None:
        """Ask to become a member."""
        self._request("POST", "/v1/enrolments", body=envelope)

    def rotate_key(self, rotation: bytes) -> None:
        """Ask for a new key in the place of this member's old one; the log says when it is done."""
        self._request("POST", "/v1/rotations", body=rotation)

    def leave(self, envelope: bytes) -> None:
        """Stop being a member."""
        self._request("POST", "/v1/leave", body=envelope)

    def submit(self, envelope: bytes) -> Receipt:
        """Hand in one statement; the receipt is not verified yet."""
        return _read(Receipt, self._request("POST", "/v1/submissions", body=envelope))

    def relay(self, envelope: bytes) -> Envelope:
        """Hand in one request in confidence; the signed receipt is not verified yet."""
        try:
            return parse_envelope(self._request("POST", "/v1/relay", body=envelope))
        except ContractError as error:
            raise HubUnreachable(f"expected a signed receipt: {error.message}") from None

    def relay_standing(self) -> RelayStanding:
        """What the hub knows in confidence of this member: its requests, and the questions for it."""
        return _read(RelayStanding, self._request("GET", "/v1/relay", signed=True))

    def recalls(self, since: int) -> RecallPage:
        """What the hub knows of who has confirmed the withdrawals in its log from `since` on."""
        return _read(RecallPage, self._request("GET", f"/v1/recalls?{urlencode({'since': since})}", signed=True))

    def explain(self, digest: str, member: str | None = None) -> Explanation:
        """Where an item is; for its author also with which member."""
        query = "" if member is None else f"?{urlencode({'member': member})}"
        return _read(Explanation, self._request("GET", f"/v1/explain/{digest}{query}", signed=True))

    def member_state(self) -> MemberState:
        return _read(MemberState, self._request("GET", "/v1/members/me", signed=True))

    def highest_seq(self) -> int:
        """The highest seq the hub has from this member; 0 when it has none."""
        return self.member_state().highest_seq

    def feed(self, first: int, seen: int) -> bytes:
        """The bytes of a feed page; `shared_schema.feed` reads and verifies them."""
        query = urlencode({"from": first, "seen": seen})
        return self._request("GET", f"/v1/feed?{query}", signed=True)

    def seen_head(self, origin: str) -> ShownHead:
        """The newest checkpoint of another hub's log that this hub has verified: a signed note, not verified here."""
        return _read(ShownHead, self._request("GET", f"/v1/seen/{quote(origin)}"))

    def show_head(self, head: ShownHead) -> None:
        """Show a hub a checkpoint that it has signed."""
        self._request("POST", "/v1/heads", body=head.to_bytes())

    def recovery_state(self, seen: int, *, done: bool = False, after: str | None = None) -> RecoveryState:
        """Where the hub's recovery stands; `done` says that this member has brought all that it has.

        With `after`, the hub names what is missing behind that digest.
        """
        query = urlencode({"seen": seen, "done": int(done)} | ({} if after is None else {"after": after}))
        return _read(RecoveryState, self._request("GET", f"/v1/recovery?{query}", signed=True))

    def bring_entries(self, brought: BroughtEntries) -> None:
        """Give a hub back what it has lost."""
        self._request("POST", "/v1/recovery/entries", body=encode(brought.to_object()))

    def mirrored(self, origin: str, first: int) -> BroughtEntries:
        """A page of what a follower keeps of the log of `origin`, which is the one that asks; not verified yet."""
        query = urlencode({"from": first})
        return _read(BroughtEntries, self._request("GET", f"/v1/mirror/{quote(origin)}?{query}", signed=True))

    def cosigner(self) -> str:
        """The note with which the hub says which key cosigns for it; not verified yet."""
        return _text(self._request("GET", "/v1/cosigner"))

    def witnessed(self, origin: str) -> str:
        """The newest checkpoint of another log that the hub has verified; this reader has not."""
        return _text(self._request("GET", f"/v1/witnessed/{quote(origin, safe='')}"))

    def ask_helper(self, step: str, batch: str | None, body: bytes) -> bytes:
        """Ask the second hub of a sealed total: `proposals`, or of a batch `shares`, `prepare`, `roster` or `void`.

        The answer's bytes; whoever asked reads and verifies them.
        """
        path = "/v1/sealed/" + (step if batch is None else f"{batch}/{step}")
        return self._request("POST", path, body=body, signed=True, timeout=ANSWER_TIMEOUT)

    def add_checkpoint(self, body: bytes) -> str:
        """Ask a witness for its cosignature lines; not verified yet.

        Raises WitnessKnows with the size that it knows, when that is another than the request says.
        """
        return _text(self._request("POST", "/add-checkpoint", body=body, media_type="text/plain; charset=utf-8"))

    def hand_in_cosignature(self, body: bytes) -> None:
        """Vouch for the hub's newest head; `shared_schema.member_cosignature` writes the body."""
        self._request("POST", "/v1/cosignatures", body=body, media_type="text/plain; charset=utf-8")

    def _request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        signed: bool = False,
        media_type: str = "application/json",
        timeout: httpx.Timeout = TIMEOUT,
    ) -> bytes:
        url = self.base_url + path
        headers = {"Content-Type": media_type} if body is not None else {}
        if signed:
            headers |= sign_request(method, url, self._key, self._clock(), body=body)
        try:
            with self._client.stream(method, url, content=body, headers=headers, timeout=timeout) as response:
                content = read_bounded(response)
        except httpx.HTTPError as error:
            raise HubUnreachable(f"expected an answer from the hub ({type(error).__name__})") from None
        self._date = response.headers.get("date")
        _check_status(response, content)
        return content


def read_bounded(response: httpx.Response) -> bytes:
    """The whole answer. Raises HubUnreachable when it is encoded, too large or too slow."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise HubUnreachable("expected an answer without content encoding")
    parts, size = [], 0
    deadline = time.monotonic() + TOTAL_SECONDS
    for part in response.iter_raw():
        if time.monotonic() > deadline:  # the client's own timeout begins anew with every byte
            raise HubUnreachable(f"expected the whole answer within {TOTAL_SECONDS} seconds")
        size += len(part)
        if size > MAX_RESPONSE_BYTES:
            raise HubUnreachable(f"expected an answer of at most {MAX_RESPONSE_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _check_status(response: httpx.Response, content: bytes) -> None:
    status = response.status_code
    if status in (200, 201, 202):
        return
    if status in (408, 429) or status >= 500:
        code = _problem(content, status)[0]
        raise HubUnreachable(f"expected an answer from the hub, got status {status}", retry_after(response), code)
    if status == 409 and response.headers.get("content-type", "").partition(";")[0] == SIZE_MEDIA_TYPE:
        raise _witness_knows(content)
    if 400 <= status < 500:
        raise HubRefused(*_problem(content, status))
    raise HubUnreachable(f"expected status 200, 201 or 202, got {status}")


def _witness_knows(content: bytes) -> Exception:
    digits = content.removesuffix(b"\n")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        return HubUnreachable("expected the size that the witness knows")
    return WitnessKnows(int(digits))


def retry_after(response: httpx.Response) -> int | None:
    """The seconds that an answer asks to wait, if it does."""
    text = response.headers.get("retry-after", "")
    return min(int(text), MAX_RETRY_AFTER_SECONDS) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _problem(content: bytes, status: int) -> tuple[str, int, str]:
    """Code, status and sentence of a problem document; texts of a hub are cut and shown to people only."""
    try:
        document = json.loads(content)
        return _printable(document["code"], 60), status, _printable(document["detail"], 600)
    except (ValueError, KeyError, TypeError, RecursionError):
        return "unknown", status, "the hub gave no reason"


def _printable(value: object, limit: int) -> str:
    """A text of a hub for a terminal: no control characters, so that it cannot paint over what stands there."""
    return "".join(character for character in str(value)[:limit] if character.isprintable())


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise HubUnreachable("expected a text in UTF-8") from None


def _read(model: type[Model], content: bytes) -> Model:
    try:
        parse_strict(content)
        return model.from_checked_bytes(content)
    except ContractError as error:
        raise HubUnreachable(f"expected a well-formed answer: {error.message}") from None
