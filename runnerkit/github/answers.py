"""What GitHub's refusals mean: one table from statuses to errors, written for whoever has to act on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runnerkit.errors import ForgeDenied, ForgeError, ForgeRejected, ForgeUnavailable, NameTaken, NotFound, RunnerBusy

if TYPE_CHECKING:
    from runnerkit.github.asks import Answer, Ask

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_MISSING = 404
_REQUEST_TIMEOUT = 408
_BROKEN = 500
_OF_APPS = "not accessible by integration"
_DENIALS = ("not accessible by", "must have admin", "must be an owner", "must authenticate", "saml")

_NEEDED = "a fine-grained token with administration: write on the repository, or a GitHub App with that permission"
_INSTALLATION = "look at the App's installation in its owner's settings: it may be suspended"
_HINTS: dict[type[ForgeError], str] = {
    NameTaken: "look the runner up by its name: somebody registered it first",
    RunnerBusy: "it will end with its job; try again then",
}


def refused(status: int) -> bool:
    """Whether a status means that GitHub did not do what was asked."""
    return status >= 300 and status != 304  # noqa: PLR2004 - HTTP's own classes


def complaint(ask: Ask, answer: Answer) -> ForgeError:
    """The error that a refusal is to the caller; rate limits have been seen to before."""
    if answer.status >= _BROKEN or answer.status == _REQUEST_TIMEOUT:
        return _unavailable(ask, answer)
    if answer.status == _UNAUTHORIZED:
        return _bad_token(ask, answer)
    if answer.status in ask.meanings and not _is_denial(answer):
        kind = ask.meanings[answer.status]
        return kind(_said(ask, answer), hint=_HINTS.get(kind, ""))
    if answer.status == _FORBIDDEN:
        return _denied(ask, answer)
    if answer.status == _MISSING:
        return _missing(ask, answer)
    return ForgeRejected(_said(ask, answer), hint="the request has to change before GitHub accepts it")


def _said(ask: Ask, answer: Answer) -> str:
    return f"GitHub refused to {ask.what}: {answer.message or 'it gave no reason'} (status {answer.status})"


def _unavailable(ask: Ask, answer: Answer) -> ForgeUnavailable:
    told = f": {answer.message}" if answer.message else ""
    return ForgeUnavailable(
        f"GitHub failed when asked to {ask.what} (status {answer.status}){told}",
        hint="try again later; GitHub's status page tells of outages",
    )


def _bad_token(ask: Ask, answer: Answer) -> ForgeDenied:
    told = answer.message or "no reason given"
    return ForgeDenied(
        f"GitHub does not accept the token used to {ask.what}: {told} (status 401)",
        hint="it is wrong, revoked or has expired: create a new one and set github.token,"
        " or check github.app_id and the App's private key (and this machine's clock)",
    )


def _missing(ask: Ask, answer: Answer) -> NotFound:
    return NotFound(
        f"GitHub found nothing to {ask.what}: {answer.message or 'Not Found'} (status 404)",
        hint=f"it does not exist, or this token may not see it; needed is {ask.need.text} on {_named(ask)}",
    )


def _is_denial(answer: Answer) -> bool:
    told = answer.message.lower()
    return answer.status == _FORBIDDEN and ("x-github-sso" in answer.headers or any(each in told for each in _DENIALS))


def _denied(ask: Ask, answer: Answer) -> ForgeDenied:
    if "x-github-sso" in answer.headers:
        return ForgeDenied(
            _said(ask, answer), hint="authorise the token for the organisation's single sign-on in its settings"
        )
    if not ask.need.token:
        return ForgeDenied(_said(ask, answer), hint=f"{_INSTALLATION}; needed is {ask.need.text}")
    if ask.registers and _OF_APPS in answer.message.lower():
        return ForgeDenied(
            f"{_said(ask, answer)}. The GITHUB_TOKEN of an Actions workflow cannot register runners, whatever"
            " `permissions:` says, and neither can an App's token that lacks the permission",
            hint=f"set github.token or github.app_id to something that may: {_needed_to_register(ask)}",
        )
    # What else GitHub calls forbidden (an archived repository, an address that is not allowed) it says in words.
    lead = "" if _is_denial(answer) or not answer.message else "change what GitHub names; if that is the token, "
    return ForgeDenied(_said(ask, answer), hint=f"{lead}give the token this permission: {_permission(ask, answer)}")


def _needed_to_register(ask: Ask) -> str:
    return _NEEDED.replace("administration: write on the repository", _place(ask))


def _place(ask: Ask) -> str:
    where = f"the repository {ask.repo}" if ask.path.startswith("/repos/") else "the organisation"
    return f"{ask.need.text} on {where}"


def _named(ask: Ask) -> str:
    _, kind, owner, *_ = f"{ask.path}//".split("/")
    return f"the organisation {owner}" if kind == "orgs" else ask.repo


def _permission(ask: Ask, answer: Answer) -> str:
    """The permission by GitHub's own header where it sends one: ``issues=write; pull_requests=write``."""
    told = answer.headers.get("x-accepted-github-permissions", "")
    if "=" in told:
        return " or ".join(each.strip().replace("=", ": ").replace(",", " and ") for each in told.split(";"))
    return f"{ask.need.text} (classic token: scope {ask.need.scope})" if ask.need.scope else ask.need.text
