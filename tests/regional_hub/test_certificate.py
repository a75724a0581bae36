"""The certificate of a hub's address is looked at over real TLS; what is wrong with it is an alarm in time."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from regional_hub.certificate_verbs import BETWEEN_LOOKS, LEAST_LEFT
from tests.mail_server import make_certificate
from tests.regional_hub.running import RunningHub

pytestmark = pytest.mark.sqlite_is_enough
HOST = "127.0.0.1"


@contextmanager
def tls_server(certificate: Path) -> Iterator[int]:
    """Shakes hands with everybody who comes, and says nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:  # it was closed
                return
            try:
                context.wrap_socket(caller, server_side=True).close()
            except OSError:  # the caller did not believe it
                caller.close()

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def reached_at(hub: RunningHub, port: int, believed: Path | None = None) -> None:
    """From now on the hub's address is that port, and it is now the time that certificates know."""
    hub.hub.settings = hub.hub.settings.model_copy(update={"public_url": f"https://{HOST}:{port}"})
    hub.hub.tls = lambda: ssl.create_default_context(cafile=believed)
    hub.clock.now = datetime.now(UTC)


def alarms(hub: RunningHub) -> list[str]:
    return [each["code"] for each in hub.verb("overview")["alarms"]]


def line(hub: RunningHub) -> dict[str, Any]:
    found: dict[str, Any] = hub.verb("overview")["lines"]["certificate"]
    return found


def test_a_certificate_that_nobody_believes_is_an_alarm(hub: RunningHub, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "server.pem", until=timedelta(days=90))
    with tls_server(certificate) as port:
        reached_at(hub, port)
        found = hub.verb("certificate", now=True)["certificate"]
    assert (found["state"], found["ends_at"]) == ("bad", None)
    assert "self-signed" in found["trouble"]
    assert alarms(hub) == ["certificate"]


def test_a_certificate_that_has_ended_is_an_alarm(hub: RunningHub, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "server.pem", until=timedelta(hours=-1))
    with tls_server(certificate) as port:
        reached_at(hub, port, certificate)
        hub.verb("certificate")
    assert (line(hub)["state"], line(hub)["trouble"]) == ("bad", "certificate has expired")
    assert alarms(hub) == ["certificate"]


def test_the_alarm_comes_two_weeks_before_the_end_and_goes_with_a_new_certificate(
    hub: RunningHub, tmp_path: Path
) -> None:
    old = make_certificate(tmp_path / "old.pem", until=LEAST_LEFT - timedelta(hours=1))
    with tls_server(old) as port:
        reached_at(hub, port, old)
        hub.verb("certificate")
    assert line(hub)["state"] == "bad"
    assert alarms(hub) == ["certificate"]
    new = make_certificate(tmp_path / "new.pem", until=LEAST_LEFT + timedelta(days=1))
    with tls_server(new) as port:
        reached_at(hub, port, new)
        hub.verb("certificate")
        assert line(hub)["state"] == "bad", "looked at twice a day, not at every round"
        hub.clock.now += BETWEEN_LOOKS
        hub.verb("certificate")
    assert line(hub)["state"] == "good"
    assert line(hub)["ends_at"].startswith(str((datetime.now(UTC) + LEAST_LEFT + timedelta(days=1)).date()))
    assert alarms(hub) == []


def test_an_address_that_cannot_be_reached_from_here_is_said_and_is_no_alarm(hub: RunningHub) -> None:
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    reached_at(hub, port)
    assert line(hub)["state"] == "unknown"
    assert hub.verb("certificate")["certificate"]["trouble"] == "Connection refused"
    assert line(hub)["state"] == "unknown"
    assert alarms(hub) == []


def test_a_server_without_tls_is_said_and_is_no_alarm(hub: RunningHub) -> None:
    with socket.create_server((HOST, 0)) as listener:
        reached_at(hub, listener.getsockname()[1])

        def answer() -> None:
            caller, _ = listener.accept()
            caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            caller.close()

        thread = threading.Thread(target=answer)
        thread.start()
        found = hub.verb("certificate")["certificate"]
        thread.join()
    assert found["state"] == "unknown"
    assert found["trouble"]


def test_a_hub_without_https_has_no_line(hub: RunningHub) -> None:
    assert hub.verb("certificate") == {"certificate": None}
    assert "certificate" not in hub.verb("overview")["lines"]


def test_the_alarm_goes_when_the_address_has_no_tls_any_more(hub: RunningHub, tmp_path: Path) -> None:
    with tls_server(make_certificate(tmp_path / "server.pem", until=timedelta(days=90))) as port:
        reached_at(hub, port)
        hub.verb("certificate")
    assert alarms(hub) == ["certificate"]
    hub.hub.settings = hub.hub.settings.model_copy(update={"public_url": f"http://{HOST}:{port}"})
    assert hub.verb("certificate") == {"certificate": None}
    assert alarms(hub) == []


def test_an_address_of_digits_is_named_as_openssl_reads_it(hub: RunningHub) -> None:
    hub.hub.settings = hub.hub.settings.model_copy(update={"public_url": "https://[2001:db8::1]"})
    assert line(hub)["host"] == "[2001:db8::1]:443"
