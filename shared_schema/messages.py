"""How a rule marks a sentence that people will read, so that the catalogues of translations know it."""


def N_(text: str) -> str:
    """The text itself; it is translated where it is shown."""
    return text
