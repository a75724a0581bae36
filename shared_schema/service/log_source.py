"""Where the public files of a log come from: a folder, or a hub or web server over HTTP. Neither is believed.

with open_url("https://hub.sachsen.example") as fetch:
    checkpoint = verify_checkpoint(fetch("checkpoint").decode(), verifier)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from shared_schema.service.hub_api import HubUnreachable, check_hub_url, new_client, read_bounded, retry_after
from shared_schema.tiles import CHECKPOINT_PATH, Fetch, FileMissingError, LogFileError, parse_path

MAX_FILE_BYTES = 8 * 1024 * 1024
NOT_FOUND = 404


@contextmanager
def open_folder(folder: Path) -> Iterator[Fetch]:
    """The files in a folder, such as a hub's `static_dir` or a download of it."""

    def fetch(path: str) -> bytes:
        _check_path(path)
        try:
            with (folder / path).open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            raise FileMissingError(path) from None
        except OSError:
            raise LogFileError(path, "a file that can be read") from None
        if len(data) > MAX_FILE_BYTES:
            raise LogFileError(path, f"at most {MAX_FILE_BYTES} bytes")
        return data

    yield fetch


@contextmanager
def open_url(url: str, transport: httpx.BaseTransport | None = None) -> Iterator[Fetch]:
    """The files under an address; no redirects, no proxies from the environment, a bounded answer.

    Raises SchemaError for an address that is none; reading raises HubUnreachable for everything but 200 and 404.
    """
    base = check_hub_url(url)
    with new_client(transport) as client:

        def fetch(path: str) -> bytes:
            _check_path(path)
            try:
                with client.stream("GET", f"{base}/{path}") as response:
                    content = read_bounded(response)
            except httpx.HTTPError as error:
                raise HubUnreachable(f"expected an answer from the log ({type(error).__name__})") from None
            if response.status_code == NOT_FOUND:
                raise FileMissingError(path)
            if response.status_code != httpx.codes.OK:
                raise HubUnreachable(f"expected status 200, got {response.status_code}", retry_after(response))
            return content

        yield fetch


def _check_path(path: str) -> None:
    """Only what a log has: a path is made by the reader, but a folder is worth a second look."""
    if path != CHECKPOINT_PATH:
        parse_path(path)
