from __future__ import annotations

import http.client
import json
import os
import socket
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from runnerkit.sandbox.standin.program import containing, options
from runnerkit.sandbox.standin.program.container import Paths, named_volumes, registry, wanted
from runnerkit.sandbox.standin.program.engine import Engine
from runnerkit.sandbox.standin.program.workflow import Refused, Setting, container, filled, plan, taken_apart

if TYPE_CHECKING:
    from pathlib import Path

GPU = [["gpu"]]
FUSE = {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}
ENTRY = "Runner.Step"
PATHS = Paths([("/r/_work/_temp/_github_home", "/github/home"), ("/r/_work", "/__w")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"HostConfig": {}}),
        ("--gpus all", {"HostConfig": {"DeviceRequests": [{"Count": -1, "Capabilities": GPU}]}}),
        ("--gpus 2", {"HostConfig": {"DeviceRequests": [{"Count": 2, "Capabilities": GPU}]}}),
        (
            "--gpus '\"device=1,3\"'",
            {"HostConfig": {"DeviceRequests": [{"DeviceIDs": ["1", "3"], "Capabilities": GPU}]}},
        ),
        ("-u 1001:1001 --user=5", {"HostConfig": {}, "User": "5"}),
        ("-e A=b -e 'C=d e'", {"HostConfig": {}, "Env": ["A=b", "C=d e"]}),
        (
            "--shm-size 2g --memory=512m --cpus 1.5",
            {"HostConfig": {"ShmSize": 2 << 30, "Memory": 512 << 20, "NanoCpus": 1_500_000_000}},
        ),
        ("--ipc=host --privileged --init", {"HostConfig": {"IpcMode": "host", "Privileged": True, "Init": True}}),
        ("--ulimit memlock=-1", {"HostConfig": {"Ulimits": [{"Name": "memlock", "Soft": -1, "Hard": -1}]}}),
        ("--ulimit nofile=1:2", {"HostConfig": {"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}]}}),
        ("--tmpfs /t:size=1m --label a=b", {"HostConfig": {"Tmpfs": {"/t": "size=1m"}}, "Labels": {"a": "b"}}),
        (
            "--device /dev/fuse",
            {"HostConfig": {"Devices": [FUSE]}},
        ),
    ],
)
def test_options_mean_what_docker_means_by_them(text: str, expected: dict[str, Any]) -> None:
    """Each flag arrives where Docker's API has it; one that is named twice is the last, or one more."""
    assert expected == options.read(text)


@pytest.mark.parametrize(("text", "names"), [("all", ["all"]), ("2", ["0", "1"]), ("device=3", ["3"])])
def test_podman_knows_gpus_as_devices(text: str, names: list[str]) -> None:
    """It would take Docker's flag and do nothing about it; the devices' names are NVIDIA's."""
    devices = options.read(f"--gpus {text}", podman=True)["HostConfig"]["Devices"]
    assert [f"nvidia.com/gpu={each}" for each in names] == [each["PathOnHost"] for each in devices]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("--network=host", "GitHub's runner does not support it"),
        ("--entrypoint sh", "GitHub's runner does not support it"),
        ("--memory", "has no value"),
        ("--memory lots", "cannot be read: lots"),
        ("--gpus some", "cannot be read: some"),
        ("--health-cmd true", "is not understood by the stand-in runner; it knows --add-host"),
        ("--user 'open", "options cannot be read: No closing quotation"),
    ],
)
def test_options_are_never_skipped(text: str, why: str) -> None:
    """What is not understood is refused with its reason."""
    with pytest.raises(Refused, match=r".*") as caught:
        options.read(text)
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--gpus all", True),
        ("--shm-size 1g --gpus=2", True),
        ("--device nvidia.com/gpu=all", True),
        ("--runtime=nvidia", True),
        ("--ipc host", False),
    ],
)
def test_gpus_are_noticed(text: str, expected: bool) -> None:
    """In all the ways in which containers are given GPUs."""
    assert expected == options.asks_for_gpus(text)


def test_a_machine_without_gpus_says_so(tmp_path: Path) -> None:
    """And one that has some does not."""
    with pytest.raises(Refused, match="this machine has none"):
        containing._need_gpus("--gpus all", tmp_path)
    (tmp_path / "nvidia0").touch()
    containing._need_gpus("--gpus all", tmp_path)


