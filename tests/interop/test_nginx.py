"""The static files as nginx serves them with our example: the very bytes and headers of the hub.

Needs nginx; on Debian: apt-get install nginx-light.
"""

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from regional_hub import log_verbs
from regional_hub.static_files import StaticFiles
from shared_schema.tiles import CHECKPOINT_PATH, LogFile, files_of
from tests.regional_hub.running import RunningHub

pytestmark = pytest.mark.long
EXAMPLE = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf.example"
SECONDS = 30


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if found is None:
        pytest.skip("nginx is missing (apt-get install nginx-light)")
    return found


@contextmanager
def serving(nginx: str, folder: Path, place: Path, port: int) -> Iterator[str]:
    """Nginx with the example's configuration, but for TLS, the port and the folder."""
    example = EXAMPLE.read_text()
    for old, new in (
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port};"),
        ("/var/lib/prevention-exchange/log", str(folder)),
        ("ssl_certificate     /etc/ssl/hub.sachsen.example.pem;", ""),
        ("ssl_certificate_key /etc/ssl/hub.sachsen.example.key;", ""),
    ):
        assert example.count(old) == 1
        example = example.replace(old, new)
    user = "user root;" if getpass.getuser() == "root" else ""
    place.mkdir()
    config = place / "nginx.conf"
    config.write_text(
        f"{user} pid {place}/pid; error_log {place}/error.log; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;"
        f" fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n{example} }}\n"
    )
    command = [nginx, "-c", str(config)]
    subprocess.run(command, check=True, timeout=SECONDS)  # returns when it listens
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run([*command, "-s", "stop"], check=True, timeout=SECONDS)


def test_nginx_serves_what_the_hub_serves(nginx: str, hub: RunningHub, tmp_path: Path, free_port: int) -> None:
    folder = tmp_path / "public"
    city = hub.enrol("leipzig.sn.de")
    files = StaticFiles(hub.hub.database, hub.hub.name, folder)
    for size in (250, 298):
        hub.accept_many([city.sign() for _ in range(size - hub.log_size())])
        hub.hub.keep_fresh()  # as the hub itself does before it publishes
        files.publish()
    with serving(nginx, folder, tmp_path / "nginx", free_port) as url, httpx.Client(base_url=url) as client:
        for path in (CHECKPOINT_PATH, *(file.path for file in (*files_of(298), *files_of(250)))):
            ours = hub.client.get("/" + path)
            theirs = client.get("/" + path, headers={"Accept-Encoding": "identity"})
            assert theirs.status_code == ours.status_code == 200
            assert theirs.content == ours.content
            for name in ("content-type", "cache-control", "x-content-type-options"):
                assert theirs.headers[name] == ours.headers[name], (path, name)
        for path in ("/.lock", "/tile/0/.000.new", "/tile/00/000", "/tile/64/000", "/x", "/tile/../.lock", "/hub.db"):
            assert client.get(path).status_code == 404
        assert client.get("/" + LogFile(None, 0).path).headers["content-encoding"] == "gzip"
        result = log_verbs.verify_foreign(hub.hub.verifier.vkey, url=url, files=None)
        assert result["ok"] and result["entries"] == 298
