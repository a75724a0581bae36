"""One line of text that a person gives: a name of a view, a subject of an e-mail. It holds no line break and no mark
that turns the direction of writing, so that it cannot pretend to be something else where it is shown."""

import unicodedata

_FORBIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Control, format, surrogate, private, unassigned characters, and separators of lines and paragraphs."""


def check_line(text: str, most: int, refusal: Exception) -> str:
    """The text without blanks around it and with single ones inside.

    Raises `refusal` for an empty or too long text, and for one with characters that nobody sees.
    """
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if not 0 < len(line) <= most or any(unicodedata.category(letter) in _FORBIDDEN for letter in line):
        raise refusal
    return line


def as_line(text: str, most: int) -> str:
    """The text as one line of at most `most` letters, without the characters that `check_line` refuses."""
    seen = "".join(" " if unicodedata.category(letter) in _FORBIDDEN else letter for letter in text)
    line = " ".join(seen.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def as_xml(text: str) -> str:
    """The text without the characters that XML 1.0 does not have (section 2.2); escaping is left to the writer."""
    return "".join(letter for letter in text if _is_xml(ord(letter)))


def _is_xml(code: int) -> bool:
    return code in (0x9, 0xA, 0xD) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
