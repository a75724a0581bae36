"""Values of settings that both programs have. A wrong one is a ValueError, which the settings turn into a sentence."""

from ipaddress import ip_address
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def check_zone(name: str) -> str:
    """The name of a time zone. Raises ValueError."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise ValueError("expected a name of the IANA time zone database") from None
    return name


def check_web_address(url: str) -> str:
    """An address under which others call a program. Raises ValueError."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("https", "http") and parts.hostname is not None and parts.port != 0
    except ValueError:  # of brackets that do not close, and of a port that is none
        is_address = False
    if not is_address:
        raise ValueError("expected an address such as https://hub.example")
    return url


def check_printable(text: str) -> str:
    """A name that people can read. Raises ValueError."""
    if not text.isprintable() or text != text.strip():
        raise ValueError("expected printable characters without space around them")
    return text


def is_this_machine(host: str) -> bool:
    """Whether a name or an address of a host never leaves this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
