"""A listener that does what a test tells it to: it connects, waits for a job and runs it; or it misbehaves.

It stands where GitHub's own stands (``bin/Runner.Listener``), keeps its configuration in the runner's root, and leaves
with the real one's exit codes. The machine's facts tell it how to behave: ``listener`` has a word for each start (an
exit code, ``serve``, ``shout``, ``deaf``), ``job`` is what a job does.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(sys.argv[0]).parent.parent
SHUTDOWN = "The runner has received a shutdown signal."
GONE = 404


class Stopped(Exception):
    """Somebody sent SIGINT or SIGTERM."""


def call(url: str, method: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    """Ask the service."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=30) as answer:
        return json.loads(answer.read() or b"null")


def configuration() -> str:
    """The JIT configuration: given once, kept in a file."""
    kept = ROOT / ".jit"
    blob = os.environ.pop("ACTIONS_RUNNER_INPUT_JITCONFIG", "")
    if blob:
        kept.write_text(blob)
    return kept.read_text()


def facts() -> dict[str, str]:
    """How to behave."""
    file = Path(os.environ.get("RUNNERKIT_ROOT", "/nowhere")) / "etc/runnerkit/machine.json"
    return dict(json.loads(file.read_text())["facts"]) if file.exists() else {}


def environment() -> dict[str, str]:
    """What ``.env`` says."""
    return dict(line.split("=", 1) for line in (ROOT / ".env").read_text().splitlines() if "=" in line)


def say(text: str) -> None:
    """Write to the journal."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def behave(told: dict[str, str]) -> int:
    """Start once more."""
    configuration()
    count = ROOT / "starts"
    starts = int(count.read_text()) if count.exists() else 0
    count.write_text(str(starts + 1))
    words = told.get("listener", "serve").split()
    word = words[min(starts, len(words) - 1)]
    say(f"listener: start {starts + 1}: {word}")
    if word.isdecimal():
        return int(word)
    if word == "shout":
        say(f"my secret is {configuration()}")
    if word == "deaf":
        signal.signal(signal.SIGINT, lambda *_: say("listener: not now"))
    return serve(configuration(), told)


def serve(blob: str, told: dict[str, str]) -> int:
    """Wait for a job and run it."""
    files = json.loads(base64.b64decode(blob))
    service = json.loads(base64.b64decode(files[".runner"]))["ServerUrl"].rstrip("/")
    try:
        session = f"{service}/sessions/" + call(f"{service}/sessions", "POST", {"jit_config": blob})["session"]
    except urllib.error.HTTPError as error:
        say(f"refused: {error.code}")
        return 1
    say("Listening for Jobs")
    try:
        while (job := call(f"{session}/job?wait=10", "GET")) is None:
            pass
        return work(session, job, told)
    except urllib.error.HTTPError as error:
        say("The runner no longer exists on the server. Cleaning up local configuration.")
        return 0 if error.code == GONE else 2
    except Stopped:
        call(session, "DELETE")
        return 0


def work(session: str, job: dict[str, Any], told: dict[str, str]) -> int:
    """Run a job: a shell command that the test gave."""
    hook("STARTED")
    say(f"Running job: {job['name']}")
    (ROOT / "_work").mkdir(exist_ok=True)
    step = subprocess.Popen(["/bin/sh", "-c", told.get("job", "true")], cwd=ROOT / "_work")
    try:
        code = step.wait()
    except Stopped:
        step.kill()
        call(f"{session}/finish", "POST", {"conclusion": "failure", "annotations": [SHUTDOWN]})
        return 0
    hook("COMPLETED")
    call(f"{session}/finish", "POST", {"conclusion": "failure" if code else "success"})
    return 0


def hook(name: str) -> None:
    """Run a job hook, if there is one."""
    script = environment().get(f"ACTIONS_RUNNER_HOOK_JOB_{name}")
    if script is not None:
        subprocess.run(["/bin/bash", "-e", script], check=True)


def stop(*_: object) -> None:
    """Leave in good order."""
    raise Stopped


if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    sys.exit(behave(facts()))
