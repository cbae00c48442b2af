"""A container engine behind its socket: the few calls of Docker's API that a job needs; podman answers them too."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SCHEME = "unix://"
PATIENCE = 60.0
REFUSED = 400
ABSENT = 404
# A frame of an exec's output: the stream's number, three zeros, the length. Source: Docker's Engine API, attach.
HEADER = 8
# Bytes; a longer line is handed on in pieces instead of being kept.
LONGEST_LINE = 1 << 20


class EngineFailed(Exception):
    """The engine could not be reached or refused; the text is for the job's author."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, patience: float | None) -> None:
        super().__init__("engine", timeout=patience)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """The engine at an address such as ``unix:///run/podman/podman.sock``; it may be silent for ``patience`` seconds.

    Raises:
        EngineFailed: the address is of another kind: what a job mounts must be on the engine's own machine.
    """

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        if not address.startswith(SCHEME):
            raise EngineFailed(f"The container engine's address {address} is no local socket ({SCHEME}/path).")
        self._path = address.removeprefix(SCHEME)
        self._patience = patience

    def ask(self, method: str, path: str, body: object = None, **query: object) -> Any:  # noqa: ANN401 - JSON
        """Call and give the answer.

        Raises:
            EngineFailed: it cannot be reached, or refused.
        """
        data = b"".join(self._open(method, path + _query(query), body, patience=self._patience))
        return json.loads(data) if data.strip() else None

    def _open(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        patience: float | None = None,
    ) -> Iterator[bytes]:
        """Call and give the answer in parts, as they come; without ``patience`` it may take as long as it likes."""
        connection = _Connection(self._path, patience)
        given = {"Content-Type": "application/json", **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body)
        try:
            connection.request(method, path, data, given)
            answer = connection.getresponse()
            if answer.status >= REFUSED:
                raise EngineFailed(_message(answer.read()), answer.status)
            while part := answer.read1(1 << 16):
                yield part
        except PermissionError as error:
            text = f"The container engine at {self._path} may not be used by user {os.getuid()}: {error.strerror}."
            raise EngineFailed(text) from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineFailed(f"The container engine at {self._path} cannot be reached: {error}.") from error
        finally:
            connection.close()

    @property
    def is_podman(self) -> bool:
        """Whether podman answers in Docker's place."""
        parts = self.ask("GET", "/version").get("Components") or []
        return any("podman" in str(each.get("Name")).lower() for each in parts)

    def has(self, image: str) -> bool:
        """Tell whether an image is there."""
        try:
            self.ask("GET", f"/images/{quote(image, safe='/:@')}/json")
        except EngineFailed as failed:
            if failed.status == ABSENT:
                return False
            raise
        return True

    def pull(self, image: str, login: Mapping[str, str] | None = None) -> None:
        """Fetch an image, with a user's name and password if need be.

        Raises:
            EngineFailed: it cannot be had.
        """
        for _ in self._told(f"/images/create{_query({'fromImage': image})}", None, _signed(login or {})):
            pass

    def push(self, image: str, login: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Send an image to its registry; what the engine tells meanwhile.

        Raises:
            EngineFailed: the registry does not take it.
        """
        name, _, tag = image.rpartition(":")
        return self._told(f"/images/{quote(name, safe='/:')}/push{_query({'tag': tag})}", None, _signed(login))

    def build(self, context: bytes, **query: object) -> Iterator[dict[str, Any]]:
        """Build an image of a packed folder; what the engine tells meanwhile.

        Raises:
            EngineFailed: it cannot be built.
        """
        return self._told(f"/build{_query(query)}", context, {"Content-Type": "application/x-tar"})

    def _told(self, path: str, body: object, headers: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Call for something that takes long, and give what is told line by line."""
        rest = b""
        for part in self._open("POST", path, body, headers):
            *lines, rest = (rest + part).split(b"\n")
            yield from map(_line, filter(None, map(bytes.strip, lines)))
        if rest.strip():
            yield _line(rest)

    def run(self, container: str, command: Sequence[str], environ: Mapping[str, str], folder: str, out: int) -> int:
        """Run a command in a container; what it says goes to a file descriptor. Gives its exit status."""
        body = {
            "AttachStdout": True,
            "AttachStderr": True,
            "Cmd": list(command),
            "Env": [f"{name}={value}" for name, value in environ.items()],
            **({"WorkingDir": folder} if folder else {}),
        }
        made = self.ask("POST", f"/containers/{container}/exec", body)["Id"]
        start = {"Detach": False, "Tty": False}
        lines = _Lines(out)
        try:
            for stream, said in _unframed(self._open("POST", f"/exec/{made}/start", start)):
                lines.take(stream, said)
        finally:
            lines.end()
        return int(self.ask("GET", f"/exec/{made}/json")["ExitCode"])

    def labelled(self, label: str) -> list[dict[str, Any]]:
        """List the containers that bear a label, running or not."""
        return list(self.ask("GET", "/containers/json", all="true", filters=json.dumps({"label": [label]})))

    def volumes(self, label: str) -> list[dict[str, Any]]:
        """List the volumes that bear a label."""
        return list(self.ask("GET", "/volumes", filters=json.dumps({"label": [label]})).get("Volumes") or [])

    def remove(self, kind: str, name: str, **query: object) -> None:
        """Remove a container or a volume; one that is gone, or just going, is no error."""
        try:
            self.ask("DELETE", f"/{kind}/{quote(name)}", None, force="true", **query)
        except EngineFailed as failed:
            if failed.status not in {ABSENT, 409}:
                raise


def _line(text: bytes) -> dict[str, Any]:
    told = json.loads(text)
    # A failure comes late, after the answer has begun as a success.
    if told.get("error"):
        raise EngineFailed(str(told["error"]).strip())
    return dict(told)


def _signed(login: Mapping[str, str]) -> dict[str, str]:
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(login).encode()).decode()} if login else {}


def _query(values: Mapping[str, object]) -> str:
    return (
        "?" + urlencode({n: v if isinstance(v, list) else str(v) for n, v in values.items()}, doseq=True)
        if values
        else ""
    )


def _message(data: bytes) -> str:
    try:
        told = json.loads(data)
        return str(told.get("message") or told)
    except (ValueError, AttributeError):
        return data.decode(errors="replace").strip()


class _Lines:
    """Two streams on their way into one file, line by line: what an engine hands on may be half a line.

    GitHub's runner reads them apart, too, so that nobody's line stands in the middle of another one.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._rests: dict[int, bytes] = {}

    def take(self, stream: int, said: bytes) -> None:
        """Write the lines that are whole now, and keep the rest."""
        said = self._rests.pop(stream, b"") + said
        end = len(said) if len(said) > LONGEST_LINE else said.rfind(b"\n") + 1
        _write(self._file, said[:end])
        if rest := said[end:]:
            self._rests[stream] = rest

    def end(self) -> None:
        """Write what was said last without an end of the line."""
        for stream in sorted(self._rests):
            _write(self._file, self._rests.pop(stream) + b"\n")


def _unframed(parts: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """Give which stream and what it said, frame by frame: the engine sends them by one connection."""
    rest = b""
    for part in parts:
        rest += part
        while len(rest) >= HEADER and len(rest) >= (end := HEADER + int.from_bytes(rest[4:HEADER], "big")):
            yield rest[0], rest[HEADER:end]
            rest = rest[end:]


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
