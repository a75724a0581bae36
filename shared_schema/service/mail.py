"""Sending one e-mail through the own mail server (SMTP, RFC 5321), encrypted unless the server is this machine.

    post = MailServer("smtp.city.example", 587, sender="prevention@city.example", encryption="starttls")
    post.send(message, "anna@city.example")

What goes wrong is a MailError that says whether trying again can help. Nothing is written to a log here, because
addresses are names of people.
"""

import contextlib
import smtplib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, Policy
from pathlib import Path
from typing import Final, Literal

from shared_schema.errors import ProgramError
from shared_schema.service.setting_values import is_this_machine

TIMEOUT_SECONDS: Final = 20
PERMANENT: Final = 500
"""Answers from here on are for good (RFC 5321, section 4.2.1)."""
MAX_PASSWORD_BYTES: Final = 1_024
UNBROKEN: Final = ("List-Id", "List-Unsubscribe")
"""Headers that a mail program reads as they stand."""
Encryption = Literal["starttls", "tls", "none"]


class MailError(ProgramError):
    """The e-mail was not taken. `final` says that trying again does not help, or could send it twice."""

    code = "mail"

    def __init__(self, message: str, *, code: str, final: bool = False) -> None:
        super().__init__(message, code=code)
        self.final = final


@dataclass(frozen=True, slots=True)
class MailServer:
    """`encryption` may be `none` for this machine alone. The password is read when it is needed, from its file."""

    host: str
    port: int
    sender: str
    encryption: Encryption = "starttls"
    user: str | None = None
    password_file: Path | None = None
    tls: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context)
    """Whose certificates are believed."""

    def __post_init__(self) -> None:
        if self.encryption == "none" and not is_this_machine(self.host):
            raise MailError("expected encryption to a mail server that is not this machine", code="mail-encryption")
        if self.user is not None and self.password_file is None:
            raise MailError("expected a file with the password of the mail server's user", code="mail-password")

    def send(self, message: EmailMessage, recipient: str) -> None:
        """Hand one message over for one recipient. Raises MailError."""
        with _as_mail_error():
            server = self._connect()
        try:
            with _as_mail_error(handed_over=True):
                server.send_message(message, self.sender, [recipient])
        finally:  # it is taken or refused by now, however the goodbye goes
            with contextlib.suppress(OSError, smtplib.SMTPException):
                server.quit()
            server.close()

    def _connect(self) -> smtplib.SMTP:
        if self.encryption == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=self.tls())
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            if self.encryption == "starttls":
                server.starttls(context=self.tls())
            if self.user is not None and self.password_file is not None:
                server.login(self.user, _read_password(self.password_file))
        except BaseException:
            server.close()
            raise
        return server


def mail_server_of(
    host: str | None,
    port: int,
    sender: str | None,
    encryption: Encryption,
    user: str | None,
    password_file: Path | None,
) -> MailServer | None:
    """The mail server that settings name; None when they name none. Raises MailError for what is half set up."""
    if host is None:
        return None
    if sender is None:
        raise MailError("expected smtp_sender beside smtp_host: the address that e-mails come from", code="mail-sender")
    return MailServer(host, port, check_address(sender), encryption, user, password_file)


@contextlib.contextmanager
def _as_mail_error(*, handed_over: bool = False) -> Iterator[None]:
    """What the library raises, as a MailError. An answer of the server is clear; silence after hand-over is not."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        code = max((answer[0] for answer in error.recipients.values()), default=0)
        message = f"expected the mail server to know this address, got {code}"
        raise MailError(message, code="mail-recipient", final=code >= PERMANENT) from None
    except smtplib.SMTPAuthenticationError:
        raise MailError("expected the mail server to take our user and password", code="mail-password") from None
    except (smtplib.SMTPNotSupportedError, ssl.SSLError):
        message = "expected a mail server that encrypts, with a certificate for its name"
        raise MailError(message, code="mail-encryption") from None
    except smtplib.SMTPResponseException as error:
        message = f"expected the mail server to take the e-mail, got {error.smtp_code}"
        raise MailError(message, code="mail-refused") from None
    except (OSError, smtplib.SMTPException):
        if handed_over:
            message = "expected an answer of the mail server, which may have taken the e-mail"
            raise MailError(message, code="mail-unsure", final=True) from None
        raise MailError("expected a mail server that answers", code="mail-unreachable") from None


def check_address(address: str) -> str:
    """An address that can stand in a header and in a command. Raises MailError.

    Stricter than RFC 5321: one `@`, printable ASCII, no blanks, quotation marks, brackets or commas.
    """
    local, at, domain = address.partition("@")
    plain = address.isascii() and address.isprintable() and not set(address) & set(' "\\<>(),;:[]')
    if not (plain and at and 0 < len(local) <= 64 and "@" not in domain and "." in domain and len(address) <= 254):
        raise MailError("expected an e-mail address such as anna@city.example", code="mail-address")
    return address


class UnbrokenHeader(UnstructuredHeader, BaseHeader):
    """A header in one line, however long (RFC 5322 allows 998 characters).

    The library makes an encoded word of an address that is longer than 76, and a program that looks for a link in it
    finds none (RFC 2047, section 5, has no place for one there).
    """

    max_count = 1

    def fold(self, *, policy: Policy) -> str:
        """The line."""
        return f"{self.name}: {self}{policy.linesep}"


def _headers() -> HeaderRegistry:
    registry = HeaderRegistry()
    for name in UNBROKEN:
        registry.map_to_type(name.lower(), UnbrokenHeader)
    return registry


MESSAGE_POLICY: Final = SMTP.clone(header_factory=_headers())


def new_message() -> EmailMessage:
    """An empty message whose headers refuse line breaks."""
    return EmailMessage(policy=MESSAGE_POLICY)


def _read_password(path: Path) -> str:
    try:
        with path.open("rb") as file:
            password = file.read(MAX_PASSWORD_BYTES).decode().strip()
    except (OSError, ValueError):
        raise MailError("expected a readable file with the mail server's password", code="mail-password") from None
    if not password:
        raise MailError("expected a password in the file for the mail server", code="mail-password")
    return password
