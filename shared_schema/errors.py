"""The errors of the contract. A message says what was expected, never what the content was."""

from shared_schema.problem import ProblemCode


class ContractError(Exception):
    """Base of every error of the contract; `code` is stable, the message is for people.

    `place` names the field that was wrong (`body.cells.3.value`), never its content.
    """

    code: ProblemCode = ProblemCode.SCHEMA

    def __init__(self, message: str, *, code: ProblemCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class SchemaError(ContractError):
    """The form is wrong: an unknown field, a wrong type, a text that may not be."""


class MalformedError(SchemaError):
    """The bytes are not what we read at all: not JSON, not canonical, too deep."""

    code = ProblemCode.MALFORMED_JSON


class VerificationError(ContractError):
    """A signature, a key, a proof or a checkpoint does not hold."""

    code = ProblemCode.BAD_SIGNATURE


class ShareError(VerificationError):
    """Shares of counts are refused: one is out of its range, or they are not the ones that the client made together.

    Nobody has seen the counts, so no message can say which.
    """

    code = ProblemCode.BAD_SHARE


class BatchError(ContractError):
    """A sealed total has come to another step, or was asked for a second answer where there is one for ever."""

    code = ProblemCode.BATCH_STATE


class ReleaseRuleError(ContractError):
    """The floor that node and hub both apply is not kept."""

    code = ProblemCode.RELEASE_RULE


class FeedError(VerificationError):
    """What a hub serves does not follow from what it served before. The reader stops and keeps what it has."""

    code = ProblemCode.FEED_FORK


class ProgramError(Exception):
    """What a program refuses on its own account, for which the contract between programs has no word.

    `code` is stable and for programs, the message is for people and says what was expected.
    """

    code: str = "program"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
