"""The hub's errors. Messages say what was expected and never repeat what was sent."""

from shared_schema.errors import ContractError
from shared_schema.problem import ProblemCode


class HubError(ContractError):
    """Base of everything a hub refuses on its own account."""

    code = ProblemCode.BAD_PARAMETER


class IntakeError(HubError):
    """A submission is not taken; nothing has changed."""


class EnrolmentError(HubError):
    """Somebody may not become a member like this."""

    code = ProblemCode.ENROLMENT_CODE


class LogError(HubError):
    """The log does not hold what it should; nothing is signed."""

    code = ProblemCode.INTERNAL


class LogHeldError(HubError):
    """The hub was restored from an old copy and may not have all that it has signed: it signs nothing until it has."""

    code = ProblemCode.LOG_BEHIND

    def __init__(self) -> None:
        super().__init__("expected to be asked again later: this hub is being restored and signs nothing until then")
