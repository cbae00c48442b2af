"""Start the service by a command, ask it as a stranger would, end it: ``check_service.py PORT -- COMMAND...``.

The exit code is 0 when it answers known hours with a label and a probability, and refuses what is no hour.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

WAITS = 120.0
HOURS = [
    {"hour": 8, "weekday": 2, "holiday": 0, "weather": "mist", "temperature": 0.3, "humidity": 0.7, "windspeed": 0.1},
    {"hour": 14, "weekday": 6, "holiday": 0, "weather": "clear", "temperature": 0.8, "humidity": 0.4, "windspeed": 0.2},
]


def ask(port: int, path: str, body: object = None) -> tuple[int, Any]:
    """Give status and answer."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def wait(port: int, service: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401 - JSON
    """Wait until it is there; a model that takes minutes to come is a failure, not a reason to wait."""
    end = time.monotonic() + WAITS
    while time.monotonic() < end:
        try:
            return ask(port, "/health")[1]
        except OSError:
            if service.poll() is not None:
                raise SystemExit(f"the service ended by itself with code {service.returncode}") from None
            time.sleep(0.2)
    raise SystemExit(f"no answer within {WAITS:.0f} s; are bucket and machine in one region?")


def check(port: int) -> None:
    """Ask and judge.

    Raises:
        SystemExit: An answer is not what was promised.
    """
    for hour in HOURS:
        status, said = ask(port, "/predict", hour)
        fine = status == 200 and said["label"] in {"members", "visitors"} and 0.5 <= said["probability"] <= 1
        print(f"{hour['hour']}:00 on weekday {hour['weekday']}: {said}")
        if not fine:
            raise SystemExit(f"that is no label with its probability: {status} {said}")
    for wrong in ({**HOURS[0], "hour": 24}, {"hour": 8}, {**HOURS[0], "colour": "red"}):
        status, said = ask(port, "/predict", wrong)
        if status != 400:
            raise SystemExit(f"{wrong} was answered with {status} {said}, not refused")


def main() -> None:
    """Start, ask, end."""
    port, dash, *command = sys.argv[1:]
    if dash != "--" or not command:
        raise SystemExit("usage: check_service.py PORT -- COMMAND...")
    with subprocess.Popen(command) as service:
        try:
            print("the service is there:", wait(int(port), service))
            check(int(port))
        finally:
            service.terminate()


if __name__ == "__main__":
    main()
