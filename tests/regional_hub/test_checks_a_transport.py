"""CHECKS.md section A: transport and parsing. Every test names its line."""

import socket
from collections.abc import Iterator

import pytest

from regional_hub.web.node_api import MAX_BATCH_BYTES
from shared_schema.envelope import MAX_ENVELOPE_BYTES
from shared_schema.problem import ProblemCode
from shared_schema.service.server import MAX_HEAD_BYTES, GuardedProtocol
from tests.regional_hub.raw_asgi import ask
from tests.regional_hub.running import CANARY, City, EventLoop, Network, RunningHub, check_problem
from tests.regional_hub.sockets import Served, is_closed, send, served

JSON = ("content-type", "application/json")
POSTS = {
    "/v1/submissions": MAX_ENVELOPE_BYTES,
    "/v1/submissions/batch": MAX_BATCH_BYTES,
    "/v1/enrolments": MAX_ENVELOPE_BYTES,
}
GETS = ("/v1/feed", "/v1/members/me", "/v1/hub", "/health", "/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1")
TRAPS = (b"\x01", b" \xff", b"{}", b"[" * 1000)


@pytest.fixture(scope="module")
def plain_hub(loop: EventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One hub for what never reaches a database."""
    with RunningHub.start(Network(loop), loop, tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture(scope="module")
def server(plain_hub: RunningHub) -> Iterator[Served]:
    with served(plain_hub) as running:
        yield running


# --- 1 to 4: what is refused by its headers ---------------------------------------------------------------------


@pytest.mark.parametrize(("path", "limit"), POSTS.items())
@pytest.mark.parametrize("length", ["{over}", "9" * 15, "9" * 5000])
def test_1_a_body_that_says_it_is_too_long_is_refused_unread(
    plain_hub: RunningHub, path: str, limit: int, length: str
) -> None:
    given = length.format(over=limit + 1)
    answer = ask(plain_hub, "POST", path, headers=[JSON, ("content-length", given)], body=[b"x"], stalls=True)
    check_problem(answer.response, ProblemCode.TOO_LARGE, 413)
    assert answer.parts_read == 0


@pytest.mark.parametrize(("path", "limit"), POSTS.items())
def test_2_a_body_of_unknown_length_is_refused_at_the_limit(plain_hub: RunningHub, path: str, limit: int) -> None:
    part = b" " * 65536
    parts = [part] * (limit // len(part)) + [b"x", part, part, part]
    answer = ask(plain_hub, "POST", path, headers=[JSON, ("transfer-encoding", "chunked")], body=parts, stalls=True)
    check_problem(answer.response, ProblemCode.TOO_LARGE, 413)
    assert answer.parts_read == limit // len(part) + 1


def test_2_a_length_that_was_too_small_is_no_way_around_the_limit(plain_hub: RunningHub) -> None:
    body = [b"x" * (MAX_ENVELOPE_BYTES + 1)]
    answer = ask(plain_hub, "POST", "/v1/submissions", headers=[JSON, ("content-length", "5")], body=body)
    check_problem(answer.response, ProblemCode.TOO_LARGE, 413)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity, gzip", "x", ""])
def test_3_a_packed_body_is_refused_unread(plain_hub: RunningHub, path: str, encoding: str) -> None:
    answer = ask(plain_hub, "POST", path, headers=[JSON, ("content-encoding", encoding)], body=[b"\x1f\x8b"])
    check_problem(answer.response, ProblemCode.UNSUPPORTED_ENCODING, 415)
    assert answer.parts_read == 0


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "media", [None, "", "text/plain", "application/jsonx", "application/problem+json", "text/json", CANARY]
)
def test_4_a_body_that_is_not_said_to_be_json_is_refused_unread(
    plain_hub: RunningHub, path: str, media: str | None
) -> None:
    headers = [] if media is None else [("content-type", media)]
    answer = ask(plain_hub, "POST", path, headers=headers, body=[b"{}"])
    check_problem(answer.response, ProblemCode.UNSUPPORTED_MEDIA_TYPE, 415)
    assert answer.parts_read == 0


def test_4_json_with_a_charset_is_json(plain_hub: RunningHub) -> None:
    answer = ask(plain_hub, "POST", "/v1/submissions", headers=[("content-type", "Application/JSON; charset=utf-8")])
    check_problem(answer.response, ProblemCode.MALFORMED_JSON, 400)


# --- 5 to 8: what only a socket can do --------------------------------------------------------------------------


@pytest.mark.parametrize("path", POSTS)
def test_5_a_body_that_does_not_come_is_given_up(
    plain_hub: RunningHub, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_hub.hub, "body_seconds", 0.01)
    answer = ask(plain_hub, "POST", path, headers=[JSON], body=[b"{"], stalls=True)
    check_problem(answer.response, ProblemCode.TIMEOUT, 408)


def test_5_the_body_has_less_than_twenty_seconds(plain_hub: RunningHub) -> None:
    assert plain_hub.hub.body_seconds < 20 and GuardedProtocol.head_seconds < 20


@pytest.mark.parametrize("begun", [b"", b"P", b"\r\n", b"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nX-A: b"])
def test_5_a_head_that_does_not_come_ends_the_connection(plain_hub: RunningHub, begun: bytes) -> None:
    class Impatient(GuardedProtocol):
        head_seconds = 0.05

    with served(plain_hub, Impatient) as running, running.connect() as connection:
        connection.sendall(begun)
        assert is_closed(connection)


def test_5_a_second_head_that_does_not_come_ends_the_connection(plain_hub: RunningHub) -> None:
    class Impatient(GuardedProtocol):
        head_seconds = 0.05

    with served(plain_hub, Impatient) as running, running.connect() as connection:
        assert send(connection, b"GET /health HTTP/1.1\r\nHost: " + running.host + b"\r\n\r\n").status_code == 200
        connection.sendall(b"GET /hea")
        assert is_closed(connection)


def test_5_a_slow_body_on_a_socket_is_answered_and_the_connection_ends(
    plain_hub: RunningHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Impatient(GuardedProtocol):
        head_seconds = 0.5

    monkeypatch.setattr(plain_hub.hub, "body_seconds", 0.05)
    with served(plain_hub, Impatient) as running, running.connect() as connection:
        head = (
            b"POST /v1/submissions HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
        )
        check_problem(send(connection, head % running.host + b"{"), ProblemCode.TIMEOUT, 408)
        connection.sendall(b" ")
        assert is_closed(connection)


@pytest.mark.parametrize(
    "fields",
    [
        b"X-Long: " + b"a" * MAX_HEAD_BYTES + b"\r\n",
        b"X-Short: a\r\n" * (MAX_HEAD_BYTES // 10),
        b"a" * MAX_HEAD_BYTES + b": b\r\n",
    ],
    ids=["one", "many", "name"],
)
@pytest.mark.parametrize("ends", [True, False])
def test_6_a_head_above_16_kb_is_refused(server: Served, fields: bytes, ends: bool) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: " + server.host + b"\r\n" + fields + (b"\r\n" if ends else b"X-More: ")
    response = server.ask(request)
    check_problem(response, ProblemCode.MALFORMED_JSON, 400)


def test_6_an_address_above_16_kb_is_refused(server: Served) -> None:
    response = server.ask(b"GET /" + b"a" * MAX_HEAD_BYTES + b" HTTP/1.1\r\nHost: " + server.host + b"\r\n\r\n")
    check_problem(response, ProblemCode.MALFORMED_JSON, 400)


def test_6_a_large_body_is_not_a_large_head(server: Served) -> None:
    with server.connect() as connection:
        for _ in range(2):
            body = b" " * MAX_ENVELOPE_BYTES
            head = b"POST /v1/submissions HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n" % server.host
            response = send(connection, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert check_problem(response, ProblemCode.MALFORMED_JSON, 400)["detail"] == "expected one JSON object"


def test_7_two_hundred_idle_connections_do_not_keep_others_waiting(server: Served) -> None:
    idle: list[socket.socket] = []
    try:
        for number in range(200):
            idle.append(server.connect())
            idle[-1].sendall(b"" if number % 2 else b"GET /health HTTP/1.1\r\nHost: ")
        response = server.ask(b"GET /health HTTP/1.1\r\nHost: " + server.host + b"\r\n\r\n")
        assert response.status_code == 200
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: +2\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length: 99999999999999999999999999\r\n",
    ],
)
def test_8_a_body_with_two_lengths_is_refused(server: Served, fields: bytes) -> None:
    head = b"POST /v1/submissions HTTP/1.1\r\nHost: " + server.host + b"\r\nContent-Type: application/json\r\n"
    check_problem(server.ask(head + fields + b"\r\n0\r\n\r\n"), ProblemCode.MALFORMED_JSON, 400)


@pytest.mark.parametrize(
    "request_line", [b"GET @host HTTP/1.1", b"GET /a b HTTP/1.1", b"G\x00T / HTTP/1.1", b"\x16\x03"]
)
def test_8_what_is_not_http_is_refused(server: Served, request_line: bytes) -> None:
    response = server.ask(request_line + b"\r\nHost: " + server.host + b"\r\n\r\n")
    check_problem(response, ProblemCode.MALFORMED_JSON, 400)


# --- 9 to 14: addresses, hosts, methods, values -----------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "//v1/feed",
        "/v1//feed",
        "/@host",
        "/%00",
        "/v1/feed%00",
        "/tile/0/..%2f",
        "/tile/0/..%2f..%2fv1%2fhub",
        "/tile/0/%00",
        "/tile/entries/..%2fsecret",
        "/tile/0/../entries/000.p/1",
        "/v1/feed/",
        "/v1/FEED",
        f"/{CANARY}",
        f"/v1/submissions/{CANARY}",
    ],
)
def test_9_odd_addresses_are_not_found(server: Served, target: str) -> None:
    response = server.ask(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: " + server.host + b"\r\n\r\n")
    check_problem(response, ProblemCode.NOT_FOUND, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/001",
        "/tile/0/000.p/0",
        "/tile/0/000.p/256",
        "/tile/0/000.p/2",
        "/tile/0/0",
        "/tile/0/x000/000",
        "/tile/0/000.p/١",
        "/tile/٠/000.p/1",
        "/tile/-1/000.p/1",
        "/tile/999/000.p/1",
        "/tile/99/000.p/1",
        "/tile/0/" + "x999/" * 4 + "999",
        "/tile/0/" + "x999/" * 5 + "999",
        "/tile/entries/000.p/2",
        "/tile/entries/000",
        "/tile/entries/" + "x999/" * 4 + "999",
        "/tile/entries/-01",
        "/tile/0/000.p/01",
        "/tile/00/000.p/1",
        "/tile/63/000.p/1",
        "/tile/64/000.p/1",
        "/tile/0/000.p/1/",
        "/tile/0/000.p/1.p/1",
        "/tile/0/.p/1",
        "/tile/entries/000.p/01",
        "/tile/entries//000.p/1",
        "/receipt/" + "0" * 64 + ".tlog-proof",
        "/receipt/" + "0" * 64,
        "/receipt/" + "A" * 64 + ".tlog-proof",
        "/receipt/" + "0" * 63 + ".tlog-proof",
        "/receipt/.tlog-proof",
        "/receipt/..%2f" + "0" * 64 + ".tlog-proof",
        "/receipt/%00.tlog-proof",
    ],
)
def test_9_a_tile_that_does_not_exist_is_not_found(standing_hub: RunningHub, path: str) -> None:
    check_problem(ask(standing_hub, "GET", path).response, ProblemCode.NOT_FOUND, 404)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:8701", "", "127.0.0.1:8700, evil.example"])
@pytest.mark.parametrize("path", [*GETS, "/nothing"])
def test_10_a_forged_host_is_refused(plain_hub: RunningHub, host: str, path: str) -> None:
    check_problem(ask(plain_hub, "GET", path, host=host or " ").response, ProblemCode.BAD_HOST, 400)


def test_10_two_hosts_or_none_are_refused(server: Served) -> None:
    both = b"Host: " + server.host + b"\r\nHost: evil.example\r\n"
    for fields in (both, b"Host: evil.example\r\nHost: " + server.host + b"\r\n", b""):
        assert server.ask(b"GET /health HTTP/1.1\r\n" + fields + b"\r\n").status_code == 400


def test_10_the_address_in_the_request_line_is_no_way_around_the_host(server: Served) -> None:
    check_problem(
        server.ask(b"GET http://%b/health HTTP/1.1\r\nHost: evil.example\r\n\r\n" % server.host),
        ProblemCode.BAD_HOST,
        400,
    )


@pytest.mark.parametrize("name", ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip"])
def test_11_what_a_proxy_would_say_is_ignored(server: Served, name: str) -> None:
    plain = b"GET /v1/hub HTTP/1.1\r\nHost: " + server.host + b"\r\n"
    claimed = server.ask(plain + name.encode() + b": " + server.host + b"\r\n\r\n")
    assert claimed.content == server.ask(plain + b"\r\n").content
    forged = server.ask(b"GET /v1/hub HTTP/1.1\r\nHost: evil.example\r\n%b: %b\r\n\r\n" % (name.encode(), server.host))
    check_problem(forged, ProblemCode.BAD_HOST, 400)


@pytest.mark.parametrize("method", ["TRACE", "PUT", "DELETE", "PATCH", "POST", "CONNECT", "OPTIONS", "HEAD", "QUUX"])
@pytest.mark.parametrize("path", GETS)
def test_12_another_method_on_a_read_is_refused_with_allow(plain_hub: RunningHub, method: str, path: str) -> None:
    response = ask(plain_hub, method, path).response
    check_problem(response, ProblemCode.METHOD_NOT_ALLOWED, 405)
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("method", ["GET", "PUT", "TRACE"])
@pytest.mark.parametrize("path", POSTS)
def test_12_another_method_on_a_write_is_refused_with_allow(plain_hub: RunningHub, method: str, path: str) -> None:
    response = ask(plain_hub, method, path).response
    check_problem(response, ProblemCode.METHOD_NOT_ALLOWED, 405)
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/health", "/checkpoint", "/tile/0/000.p/1", "/tile/entries/000.p/1"])
def test_13_a_range_of_thousands_of_parts_costs_nothing(standing_hub: RunningHub, path: str) -> None:
    ranges = "bytes=" + ",".join(f"{number}-{number}" for number in range(2500))  # as many as a head may hold
    answer = ask(standing_hub, "GET", path, headers=[("range", ranges)])
    assert answer.response.status_code == 200
    assert answer.response.content == standing_hub.client.get(path).content


@pytest.mark.parametrize("value", ["1000000000", "-1", "%D9%A1%D9%A2", "1", ""])
def test_14_a_limit_is_refused_because_the_hub_sets_it(resident: City, value: str) -> None:
    check_problem(resident.read(f"/v1/feed?from=0&limit={value}"), ProblemCode.BAD_PARAMETER, 422)


@pytest.mark.parametrize("query", ["from=0&from=1", "seen=0&seen=0", f"from=0&{CANARY}=1", "From=0"])
def test_14_a_parameter_twice_or_unknown_is_refused(resident: City, query: str) -> None:
    check_problem(resident.read(f"/v1/feed?{query}"), ProblemCode.BAD_PARAMETER, 422)


@pytest.mark.parametrize(
    "value", ["-1", "1000000000", "%D9%A1%D9%A2", "1.0", "1e3", "0x1", "", "%00", "9" * 5000, CANARY]
)
@pytest.mark.parametrize("name", ["from", "seen"])
def test_14_a_place_in_the_log_that_is_none_is_refused(resident: City, name: str, value: str) -> None:
    check_problem(resident.read(f"/v1/feed?{name}={value}"), ProblemCode.BAD_CURSOR, 400)


# --- all of them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*GETS, "/nothing"])
def test_every_reply_carries_the_security_headers(plain_hub: RunningHub, path: str) -> None:
    headers = ask(plain_hub, "GET", path).response.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/v1/feed?from=0", "/v1/members/me"])
def test_what_is_for_members_is_never_kept_by_a_cache(resident: City, path: str) -> None:
    assert resident.read(path).headers["cache-control"] == "no-store"


def test_nothing_of_this_left_a_trace_in_the_log(plain_hub: RunningHub) -> None:
    assert plain_hub.log_size() == 1  # its policy
    assert plain_hub.verb("verify")["ok"]
