"""The errors of the node. A message says what was expected, and never repeats what a record holds."""

from shared_schema.errors import ProgramError


class NodeError(ProgramError):
    """Base of every error of the node; `code` is stable and for programs, the message is for people."""

    code = "node"


class RecordError(NodeError):
    """A file or a mapping cannot be read, or what it says cannot be stored."""

    code = "record"


class TabulationError(NodeError):
    """Records cannot be counted on the table's grid."""

    code = "tabulation"


class DisclosureError(NodeError):
    """A frequency table and a stored draw do not belong together."""

    code = "disclosure"


class LedgerError(NodeError):
    """A charge would spend more than the policy allows, or the ledger does not hold together."""

    code = "ledger"


class ReviewError(NodeError):
    """This person may not decide this request in this way."""

    code = "review"


class ReleaseError(NodeError):
    """A release cannot be asked for, shown or signed."""

    code = "release"


class AuditError(NodeError):
    """An audit event has a form it may not have, or the log does not hold together."""

    code = "audit"
