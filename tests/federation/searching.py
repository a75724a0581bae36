"""A search through every file of a federation, in the spellings in which a content can lie there."""

import base64
from pathlib import Path


def find_in_files(directory: Path, *needles: str) -> list[str]:
    """Which files below a directory hold one of the texts: plain, in hexadecimal, or within base64."""
    wanted = [spelling for needle in needles for spelling in spellings(needle.encode())]
    hexadecimal = [needle.encode().hex().encode() for needle in needles]
    found = []
    for path in sorted(each for each in directory.rglob("*") if each.is_file()):
        content = path.read_bytes()
        lower = content.lower()
        if any(each in content for each in wanted) or any(each in lower for each in hexadecimal):
            found.append(str(path.relative_to(directory)))
    return found


def spellings(data: bytes) -> list[bytes]:
    """The bytes themselves, and what every base64 text that has them holds, for each of the three alignments."""
    result = [data]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + data)
        first = (shift * 8 + 5) // 6
        last = (len(data) + shift) * 8 // 6
        inner = encoded[first:last]
        result += [inner, inner.replace(b"+", b"-").replace(b"/", b"_")]
    return result
