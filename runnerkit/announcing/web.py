"""Messages by HTTP: Slack's incoming webhooks, and webhooks of one's own."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from contextlib import suppress
from http.client import HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from runnerkit.errors import ConfigError, NotTold
from runnerkit.job import wording

if TYPE_CHECKING:
    from runnerkit.job.notifying import Message

SLOWEST = 10.0  # seconds for each step of a request
PAUSE = 1.0
LONGEST_PAUSE = 5.0
TRIES = 2
TOO_MANY = 429
SERVERS_FAULT = 500
SAID = 200  # characters of an answer that are shown
_HINTS = {
    400: "the receiver does not understand the message",
    401: "the receiver wants credentials",
    403: "the webhook was switched off, or this channel does not take it",
    404: "the webhook does not exist any more; make a new one",
    410: "the channel of this webhook is archived; make a new one",
}


class _NoRedirects(HTTPRedirectHandler):
    """An address that is a secret is given to nobody whom somebody else names."""

    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401 - whatever it is, the answer is no
        """Refuse."""


class Webhook:
    """An address that takes messages by POST. The address is a secret, and never shown.

    Args:
        kind: ``slack`` or ``webhook``.
        url: https, or http on this machine.
        variable: The variable from which it is; empty for none.
        secret: Signs each body: ``X-Hub-Signature-256: sha256=HEX``, as GitHub's webhooks do; empty: unsigned.

    Raises:
        ConfigError: It is no such address.
    """

    def __init__(self, kind: str, url: str, variable: str = "", *, secret: str = "") -> None:
        try:
            parts = urlsplit(url)
            host, local = parts.hostname or "", _is_local(parts.hostname or "")
            bad = parts.port == 0
        except ValueError:
            host, local, bad, parts = "", False, True, urlsplit("")
        if bad or not host or parts.scheme not in {"https", "http"} or any(sign <= " " for sign in url):
            raise ConfigError(f"{_shown(kind, '', variable)} is no address", hint="an address begins with https://")
        if parts.scheme == "http" and not local:
            raise ConfigError(f"{_shown(kind, host, variable)} is not https", hint="messages travel by https only")
        self.kind, self._url, self._secret = kind, url, secret
        self.name = _shown(kind, host, variable)
        self._opener = build_opener(_NoRedirects, *([ProxyHandler({})] if local else []))

    def send(self, message: Message) -> None:
        """By POST, twice at most."""
        said = wording.slack(message) if self.kind == "slack" else wording.webhook(message)
        request = self._request(json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"), message)
        for left in reversed(range(TRIES)):
            try:
                with self._opener.open(request, timeout=SLOWEST):
                    return
            except HTTPError as error:
                with error:
                    failure, pause = self._refused(error), _pause(error)
                if not left or (error.code < SERVERS_FAULT and error.code != TOO_MANY):
                    raise failure from None
            except (OSError, HTTPException, ValueError) as error:
                # The library's own words may have the address in them; a reason is no address.
                reason = getattr(error, "reason", error)
                pause = PAUSE
                if not left:
                    told = str(reason).replace(self._url, "***")
                    raise NotTold(f"{self.name} cannot be reached: {told}", hint="see to the network") from None
            time.sleep(pause)

    def _request(self, raw: bytes, message: Message) -> Request:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "runnerkit",
            "X-Runnerkit-Event": str(message.moment),
        }
        if self._secret:
            signed = hmac.new(self._secret.encode(), raw, hashlib.sha256).hexdigest()
            headers["X-Hub-Signature-256"] = f"sha256={signed}"
        return Request(self._url, data=raw, headers=headers, method="POST")  # noqa: S310 - http and https only, see above

    def _refused(self, error: HTTPError) -> NotTold:
        with suppress(OSError, HTTPException, ValueError):
            said = " ".join(error.read(4 * SAID).decode("utf-8", "replace").split())[:SAID].replace(self._url, "***")
            told = f" ({said})" if said else ""
            return NotTold(f"{self.name} answered {error.code}{told}", hint=_HINTS.get(error.code, ""))
        return NotTold(f"{self.name} answered {error.code}", hint=_HINTS.get(error.code, ""))


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(kind: str, host: str, variable: str) -> str:
    """The target without its secret part."""
    return f"{kind}:{variable}" if variable else f"{kind}:{f'https://{host}/***' if host else '***'}"


def _pause(error: HTTPError) -> float:
    said = error.headers.get("Retry-After", "") if error.headers else ""
    return min(float(said), LONGEST_PAUSE) if said.isascii() and said.isdigit() else PAUSE
