"""A machine of a burst waits for its parameter, against a small server that is metadata service and SSM in one."""

from __future__ import annotations

import json
import stat
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from runnerkit.machine.runnerkit_agent.imds import ENDPOINT_VARIABLE
from runnerkit.machine.runnerkit_agent.machine import write_json
from runnerkit.machine.runnerkit_agent.parameters import receive
from runnerkit.machine.runnerkit_agent.prepare import prepare
from runnerkit.machine.runnerkit_agent.rules import BootFailed
from runnerkit.machine.runnerkit_agent.signing import Keys, signed
from tests.unit.test_machine_kit import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = "i-0123456789abcdef0"
NAME = f"/runnerkit/{ID}"
ROLE = "iam/security-credentials/"
DOCUMENT = {"name": "rk-7-1", "repo": "acme/models", "labels": ["runnerkit=1"], "facts": {"job_id": "7"}, "jit": "aml0"}
# AWS's test suite of the signature: credentials, date, region and service of every vector.
VECTOR = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
VECTOR_TIME = 1_440_938_160.0
VECTORS = {
    "post-vanilla": ({}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-x-www-form-urlencoded": (
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_the_signature_is_that_of_awss_own_examples(vector: str) -> None:
    """Two published vectors, to the last digit."""
    headers, body, expected = VECTORS[vector]
    sent = signed(VECTOR, ("us-east-1", "service"), "example.amazonaws.com", headers, body, VECTOR_TIME)
    assert sent["authorization"].endswith(f"Signature={expected}")
    assert "/20150830/us-east-1/service/aws4_request" in sent["authorization"]


def test_a_roles_token_is_signed_as_awss_own_library_signs_it() -> None:
    """The header with the token counts, and so does a port in the address."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AmazonSSM.GetParameter"}
    request = AWSRequest("POST", "http://127.0.0.1:5000/", headers=headers, data=b'{"Name":"/x"}')
    SigV4Auth(Credentials("ASIAX", "secret", "token/+="), "ssm", "eu-west-1").add_auth(request)
    at = time.mktime(time.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")) - time.timezone
    ours = signed(
        Keys("ASIAX", "secret", "token/+="), ("eu-west-1", "ssm"), "127.0.0.1:5000", headers, b'{"Name":"/x"}', at
    )
    assert ours["authorization"] == request.headers["Authorization"]


class Aws(ThreadingHTTPServer):
    """What the machine can reach. ``answers`` come before the parameter is looked up, one for each call."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts = {"instance-id": ID, "placement/region": "eu-west-1", ROLE: "runners", f"{ROLE}runners": keys("A")}
        self.parameters: dict[str, str] = {}
        self.answers: list[tuple[int, str]] = []
        self.calls: list[tuple[str, str]] = []

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead the agent here."""
        url = f"http://127.0.0.1:{self.server_port}"
        return {ENDPOINT_VARIABLE: url, "AWS_ENDPOINT_URL_SSM": url}

    def actions(self) -> list[str]:
        """What was asked of SSM, in order."""
        return [action for action, _ in self.calls]


class _Handler(BaseHTTPRequestHandler):
    server: Aws

    def do_PUT(self) -> None:
        self._answer(200, "token")

    def do_GET(self) -> None:
        text = self.server.texts.get(self.path.removeprefix("/latest/meta-data/"))
        self._answer(404 if text is None else 200, text or "")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].removeprefix("AmazonSSM.")
        self.server.calls.append((action, self.headers["Authorization"]))
        if self.server.answers:
            self._answer(*self.server.answers.pop(0))
            return
        held = self.server.parameters
        if asked["Name"] not in held:
            self._answer(400, fault("ParameterNotFound"))
        elif action == "DeleteParameter":
            del held[asked["Name"]]
            self._answer(200, "{}")
        else:
            assert asked["WithDecryption"] is True
            self._answer(200, json.dumps({"Parameter": {"Value": held[asked["Name"]]}}))

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def keys(name: str) -> str:
    """Credentials as the metadata service gives them."""
    return json.dumps({"AccessKeyId": f"ASIA{name}", "SecretAccessKey": "s", "Token": "t"})


def fault(code: str, message: str = "") -> str:
    """An error as SSM gives it."""
    return json.dumps({"__type": f"com.amazonaws.ssm#{code}", "message": message})


@pytest.fixture
def aws() -> Iterator[Aws]:
    """A running one."""
    with Aws() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Waiting(Machine):
    """A machine that waits for its parameter; time passes as it says."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
        super().__init__(root, monkeypatch)
        self.environ |= aws.environ
        self.paths.jit.unlink()
        self.aws = aws
        self.slept: list[float] = []
        self.told = {
            "online_within": 300,
            "idle": 240,
            "life": 7200,
            "imds_for_job": False,
            "parameters": "/runnerkit/",
        }
        self.paths.machine.write_text(json.dumps(self.told))

    def receive(self, after: int = 0) -> dict[str, Any]:
        """Let it wait; its parameter is there after so many looks."""

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            if len(self.slept) == after:
                self.aws.parameters[NAME] = json.dumps(DOCUMENT)

        if not after:
            self.aws.parameters.setdefault(NAME, json.dumps(DOCUMENT))
        return receive(self.paths, self.told, self.environ, sleep)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, aws: Aws) -> Waiting:
    """One that has just booted."""
    return Waiting(tmp_path, monkeypatch, aws)


def test_a_parameter_becomes_what_user_data_would_have_written(machine: Waiting) -> None:
    """The name and the rest join what user data told, the secret is the listener's, and the parameter is gone."""
    whole = machine.receive()
    assert json.loads(machine.paths.machine.read_text()) == whole
    expected = {**machine.told, **DOCUMENT}
    del expected["parameters"], expected["jit"]
    assert whole == expected
    assert machine.paths.jit.read_text() == "aml0"
    assert stat.S_IMODE(machine.paths.jit.stat().st_mode) == 0o600
    assert machine.aws.parameters == {}
    assert machine.aws.actions() == ["GetParameter", "DeleteParameter"]


def test_a_prepared_machine_has_its_listeners_environment(machine: Waiting) -> None:
    """The whole way: after it nothing tells the machine from one that had its secret in user data."""
    machine.aws.parameters[NAME] = json.dumps(DOCUMENT)
    prepare(machine.paths, machine.environ)
    assert machine.paths.environment.read_text() == "ACTIONS_RUNNER_INPUT_JITCONFIG=aml0\n"
    assert json.loads(machine.paths.facts.read_text())["name"] == "rk-7-1"
    assert not machine.paths.jit.exists()


def test_it_looks_less_often_the_longer_it_waits(machine: Waiting) -> None:
    """From one second to three, never all machines at the same time."""
    machine.receive(after=12)
    assert 0.7 <= machine.slept[0] <= 1.3
    assert all(2.1 <= seconds <= 3.9 for seconds in machine.slept[6:])
    assert len({round(seconds, 3) for seconds in machine.slept}) > 6


def test_throttling_makes_it_ask_less_often(machine: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    """Forty reads a second are for all machines together; it is said once, and waited out."""
    machine.aws.answers = [(400, fault("ThrottlingException", "Rate exceeded"))] * 4
    machine.receive()
    assert machine.slept[-1] > 3.9
    assert capsys.readouterr().out.count("Rate exceeded") == 1


@pytest.mark.parametrize("answer", [(500, "{}"), (503, "<html>busy</html>"), (400, "no JSON")])
def test_an_aws_in_trouble_is_asked_again(machine: Waiting, answer: tuple[int, str]) -> None:
    """Whatever it says."""
    machine.aws.answers = [answer]
    assert machine.receive()["name"] == "rk-7-1"


def test_credentials_are_read_for_every_call(machine: Waiting) -> None:
    """Those of a role live for hours only, and new ones come by themselves."""
    machine.aws.answers = [(400, fault("ExpiredTokenException"))]

    def renew(_seconds: float) -> None:
        machine.aws.texts[f"{ROLE}runners"] = keys("B")
        machine.aws.parameters[NAME] = json.dumps(DOCUMENT)

    receive(machine.paths, machine.told, machine.environ, renew)
    assert ["ASIAB" in proof for _, proof in machine.aws.calls] == [False, True, True]


def test_a_parameter_that_never_comes_ends_the_boot(machine: Waiting) -> None:
    """The reason names the parameter and what AWS said last."""
    machine.paths.state.mkdir()
    write_json(machine.paths.begun, {"at": time.monotonic() - 271})
    with pytest.raises(BootFailed, match=rf"{NAME} did not come within 27\d s of the boot: Param.*NotFound"):
        receive(machine.paths, machine.told, machine.environ, lambda _: None)
    assert not machine.paths.jit.exists()


def test_the_deadline_counts_from_when_systemd_armed_it(machine: Waiting) -> None:
    """A boot that was slow until we ran leaves less time to wait, so that there is time to say why."""
    armed = time.monotonic() - 271
    machine.command("systemctl", f"echo ActiveEnterTimestampMonotonic={armed * 1e6:.0f}")
    with pytest.raises(BootFailed, match=r"did not come within 27\d s of the boot"):
        receive(machine.paths, machine.told, machine.environ, lambda _: None)
    asked = ["systemctl show --property=ActiveEnterTimestampMonotonic runnerkit-boot-off.timer"]
    assert machine.calls() == asked


@pytest.mark.parametrize("says", ["echo ActiveEnterTimestampMonotonic=0", "true", "exit 5"])
def test_where_systemd_does_not_say_the_deadline_counts_from_our_beginning(machine: Waiting, says: str) -> None:
    """A timer that it does not know was active at 0."""
    machine.command("systemctl", says)
    machine.paths.state.mkdir()
    write_json(machine.paths.begun, {"at": time.monotonic() - 200})
    slept: list[float] = []

    def come_late(seconds: float) -> None:
        slept.append(seconds)
        machine.aws.parameters[NAME] = json.dumps(DOCUMENT)

    assert receive(machine.paths, machine.told, machine.environ, come_late)["name"] == "rk-7-1"
    assert len(slept) == 1


@pytest.mark.parametrize(
    ("texts", "why"),
    [({ROLE: None}, "this instance has no role"), ({}, "AccessDeniedException: not authorized to perform")],
)
def test_a_machine_that_may_not_read_says_why(machine: Waiting, texts: dict[str, None], why: str) -> None:
    """A missing role or permission is on the console when the machine ends."""
    for name in texts:
        del machine.aws.texts[name]
    machine.aws.answers = [(400, fault("AccessDeniedException", "not authorized to perform: ssm:GetParameter"))] * 99
    machine.told["online_within"] = 1
    with pytest.raises(BootFailed, match=why):
        receive(machine.paths, machine.told, machine.environ)


def test_no_permission_may_only_mean_not_yet(machine: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy that looks at the parameter's tag denies one that is not there: the machine waits, and says nothing."""
    machine.aws.answers = [(400, fault("AccessDeniedException"))]
    machine.receive(after=2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"name": "rk-7-1"}', '{"jit": "aml0"}', '{"name": "a", "jit": 1}'])
def test_a_parameter_that_makes_no_sense_ends_the_boot(machine: Waiting, text: str) -> None:
    """It will not get better."""
    machine.aws.parameters[NAME] = text
    with pytest.raises(BootFailed, match=NAME):
        machine.receive()


def test_a_parameter_cannot_change_the_deadlines(machine: Waiting) -> None:
    """They were given by user data; the parameter tells who the machine is, no more."""
    machine.aws.parameters[NAME] = json.dumps({**DOCUMENT, "life": 10**9, "imds_for_job": True})
    whole = machine.receive()
    assert (whole["life"], whole["imds_for_job"]) == (7200, False)


def test_a_parameter_that_cannot_be_deleted_stops_nobody(machine: Waiting, capsys: pytest.CaptureFixture[str]) -> None:
    """It is worth nothing once the listener has connected, and is swept."""
    machine.aws.parameters[NAME] = json.dumps(DOCUMENT)
    ok = (200, json.dumps({"Parameter": {"Value": json.dumps(DOCUMENT)}}))
    machine.aws.answers = [ok, *[(400, fault("AccessDeniedException", "no"))] * 4]
    assert machine.receive()["name"] == "rk-7-1"
    assert f"{NAME} cannot be deleted: AccessDeniedException" in capsys.readouterr().out


def test_a_machine_without_metadata_service_ends(machine: Waiting) -> None:
    """Without it nobody knows which machine this is."""
    machine.environ[ENDPOINT_VARIABLE] = "http://127.0.0.1:1"
    with pytest.raises(BootFailed, match="does not say which machine"):
        machine.receive()


def test_the_endpoint_is_awss_own_unless_another_is_set(machine: Waiting) -> None:
    """In production it is the public name of the region, in the partition's own domain."""
    from runnerkit.machine.runnerkit_agent.imds import Imds
    from runnerkit.machine.runnerkit_agent.parameters import _place

    del machine.environ["AWS_ENDPOINT_URL_SSM"]
    imds = Imds(machine.environ)
    assert _place(imds, "/runnerkit/", machine.environ) == (NAME, "eu-west-1", "https://ssm.eu-west-1.amazonaws.com")
    machine.aws.texts |= {"placement/region": "cn-north-1", "services/domain": "amazonaws.com.cn"}
    assert _place(imds, "/runnerkit/", machine.environ).endpoint == "https://ssm.cn-north-1.amazonaws.com.cn"
