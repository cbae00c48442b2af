"""The job's identity: a token that GitHub signs, and that is asked for anew each time.

https://docs.github.com/en/actions/reference/security/oidc
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from runnerkit.errors import ConfigError, ForgeDenied, ForgeUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

URL, TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
SECONDS = (5.0, 20.0)
TRIES = 3
_BROKEN = 500


def ask(environ: Mapping[str, str], audience: str) -> str:
    """The token of the running job for an audience; it is valid for some minutes.

    Args:
        environ: Where GitHub says whom to ask.
        audience: Who shall accept it.

    Raises:
        ConfigError: This is no job, or one without ``id-token: write``.
        ForgeDenied: GitHub does not vouch for this job, or not any more.
        ForgeUnavailable: GitHub does not answer, or what it answers is no token.
    """
    import requests

    url, token = environ.get(URL, ""), environ.get(TOKEN, "")
    if not url or not token:
        raise _no_permission(environ)
    address = f"{url}{'&' if '?' in url else '?'}audience={quote(audience, safe='')}"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "runnerkit"}
    fault = ""
    for _ in range(TRIES):
        try:
            answer = requests.get(address, headers=headers, timeout=SECONDS, allow_redirects=False)
        except requests.RequestException as error:
            fault = f"{type(error).__name__} at {address.partition('?')[0]}"
            continue
        if answer.status_code < _BROKEN:
            return _value(answer)
        fault = f"status {answer.status_code}"
    raise ForgeUnavailable(
        f"GitHub's token service does not answer: {fault}",
        hint="it is asked again at the next need; outside of a running job it answers nobody",
    )


def _value(answer: object) -> str:
    status: int = answer.status_code  # type: ignore[attr-defined]  # requests is imported when it is needed
    if status != 200:  # noqa: PLR2004 - HTTP's own number
        raise ForgeDenied(
            f"GitHub gives this job no token any more (status {status}): it vouches for a job while that runs",
            hint="is the run over, or was it cancelled? Work of days needs a machine with profile= instead",
        )
    try:
        value = answer.json()["value"]  # type: ignore[attr-defined]  # as above
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        raise ForgeUnavailable("what GitHub's token service answers is no token", hint="does a proxy answer for it?")
    return value


def _no_permission(environ: Mapping[str, str]) -> ConfigError:
    if environ.get("GITHUB_ACTIONS") == "true":
        return ConfigError(
            "GitHub gives this job no identity: it lacks the permission `id-token: write`",
            hint="add `permissions: {id-token: write, contents: read}` to the job; a fork's pull request never gets it",
        )
    return ConfigError(
        f"this is no job of GitHub Actions: {URL} is not set",
        hint="on a machine of yours use your own AWS credentials; in a container, hand the variable on",
    )
