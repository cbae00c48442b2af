"""A machine of a burst learns who it is: it waits for a parameter of its own, reads it, deletes it."""

from __future__ import annotations

import json
import random
import time
import urllib.error
import urllib.request
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING, Any, NamedTuple

from .imds import Imds
from .machine import Missing, run, say, when, write_json, write_text
from .rules import BootFailed, Rules
from .signing import Keys, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .machine import Paths

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_SSM"
SERVICE = "ssm"
# What the parameter tells; the rest of what the machine must know is in its user data.
OWN = ("name", "repo", "labels", "facts", "prices")
NOT_YET = "ParameterNotFound"
# Without the parameter nobody can tell it from one that is somebody else's.
UNSAID = (NOT_YET, "AccessDeniedException")
SERVER_SIDE = 500
TIMEOUT = 10
# Seconds between two looks. Source: Parameter Store answers 40 reads a second to all machines of a region together.
FIRST, LAST, SLOWEST = 1.0, 3.0, 15.0
GROWTH = 1.3
# Left of the boot's deadline when we give up: time to say why.
SPARE = 30.0
# The timer that ends a boot that takes too long.
DEADLINE = "runnerkit-boot-off.timer"
DELETE_TRIES = 4


class Refused(Exception):
    """AWS says no; ``slower`` tells that it wants to be asked less often, or cannot answer just now."""

    def __init__(self, code: str, text: str, *, slower: bool = False) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.slower = slower


class Place(NamedTuple):
    """Where this machine's parameter is."""

    name: str
    region: str
    endpoint: str


class Store:
    """Parameter Store, as the role of this machine may use it.

    Args:
        imds: Where the role's credentials come from. They are read for every call, so they never expire here.
        place: Where the parameter is.
    """

    def __init__(self, imds: Imds, place: Place) -> None:
        self._imds = imds
        self._place = place
        self._ahead = 0.0

    def read(self) -> str:
        """The parameter's text.

        Raises:
            Refused: AWS says no, or not yet.
            OSError: AWS or the metadata service cannot be reached.
        """
        said = self._call("GetParameter", {"Name": self._place.name, "WithDecryption": True})
        return str(said["Parameter"]["Value"])

    def delete(self) -> None:
        """Delete it; it may be gone already."""
        try:
            self._call("DeleteParameter", {"Name": self._place.name})
        except Refused as refused:
            if refused.code != NOT_YET:
                raise

    def _call(self, action: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(asked).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"AmazonSSM.{action}"}
        host = self._place.endpoint.partition("://")[2].partition("/")[0]
        place = (self._place.region, SERVICE)
        sent = signed(self._keys(), place, host, headers, body, time.time() + self._ahead)
        request = urllib.request.Request(f"{self._place.endpoint}/", body, sent)  # noqa: S310 - AWS's, or the setting's
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - as above
                said: dict[str, Any] = json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        return said

    def _refused(self, error: urllib.error.HTTPError) -> Refused:
        text = error.read().decode("utf-8", "replace")
        try:
            said = json.loads(text)
            code = str(said.get("__type", "")).rpartition("#")[2] or f"HTTP {error.code}"
            message = str(said.get("message") or said.get("Message") or "")
        except (ValueError, AttributeError):
            code, message = f"HTTP {error.code}", text[:200]
        date = parsedate_tz(error.headers.get("Date") or "")
        if date:
            # A clock that is wrong by minutes makes every signature wrong.
            self._ahead = mktime_tz(date) - time.time()
        return Refused(code, message, slower=error.code >= SERVER_SIDE or "Throttl" in code or "TooMany" in code)

    def _keys(self) -> Keys:
        role = (self._imds.get("meta-data/iam/security-credentials/") or "").strip().partition("\n")[0]
        text = self._imds.get(f"meta-data/iam/security-credentials/{role}") if role else None
        if not text:
            raise Refused("NoRole", "this instance has no role, so it may read nothing")
        said = json.loads(text)
        return Keys(said["AccessKeyId"], said["SecretAccessKey"], said.get("Token", ""))


def receive(
    paths: Paths, machine: Mapping[str, Any], environ: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Wait for the parameter, write what it says where user data would have put it, and delete it.

    Raises:
        BootFailed: It did not come in time, or makes no sense; the message says why.
    """
    imds = Imds(environ)
    place = _place(imds, str(machine["parameters"]), environ)
    store = Store(imds, place)
    within = Rules.of(machine).online_within
    booted = _armed(paths)
    told = _understood(_wait(store, place, booted, booted + max(within - SPARE, within / 2), sleep), place)
    whole = {**{name: value for name, value in machine.items() if name != "parameters"}, **told}
    write_text(paths.jit, str(whole.pop("jit")), 0o600)
    write_json(paths.machine, whole)
    _delete(store, place, sleep)
    return whole


def _place(imds: Imds, folder: str, environ: Mapping[str, str]) -> Place:
    try:
        instance, region = imds.get("meta-data/instance-id"), imds.get("meta-data/placement/region")
        domain = imds.get("meta-data/services/domain") or "amazonaws.com"
    except OSError as error:
        raise BootFailed(f"the metadata service does not say which machine this is: {error}") from error
    if not instance or not region:
        raise BootFailed("the metadata service does not say which machine this is")
    endpoint = environ.get(ENDPOINT_VARIABLE) or f"https://{SERVICE}.{region}.{domain}"
    return Place(f"{folder}{instance}", region, endpoint.rstrip("/"))


def _armed(paths: Paths) -> float:
    """When the deadline of the boot began to run: long before us where the boot was slow. Monotonic seconds."""
    try:
        said = run(["systemctl", "show", "--property=ActiveEnterTimestampMonotonic", DEADLINE])
    except (Missing, BootFailed):
        said = ""
    microseconds = said.strip().rpartition("=")[2]
    if microseconds.isdecimal() and int(microseconds):
        return int(microseconds) / 1e6
    begun = when(paths.begun)
    return time.monotonic() if begun is None else begun


def _wait(store: Store, place: Place, booted: float, end: float, sleep: Callable[[float], None]) -> str:
    pause, last, told = FIRST, "", ""
    while True:
        try:
            return store.read()
        except (Refused, OSError, ValueError, KeyError) as error:
            last = str(error)
            slower = not isinstance(error, Refused) or error.slower
            if not (isinstance(error, Refused) and error.code in UNSAID) and last != told:
                told = last
                say(f"{place.name} cannot be read yet: {last}")
        now = time.monotonic()
        if now >= end:
            raise BootFailed(f"{place.name} did not come within {now - booted:.0f} s of the boot: {last}")
        # Machines of a burst boot together; they shall not ask together.
        sleep(min(pause * random.uniform(0.7, 1.3), max(end - now, 0.1)))
        pause = min(pause * 2, SLOWEST) if slower else min(pause * GROWTH, LAST)


def _understood(text: str, place: Place) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise BootFailed(f"{place.name} makes no sense") from error
    if not isinstance(said, dict) or not isinstance(said.get("jit"), str) or not said.get("name"):
        raise BootFailed(f"{place.name} lacks a name or a JIT configuration")
    return {name: said[name] for name in (*OWN, "jit") if name in said}


def _delete(store: Store, place: Place, sleep: Callable[[float], None]) -> None:
    """One that stays is worth nothing once the listener has connected, and is swept."""
    for left in reversed(range(DELETE_TRIES)):
        try:
            store.delete()
        except (Refused, OSError, ValueError, KeyError) as error:
            if not left:
                say(f"{place.name} cannot be deleted: {error}")
            else:
                sleep(random.uniform(0.5, 1.5) * (DELETE_TRIES - left))
        else:
            return
