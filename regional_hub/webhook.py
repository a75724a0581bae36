"""Sending one signed webhook (standardwebhooks.com, version 1 of the specification).

    hook = Webhook("https://pager.example/hub", secret_file=Path("webhook.secret"))
    status = hook.send("msg_...", body, now)

The address is the operator's own setting. Still a redirection is not followed, no proxy of the environment is asked,
and of the answer nothing is read but its status: whatever stands there can neither lead on nor fill the memory.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from shared_schema import SOFTWARE_VERSION
from shared_schema.errors import ProgramError
from shared_schema.service.setting_values import is_this_machine

TOTAL_SECONDS: Final = 20
"""For everything from the name of the host to the status; a server that drips is cut off."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how a secret begins
SECRET_BYTES: Final = range(24, 65)
"""As the specification has it: 192 to 512 bits."""
MOST_SECRETS: Final = 2
"""One, and while it is changed the old one as well."""
MAX_SECRET_FILE_BYTES: Final = 1_024


class WebhookError(ProgramError):
    """The message was not taken; it can be tried again. `status` is that of the answer, if there was one."""

    code = "webhook"

    def __init__(self, message: str, *, code: str, status: int | None = None) -> None:
        super().__init__(message, code=code)
        self.status = status


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where messages go, and the file with the secret that signs them; it is read anew each time."""

    url: str
    secret_file: Path
    total_seconds: float = TOTAL_SECONDS

    @property
    def host(self) -> str:
        """What may be shown of the address: its path and query may be secret."""
        return urlsplit(self.url).hostname or ""

    def send(self, message_id: str, body: bytes, now: datetime) -> int:
        """Hand one message over; the status of the answer, 200 to 299. Raises WebhookError."""
        secrets = read_secrets(self.secret_file)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"prevention-exchange/{SOFTWARE_VERSION}",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(sign(secret, message_id, now, body) for secret in secrets),
        }
        try:
            status = asyncio.run(self._post(headers, body))
        except TimeoutError:
            message = f"expected an answer of the webhook within {self.total_seconds:g} seconds"
            raise WebhookError(message, code="webhook-slow") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            message = f"expected an answer of the webhook ({type(error).__name__})"
            raise WebhookError(message, code="webhook-unreachable") from None
        check_status(status)
        return status

    async def _post(self, headers: dict[str, str], body: bytes) -> int:
        async with (
            asyncio.timeout(self.total_seconds),
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=self.total_seconds) as client,
            client.stream("POST", self.url, headers=headers, content=body) as answer,
        ):
            return answer.status_code


def check_status(status: int) -> None:
    """Raise WebhookError unless the status says that the message was taken."""
    if 300 <= status < 400:
        raise WebhookError(
            f"expected the webhook to take the message, got status {status}; redirections are not followed",
            code="webhook-redirect",
            status=status,
        )
    if not 200 <= status < 300:
        raise WebhookError(
            f"expected the webhook to take the message, got status {status}", code="webhook-refused", status=status
        )


def check_webhook_url(url: str) -> str:
    """An address that alarms may be sent to: https, or http to this machine. Raises WebhookError."""
    expected = "expected an address such as https://pager.example/hub, without a user name and #"
    try:
        parts = urlsplit(url)
        port = parts.port
        host = httpx.URL(url).host  # a name that is no IDNA would only show when there is an alarm
    except (ValueError, httpx.InvalidURL):
        raise WebhookError(expected, code="webhook-address") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url and port != 0
    has_more = parts.username is not None or parts.password is not None or parts.fragment
    if parts.scheme not in ("https", "http") or not parts.hostname or not host or has_more or not is_plain:
        raise WebhookError(expected, code="webhook-address")
    if parts.scheme == "http" and not is_this_machine(parts.hostname):
        raise WebhookError("expected https; plain http is for this machine only", code="webhook-address")
    return url


def read_secrets(path: Path) -> tuple[bytes, ...]:
    """The secrets of a file, one a line. Raises WebhookError, which says nothing of what stands there."""
    try:
        with path.open("rb") as file:
            lines = file.read(MAX_SECRET_FILE_BYTES + 1).decode("ascii").split()
    except (OSError, ValueError):
        raise WebhookError("expected a readable file with the webhook's secret", code="webhook-secret") from None
    if not 1 <= len(lines) <= MOST_SECRETS:
        raise WebhookError("expected one secret of the webhook, or two while it is changed", code="webhook-secret")
    return tuple(map(_parse_secret, lines))


def _parse_secret(line: str) -> bytes:
    try:
        secret = base64.b64decode(line.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) not in SECRET_BYTES or not line.startswith(SECRET_PREFIX):
        raise WebhookError("expected a secret such as whsec_ and 24 to 64 bytes in base64", code="webhook-secret")
    return secret


def sign(secret: bytes, message_id: str, now: datetime, body: bytes) -> str:
    """The signature of one try: `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64."""
    signed = f"{message_id}.{int(now.timestamp())}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"
