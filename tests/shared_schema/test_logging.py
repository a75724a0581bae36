"""Logs go to standard error as it is at that moment, and carry known fields alone."""

import contextlib
import io
from collections.abc import Iterator

import pytest
import structlog

from shared_schema.service.logging import configure_logging, get_logger


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_line_goes_where_standard_error_leads_now(capsys: pytest.CaptureFixture[str]) -> None:
    with io.StringIO() as earlier, contextlib.redirect_stderr(earlier):
        configure_logging()
    get_logger().warning("page-stored", hub="sachsen.de", text="what nobody thought of")
    written = capsys.readouterr()
    assert '"hub": "sachsen.de"' in written.err and written.out == ""
    assert "nobody" not in written.err
