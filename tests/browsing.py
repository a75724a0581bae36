"""A browser without a window, for the pages of both programs: keeps cookies, sends forms, follows when told to."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from shared_schema.service.passwords import hash_password

PASSWORD: Final = "late trains sing softly"
FORM: Final = "application/x-www-form-urlencoded"
Fields = Mapping[str, str | list[str]]


@cache
def password_hash() -> str:
    """The hash of the password, made once a process."""
    return hash_password(PASSWORD)


class PageBrowser(ABC):
    """One browser; where it looks, and who is signed in, says the class of the program."""

    cookies: dict[str, str]

    @abstractmethod
    def send(self, method: str, path: str, headers: dict[bytes, bytes], **body: Any) -> httpx.Response:
        """Ask the application."""

    def get(self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask for an address as a person's browser does; a redirection is not followed."""
        return self._ask(method, path, headers)

    def page(self, path: str) -> str:
        """The text of a page that is there."""
        response = self.get(path)
        assert response.status_code == 200, (path, response.status_code, response.headers.get("location"))
        return response.text

    def post(
        self,
        path: str,
        fields: Fields | None = None,
        *,
        files: Mapping[str, tuple[str, bytes]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a form of this site."""
        ours = {"Sec-Fetch-Site": "same-origin"} | dict(headers or {})
        if files is not None:
            return self._ask("POST", path, ours, data=dict(fields or {}), files=dict(files))
        content = urlencode(dict(fields or {}), doseq=True).encode()
        return self._ask("POST", path, {"Content-Type": FORM} | ours, content=content)

    def follow(self, response: httpx.Response) -> str:
        """The page that an answer leads to."""
        assert response.status_code == 303, response.text
        return self.page(response.headers["location"])

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None, **body: Any) -> httpx.Response:
        sent = {"Accept": "text/html"} | dict(headers or {})
        if self.cookies:  # by hand: the client would not send a secure cookie to a loopback address
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        as_bytes = {name.encode(): value.encode() for name, value in sent.items()}
        response = self.send(method, path, as_bytes, **body)
        for cookie in response.headers.get_list("set-cookie"):
            name, _, rest = cookie.partition("=")
            value = rest.partition(";")[0].strip('"')
            if value and "max-age=0" not in cookie.lower():
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return response
