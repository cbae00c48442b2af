"""Why GitHub says no: raised by the rules, turned into HTTP by the service."""

import enum


class Reason(enum.Enum):
    """The kinds of refusal the rules know, with the HTTP status GitHub gives each."""

    MALFORMED = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    MISSING = 404
    NOT_ALLOWED = 405
    CONFLICT = 409
    INVALID = 422


class Refused(Exception):
    """GitHub declines; ``message`` is the one it puts into the body."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def missing() -> Refused:
    """What GitHub says of all that does not exist or is not shown."""
    return Refused(Reason.MISSING, "Not Found")


def invalid(message: str) -> Refused:
    """The request is understood and cannot be done as asked."""
    return Refused(Reason.INVALID, message)


def forbidden(message: str) -> Refused:
    """The caller may not do this, or not now."""
    return Refused(Reason.FORBIDDEN, message)
