"""Long answers, written whole before the first piece is sent, into memory or a file without a name.

A reader that takes its time must not keep a connection to the database, nor what is erased meanwhile in its files.
"""

from collections.abc import Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Final

IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
"""More than the answer to any question that a page asks."""
PIECE_BYTES: Final = 64 * 1024


def spool(pieces: Iterable[bytes]) -> IO[bytes]:
    """All pieces, to be read from the beginning; `pieces_of` closes it."""
    written = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
    for piece in pieces:
        written.write(piece)
    written.seek(0)
    return written


def pieces_of(written: IO[bytes]) -> Iterator[bytes]:
    """What was spooled, piece by piece; it is gone at the end."""
    with written:
        while piece := written.read(PIECE_BYTES):
            yield piece
