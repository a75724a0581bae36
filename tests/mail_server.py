"""A real SMTP server in this process, which keeps what it is given, or refuses in the way a test asks for."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"


@dataclass
class Letterbox:
    """What has arrived. `refuse` is the answer to a recipient, `at_the_end` the one after the text.

    Without one the server hangs up there.
    """

    refuse: str = ""
    unknown: set[str] = field(default_factory=set)
    """Addresses that there are not."""
    at_the_end: str = "250 OK"
    letters: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.unknown:
            return "550 no such mailbox"
        if self.refuse:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.letters.append((list(envelope.rcpt_tos), message))
        if not self.at_the_end:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return self.at_the_end

    @property
    def texts(self) -> list[str]:
        """The plain text of every e-mail."""
        return [part.get_content() for _, letter in self.letters if (part := letter.get_body(("plain",))) is not None]


@contextmanager
def letterbox(
    *, certificate: Path | None = None, tls_from_the_start: bool = False, password: str = "", **answers: str
) -> Iterator[Letterbox]:
    """Run a server while the block lasts; with a certificate it can encrypt, with a password it wants one."""
    box = Letterbox(**answers)  # type: ignore[arg-type]
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)

    def sign_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        is_right = isinstance(data, LoginPassword) and data.password == password.encode()
        return AuthResult(success=is_right, handled=False)

    wants: dict[str, Any] = {"authenticator": sign_in, "auth_required": True} if password else {}
    controller = Controller(
        box,
        hostname=HOST,
        port=_free_port(),
        ssl_context=context if tls_from_the_start else None,
        tls_context=None if tls_from_the_start else context,
        **wants,
    )
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        return int(tried.getsockname()[1])


def make_certificate(path: Path, *, until: timedelta = timedelta(days=1)) -> Path:
    """A certificate for this machine and its key, in one file; it ends `until` from now, or before."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST)), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + until)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path
