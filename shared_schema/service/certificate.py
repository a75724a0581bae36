"""The certificate of a server as its callers see it: whether it is believed, and when it ends.

A program behind a server that speaks TLS for it (docs/operations.md) does not hold the certificate, but it knows the
address under which others call it.
"""

import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

TIMEOUT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class CertificateSeen:
    """What one look has found at one time.

    `ends_at` is None when the certificate was not believed or the address could not be reached; `trouble` then says
    why, in OpenSSL's or the system's words. `is_believed` is None when nobody could be asked.
    """

    looked_at: datetime
    is_believed: bool | None
    ends_at: datetime | None = None
    trouble: str = ""


def look_at_certificate(host: str, port: int, context: ssl.SSLContext, now: datetime) -> CertificateSeen:
    """Open a TLS connection to `host`, end it at once, and say what its certificate is worth."""
    try:
        with (
            socket.create_connection((host, port), timeout=TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host) as server,
        ):
            fields = server.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return CertificateSeen(now, is_believed=False, trouble=str(error.verify_message))
    except (OSError, UnicodeError) as error:  # a name that cannot be spelled in ASCII is a UnicodeError
        return CertificateSeen(now, is_believed=None, trouble=getattr(error, "strerror", None) or type(error).__name__)
    ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(fields["notAfter"])), UTC)
    return CertificateSeen(now, is_believed=True, ends_at=ends_at)
