"""The contract: all that a node and a hub must agree on.

Everything outside `service/` is made of the standard library, pydantic and cryptography, opens nothing, reads no clock
and draws no random number. Node and hub are built on it and never import each other.
"""

PROTOCOL_VERSION = 1

SOFTWARE_VERSION = "0.1.0"
"""The version of both programs, as in pyproject.toml; a test compares them. Members name it in their requests."""
