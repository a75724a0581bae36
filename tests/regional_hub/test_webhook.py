"""A webhook is signed so that others can check it, and whatever its server answers does no harm."""

import base64
import hashlib
import hmac
import socket
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from regional_hub.webhook import Webhook, WebhookError, check_webhook_url, read_secrets, sign
from tests.webhook_receiver import receiving

NOW = datetime(2026, 11, 22, 9, 0, 7, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "webhook.secret"
    path.write_text(SECRET + "\n")
    return path


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(WebhookError, match="expected") as error:
        work()
    assert "k" * 8 not in error.value.message and "whsec_a" not in error.value.message
    return error.value.code


def verify(secrets: str, headers: dict[str, str], body: bytes) -> bool:
    """What a receiver does who has read the specification and nothing of this project."""
    key = base64.b64decode(secrets.split("_", 1)[1])
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(expected, each) for each in headers["webhook-signature"].split(" "))


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(secret_file: Path, status: int) -> None:
    with receiving(status=status) as receiver:
        assert code_of(lambda: Webhook(receiver.url, secret_file).send("msg_1", b"{}", NOW)) == "webhook-redirect"
        assert [path for path, _, _ in receiver.arrived] == ["/"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 502, 503])
def test_what_is_not_taken_is_said_with_its_status(secret_file: Path, status: int) -> None:
    with receiving(status=status) as receiver, pytest.raises(WebhookError, match=str(status)) as error:
        Webhook(receiver.url, secret_file).send("msg_1", b"{}", NOW)
    assert (error.value.code, error.value.status) == ("webhook-refused", status)


@pytest.mark.parametrize("manner", ["silent", "dripping"])
def test_a_server_that_is_slow_is_cut_off_as_a_whole(secret_file: Path, manner: str) -> None:
    with receiving(manner=manner) as receiver:
        hook = Webhook(receiver.url, secret_file, total_seconds=0.2)
        assert code_of(lambda: hook.send("msg_1", b"{}", NOW)) == "webhook-slow"


def test_a_body_without_an_end_is_not_read(secret_file: Path) -> None:
    with receiving(manner="endless", status=200) as receiver:
        tracemalloc.start()
        assert Webhook(receiver.url, secret_file).send("msg_1", b"{}", NOW) == 200
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 16 * 1024 * 1024
    assert receiver.sent_bytes < 64 * 1024 * 1024, "what the network takes in, and no more"


def test_who_hangs_up_or_is_not_there_is_unreachable(secret_file: Path) -> None:
    with receiving(manner="rude") as receiver:
        assert code_of(lambda: Webhook(receiver.url, secret_file).send("msg_1", b"{}", NOW)) == "webhook-unreachable"
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unheard.getsockname()[1]}"
        assert code_of(lambda: Webhook(url, secret_file).send("msg_1", b"{}", NOW)) == "webhook-unreachable"


def test_no_proxy_of_the_environment_is_asked(secret_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        Webhook(receiver.url, secret_file).send("msg_1", b"{}", NOW)
        assert (len(receiver.arrived), len(proxy.arrived)) == (1, 0)


def test_a_receiver_that_knows_the_specification_alone_can_check_it(secret_file: Path) -> None:
    with receiving() as receiver:
        assert Webhook(f"{receiver.url}/hook?a=b", secret_file).send("msg_1", b'{"a":1}', NOW) == 204
    ((path, headers, body),) = receiver.arrived
    assert (path, body, headers["content-type"]) == ("/hook?a=b", b'{"a":1}', "application/json")
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert verify(SECRET, headers, body)
    assert not verify(SECRET, headers, b'{"a":2}')
    assert not verify(SECRET, headers | {"webhook-id": "msg_2"}, body)
    assert not verify(SECRET, headers | {"webhook-timestamp": "1"}, body)
    assert not verify("whsec_" + base64.b64encode(b"x" * 32).decode(), headers, body)


def test_the_signature_is_the_one_of_the_reference_implementations() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_the_secret_is_changed_both_sign(secret_file: Path) -> None:
    other = "whsec_" + base64.b64encode(b"n" * 24).decode()
    secret_file.write_text(f"{SECRET}\n{other}\n")
    with receiving() as receiver:
        Webhook(receiver.url, secret_file).send("msg_1", b"{}", NOW)
    ((_, headers, body),) = receiver.arrived
    assert verify(SECRET, headers, body) and verify(other, headers, body)


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "kkkk", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"k" * 23).decode(),
     base64.b64encode(b"k" * 32).decode(), "whsec_" + base64.b64encode(b"k" * 65).decode(),
     f"{SECRET}\n{SECRET}\n{SECRET}", "whsec_" + "a" * 5_000, "ä" * 40],
)  # fmt: skip
def test_what_is_no_secret_sends_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "webhook.secret"
    path.write_text(text)
    with receiving() as receiver:
        assert code_of(lambda: Webhook(receiver.url, path).send("msg_1", b"{}", NOW)) == "webhook-secret"
        assert receiver.arrived == []
    assert code_of(lambda: read_secrets(tmp_path / "none")) == "webhook-secret"


@pytest.mark.parametrize(
    "url",
    ["", "pager.example", "ftp://pager.example", "file:///etc/passwd", "http://pager.example/", "http://10.0.0.1/",
     "http://127.0.0.1.example/", "https://user:secret@pager.example/", "https://user@pager.example/",
     "https://pager.example/#part", "https:///path", "https://pager.example:99999/", "https://pager.example/a b",
     "https://pager.example/\n", "https://[::1", "http://2130706433/", "https://xn--a.example/"],
)  # fmt: skip
def test_an_address_that_alarms_must_not_go_to_is_refused(url: str) -> None:
    assert code_of(lambda: check_webhook_url(url)) == "webhook-address"


@pytest.mark.parametrize(
    "url", ["https://pager.example/a?b=c", "http://127.0.0.1:8080/x", "http://localhost/", "http://[::1]:1/"]
)
def test_an_address_that_they_may_go_to_stays_as_it_is(url: str, secret_file: Path) -> None:
    assert check_webhook_url(url) == url
    assert "?" not in Webhook(url, secret_file).host