@pytest.mark.parametrize(
    ("image", "expected", "host"),
    [
        ("ubuntu", "ubuntu:latest", "docker.io"),
        ("ghcr.io/o/i:2", "ghcr.io/o/i:2", "ghcr.io"),
        ("127.0.0.1:5000/i", "127.0.0.1:5000/i:latest", "127.0.0.1:5000"),
        ("localhost/i", "localhost/i:latest", "localhost"),
        ("team/i@sha256:12", "team/i@sha256:12", "docker.io"),
    ],
)
def test_images_have_a_tag_and_a_registry(image: str, expected: str, host: str) -> None:
    """As Docker reads their names."""
    assert (expected, host) == (wanted({"image": image}).image, registry(image))


def test_credentials_are_all_or_nothing() -> None:
    """A name without a password signs nobody in, as on GitHub."""
    given = {"username": "u", "password": "p"}
    assert wanted({"image": "h.example/i", "credentials": given}).login == {**given, "serveraddress": "h.example"}
    assert wanted({"image": "i", "credentials": {"username": "u", "password": ""}}).login is None


@pytest.mark.parametrize(("port", "good"), [(80, True), ("80:80", True), ("80:80/tcp", True), ("8080:80", False)])
def test_ports_are_the_machines_own(port: object, good: bool) -> None:
    """The container has the machine's network, so that a port cannot be another one outside."""
    if good:
        assert wanted({"image": "i", "ports": [port]}).image == "i:latest"
    else:
        with pytest.raises(Refused, match="port 8080:80 cannot"):
            wanted({"image": "i", "ports": [port]})


def test_paths_are_turned_both_ways() -> None:
    """The most particular folder counts; what only begins alike is another one."""
    assert PATHS.inside("/r/_work/a/b") == "/__w/a/b"
    assert PATHS.inside("/r/_work/_temp/_github_home") == "/github/home"
    assert PATHS.inside("/r/_worker") == "/r/_worker"
    assert PATHS.outside("/__w/a") == "/r/_work/a"
    assert PATHS.outside("/opt/a") is None


def test_only_names_are_volumes() -> None:
    """Folders of the machine and volumes without a name are none that must be made before."""
    assert list(named_volumes(["cache:/c", "/a:/b", "./a:/b", "/anonymous"])) == ["cache"]


def test_texts_are_taken_out_and_put_back() -> None:
    """Numbers and truths as GitHub writes them."""
    leaves: list[str] = []
    shape = taken_apart({"image": "i", "env": {"A": 1, "B": True}, "volumes": ["a", "b"]}, leaves)
    again = filled(json.loads(json.dumps(shape)), {str(number): text for number, text in enumerate(leaves)})
    assert again == {"image": "i", "env": {"A": "1", "B": "true"}, "volumes": ["a", "b"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("i", {"image": "i"}),
        ({"image": "i", "options": "-i"}, {"image": "i", "options": "-i"}),
        ("", None),
        (None, None),
        ({"image": ""}, None),
    ],
)
def test_a_container_is_a_name_or_a_mapping(given: object, expected: object) -> None:
    """And an empty image is none."""
    assert expected == container({"container": given})


def test_only_steps_of_the_job_run_in_the_container() -> None:
    """The runner's own steps and the substitutes' ends stay outside, whatever the default shell is."""
    setting = Setting(ENTRY, {"a/b": ""}, {"a/b": "post"}, {}, {"started": "/s", "completed": "/c"}, "unix:///e")
    steps = [{"run": "one"}, {"uses": "a/b@v1"}, {"run": "two", "shell": "bash"}]
    payload = {"container": "i", "steps": steps, "defaults": {"run": {"working-directory": "/in"}}}
    made = plan(payload, "push", setting)
    (job,) = made.workflow["jobs"].values()
    shells = [str(each.get("shell", "")).removeprefix(f"{ENTRY} ") for each in job["steps"]]
    outside = "--outside bash --noprofile --norc -e -o pipefail {0}"
    assert shells == [
        *("--prepare", outside, "--outside --containers start", "sh -e {0}", ""),
        *("bash --noprofile --norc -e -o pipefail {0}", outside, "--outside --containers stop", outside, "--outputs"),
    ]
    assert made.contained
    assert "working-directory" not in job["steps"][3]


def test_hooks_are_bash_whatever_the_default_shell() -> None:
    """A default shell is the job's; the runner's own steps do not have it."""
    setting = Setting(ENTRY, {}, {}, {}, {"completed": "/c"})
    (job,) = plan({"steps": [], "defaults": {"run": {"shell": "python"}}}, "push", setting).workflow["jobs"].values()
    assert job["steps"][1]["shell"] == f"{ENTRY} bash --noprofile --norc -e -o pipefail {{0}}"


