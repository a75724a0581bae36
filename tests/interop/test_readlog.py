"""A tool of others reads the hub's log: Go's sumdb/note and sumdb/tlog, over HTTP, from a hub that runs.

Needs Go and golang.org/x/mod; on Debian: apt-get install golang-go golang-golang-x-mod-dev.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import select, update

from regional_hub.orm import TileRow
from shared_schema.checkpoint import Checkpoint, NoteVerifier
from shared_schema.entry import Receipt
from shared_schema.envelope import parse_envelope
from tests.regional_hub.running import City, RunningHub, key_of
from tests.regional_hub.sockets import Served, served

pytestmark = pytest.mark.long
SOURCE = Path(__file__).parent / "readlog.go"
GO_PATH = Path("/usr/share/gocode")
"""Where Debian puts the sources of Go packages."""
BUILD_SECONDS = 300


@pytest.fixture(scope="module")
def readlog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built without the network."""
    go = shutil.which("go")
    if go is None or not (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("go with golang.org/x/mod is missing (apt-get install golang-go golang-golang-x-mod-dev)")
    folder = tmp_path_factory.mktemp("go")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GOCACHE": str(folder / "cache"),
        "GOPATH": str(GO_PATH), "GO111MODULE": "off", "CGO_ENABLED": "0",
    }  # fmt: skip
    subprocess.run(
        [go, "build", "-o", str(folder / "readlog"), str(SOURCE)], env=environment, check=True, timeout=BUILD_SECONDS
    )
    return folder / "readlog"


def ask(readlog: Path, server: Served, *arguments: str) -> subprocess.CompletedProcess[str]:
    host, port = server.address
    place = ["-url", f"http://{host}:{port}", "-host", server.host.decode()]
    command = [str(readlog), *place, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)


def grow(hub: RunningHub, city: City, size: int) -> None:
    while missing := min(200, size - hub.log_size()):
        hub.accept_many([city.sign() for _ in range(missing)])


def test_a_tool_of_others_verifies_every_entry_and_that_the_log_only_grew(
    readlog: Path, hub: RunningHub, tmp_path: Path
) -> None:
    city = hub.enrol("leipzig.sn.de")
    for size in (3, 255, 256, 257, 300, 700):
        earlier = tmp_path / f"before-{size}"
        earlier.write_bytes(hub.client.get("/checkpoint").content)
        before = hub.log_size()
        grow(hub, city, size)
        body = city.sign()
        receipt = Receipt.from_object(hub.accept(body))
        proof, entry = tmp_path / "proof", tmp_path / "entry"
        proof.write_bytes(hub.client.get(f"/receipt/{parse_envelope(body).digest}.tlog-proof").content)
        entry.write_bytes(receipt.entry.to_bytes())
        with served(hub) as server:
            done = ask(
                readlog, server, "-vkey", hub.hub.verifier.vkey, "-old", str(earlier),
                "-proof", str(proof), "-entry", str(entry),
            )  # fmt: skip
        assert done.stderr == "" and done.returncode == 0
        assert done.stdout.splitlines() == [
            f"checkpoint {size + 1}",
            f"included {size + 1}",
            f"consistent {before} {size + 1}",
            f"proved {size} in {size + 1}",
        ]
        print(done.stdout)


def test_a_tool_of_others_refuses_another_key_and_a_checkpoint_of_another_log(
    readlog: Path, hub: RunningHub, tmp_path: Path
) -> None:
    city = hub.enrol("leipzig.sn.de")
    grow(hub, city, 300)
    with served(hub) as server:
        other = NoteVerifier(hub.hub.name, key_of("bayern.de").public).vkey
        assert ask(readlog, server, "-vkey", other).returncode != 0
        false = tmp_path / "false"
        false.write_text(Checkpoint(hub.hub.name, 200, bytes(32)).sign(key_of(hub.hub.name)))
        done = ask(readlog, server, "-vkey", hub.hub.verifier.vkey, "-old", str(false))
        assert done.returncode != 0 and "consistent" not in done.stdout


def test_a_tool_of_others_refuses_one_flipped_bit_in_any_tile(readlog: Path, hub: RunningHub) -> None:
    city = hub.enrol("leipzig.sn.de")
    grow(hub, city, 300)
    vkey = hub.hub.verifier.vkey
    with served(hub) as server:
        assert ask(readlog, server, "-vkey", vkey).returncode == 0
        with hub.hub.database.read() as session:
            places = [(row.level, row.number, row.hashes) for row in session.scalars(select(TileRow))]
        assert len(places) == 3
        for level, number, hashes in places:
            here = (TileRow.level == level, TileRow.number == number)
            with hub.hub.database.write() as session:
                session.execute(update(TileRow).where(*here).values(hashes=bytes([hashes[0] ^ 1, *hashes[1:]])))
            assert ask(readlog, server, "-vkey", vkey).returncode != 0
            with hub.hub.database.write() as session:
                session.execute(update(TileRow).where(*here).values(hashes=hashes))
        assert ask(readlog, server, "-vkey", vkey).returncode == 0
