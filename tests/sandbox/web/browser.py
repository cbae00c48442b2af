"""A headless Chromium, driven over the W3C WebDriver protocol with nothing but HTTP."""

import base64
import json
import os
import select
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--hide-scrollbars",
)
NEEDED = ("chromium", "chromedriver")
STARTS, ANSWERS = 60.0, 60.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing() -> list[str]:
    """Name the programs that are not installed."""
    return [name for name in NEEDED if shutil.which(name) is None]


def require() -> None:
    """Skip a test where there is no browser; in CI there must be one."""
    if missing() and os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {' and '.join(missing())} (Debian: chromium, chromium-driver)")
    if missing():
        pytest.skip(f"{' and '.join(missing())} not installed (Debian: chromium, chromium-driver)")


class Told(Exception):
    """The driver could not do what it was asked, and said why."""


class Browser:
    """One session with one window."""

    def __init__(self, driver: str, profile: Path) -> None:
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        asked = {"capabilities": {"alwaysMatch": wanted}}
        self._driver = driver
        self._session = f"/session/{self._ask('POST', '/session', asked)['sessionId']}"

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - whatever JSON came
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._driver + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWERS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            said = json.loads(error.read())["value"]
            raise Told(f"{method} {path}: {said['error']}: {said['message']}") from error

    def close(self) -> None:
        """End the session and its browser."""
        self._ask("DELETE", self._session)

    def open(self, address: str) -> Self:
        """Load a page."""
        self._ask("POST", f"{self._session}/url", {"url": address})
        return self

    @property
    def address(self) -> str:
        """Where the window is."""
        return str(self._ask("GET", f"{self._session}/url"))

    @property
    def status(self) -> int:
        """What the server answered to the page's address."""
        return int(self.run("return performance.getEntriesByType('navigation')[0].responseStatus"))

    def run(self, script: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever the script gives
        """Run a function's body in the page and give what it returns."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": arguments})

    def click(self, selector: str) -> None:
        """Click an element the way a person does; one that is covered cannot be clicked."""
        found = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"{self._session}/element/{found[ELEMENT]}/click", {})

    def text(self, selector: str = "body") -> str:
        """Read what an element shows."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def wait(self, condition: str, *arguments: object, seconds: float = 30) -> None:
        """Wait until an expression holds in the page."""
        script = f"return (function () {{ return {condition} }}).apply(null, arguments)"
        until, said = time.monotonic() + seconds, ""
        while time.monotonic() < until:
            try:
                if self.run(script, *arguments):
                    return
                said = ""
            except Told as told:  # the page is just leaving, or not yet whole
                said = str(told)
            time.sleep(0.04)
        raise AssertionError(f"{condition} does not hold on {self.address}:\n{said or self.text()}")

    def look(self, width: int, height: int, *, dark: int = 0, phone: int = 0, scale: float = 1) -> None:
        """Be a laptop or a phone, by day or by night."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": bool(phone)}
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        self._devtools("Emulation.setDeviceMetricsOverride", size)
        self._devtools("Emulation.setEmulatedMedia", scheme)

    def picture(self, *, whole: bool = True) -> bytes:
        """Take a picture of the whole page, or of what the window shows of it, as PNG."""
        found = self._devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole})
        return base64.b64decode(found["data"])

    def complaints(self) -> list[str]:
        """Take what the page has logged as errors since the last time."""
        told = self._ask("POST", f"{self._session}/se/log", {"type": "browser"})
        return [each["message"] for each in told if each["level"] == "SEVERE"]

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401 - each command has its own
        return self._ask("POST", f"{self._session}/goog/cdp/execute", {"cmd": command, "params": parameters})


@contextmanager
def started(profile: Path) -> Iterator[Browser]:
    """Start a driver and its browser; both are gone afterwards."""
    driver = subprocess.Popen(
        [str(shutil.which("chromedriver")), "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        browser = Browser(f"http://127.0.0.1:{_port(driver)}", profile)
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.communicate(timeout=STARTS)


def _port(driver: subprocess.Popen[bytes]) -> int:
    """Read which port the driver has chosen."""
    assert driver.stdout is not None
    until, said = time.monotonic() + STARTS, b""
    while time.monotonic() < until and select.select([driver.stdout], [], [], 0.5):
        said += os.read(driver.stdout.fileno(), 4096)
        for line in said.decode().splitlines(keepends=True):
            if "started successfully on port" in line and line.endswith("\n"):
                return int(line.strip().rstrip(".").rpartition(" ")[2])
        if driver.poll() is not None:
            break
    raise AssertionError(f"chromedriver did not start: {said.decode()}")