def test_an_owner_is_a_process_and_no_later_one() -> None:
    """Its number alone would be another process's after a while."""
    name = containing.owner(os.getpid())
    assert containing._lives(name)
    number, began, among = name.split("-")
    assert not containing._lives(f"{number}-{int(began) + 1}-{among}")
    assert containing._lives(f"{number}-{began}-1"), "of another machine: nobody here can tell"


def test_runners_of_another_computer_are_nobody_s_to_judge(tmp_path: Path) -> None:
    """The first namespace of processes has one number everywhere; an engine's socket may be forwarded between two."""
    name = containing.owner(os.getpid(), etc=tmp_path)
    gone = name.replace(f"{os.getpid()}-", "4194305-", 1)
    assert not containing._lives(gone, etc=tmp_path)
    (tmp_path / "machine-id").write_text("another one\n")
    assert containing._lives(gone, etc=tmp_path)


class Odd:
    """What is no engine, at an engine's address: it takes calls and says what it is told to, or nothing."""

    def __init__(self, path: Path, answer: bytes | None, *later: bytes) -> None:
        self.address = f"unix://{path}"
        self._answer = answer
        self._later = list(later)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._calls: list[socket.socket] = []
        if answer is not None:
            threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                call, _ = self._socket.accept()
                # Whole: who is answered and left in the middle of a call finds the line broken.
                with call.makefile("rb") as said:
                    said.readline()
                    said.read(int(http.client.parse_headers(said).get("Content-Length", 0)))
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(self._answer or b'')}\r\nConnection: close\r\n\r\n"
                call.sendall(head.encode() + (self._answer or b""))
                call.close()
                self._answer = self._later.pop(0) if self._later else self._answer

    def close(self) -> None:
        """Listen no more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def frame(stream: int, said: bytes) -> bytes:
    """What an engine sends of one of a command's two streams."""
    return bytes([stream, 0, 0, 0]) + len(said).to_bytes(4, "big") + said


def test_a_line_of_one_stream_is_never_in_the_middle_of_a_line_of_the_other(tmp_path: Path) -> None:
    """An engine hands on what comes: a shell's complaint in two halves, and what it says then between them."""
    long = b"#" * (1 << 20)
    said = [(2, b"sh: 2: "), (1, b"told\nhalf"), (2, b"no such file\n"), (1, b" and half\n"), (1, long), (1, b"#\n")]
    frames = b"".join(frame(*each) for each in [*said, (1, b"the last"), (2, b"warning")])
    odd = Odd(tmp_path / "s", b'{"Id": "1"}', frames, b'{"ExitCode": 3}')
    with (tmp_path / "out").open("wb") as out:
        assert Engine(odd.address).run("container", ["sh"], {}, "", out.fileno()) == 3
    odd.close()
    *lines, longest, last, warning = (tmp_path / "out").read_bytes().splitlines()
    assert lines == [b"told", b"sh: 2: no such file", b"half and half"]
    assert (longest, last, warning) == (long + b"#", b"the last", b"warning")


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    """Something that writes forever without a line's end is handed on in pieces."""
    endless = b"".join(frame(1, b"x" * (1 << 19)) for _ in range(5)) + frame(2, b"late\n")
    odd = Odd(tmp_path / "s", b'{"Id": "1"}', endless, b'{"ExitCode": 0}')
    with (tmp_path / "out").open("wb") as out:
        Engine(odd.address).run("container", ["yes"], {}, "", out.fileno())
    odd.close()
    assert (tmp_path / "out").read_bytes().index(b"late") == 3 << 19


@pytest.mark.parametrize("answer", [None, b"", b"null", b'{"message": 1}', b"[1]", b'[{"Labels": null}]', b"\xff"])
def test_an_engine_that_is_none_delays_and_breaks_nothing(tmp_path: Path, answer: bytes | None) -> None:
    """Machines end while somebody's Docker hangs, or while something else answers at its address."""
    odd = Odd(tmp_path / "s", answer)
    began = time.monotonic()
    containing.clear_away(odd.address, patience=0.3)
    odd.close()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "address", ["", "tcp://127.0.0.1:1", "ssh://nobody@nowhere", "unix:///nonexistent/s", "nonsense"]
)
def test_an_address_that_leads_nowhere_is_no_error(address: str) -> None:
    """A developer's DOCKER_HOST may be of any kind; nothing is asked of what is no local socket."""
    containing.clear_away(address)
