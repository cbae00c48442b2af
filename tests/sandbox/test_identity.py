"""Jobs that are AWS roles by their identity: GitHub's token service, AWS's exchange, and `runnerkit credentials`."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import boto3
import jwt
import pytest

from runnerkit.credentials import identity, profile
from runnerkit.credentials.keeping import Keeper
from runnerkit.credentials.role import AUDIENCE, Role, Session, assume, session_name
from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, ForgeDenied, ForgeUnavailable
from runnerkit.sandbox.ec2 import SandboxEc2
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.engine.identity import may_ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runnerkit.sandbox.github.records import Job

REPO = "acme/train"
SUB = f"repo:{REPO}:ref:refs/heads/main"
PROVIDER = "token.actions.githubusercontent.com"
NAMES = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")


class Scene:
    """A GitHub and an AWS that trusts it, with a running job."""

    def __init__(self, github: GitHubWorld, ec2: SandboxEc2, folder: Path) -> None:
        self.github, self.ec2, self.folder = github, ec2, folder
        github.add_repository(REPO)
        ec2.trust(lambda: github.service.machines.identities.public_key)
        self.job = self.start({"id-token": "write"})

    def start(self, permissions: dict[str, str]) -> Job:
        """A job that runs."""
        job = self.github.queue_job(REPO, ["self-hosted"])
        job.payload["permissions"] = permissions
        return job

    def environ(self, job: Job | None = None) -> dict[str, str]:
        """What the runner gives to the job's steps."""
        job = job or self.job
        with self.github.state.open():
            run = self.github.state.live.runs[job.run_id]
            issued = self.github.service.machines.credentials.of(run, job)
        values = (f"{self.github.url}/_runnerkit/identity?api-version=2.0", issued.id_token)
        given = {name: value for name, value in zip(NAMES, values, strict=True) if issued.id_token}
        return {**given, "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "77", "RUNNER_TEMP": str(self.folder)}

    def role(self, name: str, condition: dict[str, dict[str, Any]]) -> Role:
        """A role that trusts jobs of GitHub on a condition."""
        condition.setdefault("StringEquals", {}).setdefault(f"{PROVIDER}:aud", AUDIENCE)
        statement = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{self.ec2.account}:oidc-provider/{PROVIDER}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": condition,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        keys = self.ec2.environment()
        iam = boto3.client(
            "iam", endpoint_url=self.ec2.url, region_name="us-east-1",
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )  # fmt: skip
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)["Role"]["Arn"]
        return Role(str(arn), "us-east-1")

    def command(
        self, *words: str, code: int = 0, environ: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `runnerkit credentials` as a step would, without AWS keys."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {**kept, "AWS_ENDPOINT_URL": self.ec2.url, "AWS_REGION": "us-east-1", **self.environ(), **(environ or {})}
        argv = [sys.executable, "-m", "runnerkit", "credentials", *words]
        done = subprocess.run(argv, env=own, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Both services and a job."""
    with GitHubWorld() as github, SandboxEc2() as ec2:
        yield Scene(github, ec2, tmp_path_factory.mktemp("identity"))


@pytest.fixture(scope="module")
def role(scene: Scene) -> Role:
    """A role that trusts the job."""
    return scene.role("train", {"StringLike": {f"{PROVIDER}:sub": f"repo:{REPO}:*"}})


@pytest.fixture(autouse=True)
def at_the_sandbox(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let AWS's library of this process talk to the sandbox."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", scene.ec2.url)
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)


class TestTheToken:
    """GitHub's token service as it is documented."""

    def test_it_says_what_the_job_is(self, scene: Scene) -> None:
        """Signed, for the audience that asked, for minutes, with the claims that trust policies look at."""
        token = identity.ask(scene.environ(), AUDIENCE)
        key = scene.github.service.machines.identities.public_key
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=f"https://{PROVIDER}")
        assert (SUB, REPO, str(scene.job.run_id)) == (claims["sub"], claims["repository"], claims["run_id"])
        assert claims["exp"] - claims["iat"] == 300

    def test_an_environment_stands_for_the_branch(self, scene: Scene) -> None:
        """A role for production trusts those that were approved."""
        job = scene.start({"id-token": "write"})
        job.environment = "production"
        claims = jwt.decode(identity.ask(scene.environ(job), AUDIENCE), options={"verify_signature": False})
        assert (f"repo:{REPO}:environment:production", "production") == (claims["sub"], claims["environment"])

    @pytest.mark.parametrize(("hosted", "kind"), [(False, "self-hosted"), (True, "github-hosted")])
    def test_whose_machine_it_is_needs_no_label(self, scene: Scene, hosted: bool, kind: str) -> None:
        """A runner of ours is self-hosted whatever its labels say: roles may trust one kind only."""
        job = scene.start({"id-token": "write"})
        job.labels, job.hosted = ("runnerkit=1/gpu=t4",), hosted
        claims = jwt.decode(identity.ask(scene.environ(job), AUDIENCE), options={"verify_signature": False})
        assert kind == claims["runner_environment"]

    def test_a_job_without_the_permission_gets_none(self, scene: Scene) -> None:
        """It is told what is missing; outside of Actions that would be no help."""
        job = scene.start({"contents": "read"})
        with pytest.raises(ConfigError, match="id-token: write"):
            identity.ask(scene.environ(job), AUDIENCE)
        with pytest.raises(ConfigError, match="no job of GitHub Actions"):
            identity.ask({}, AUDIENCE)
        run = scene.github.state.live.runs[scene.job.run_id]
        before, run.event, run.head_repository = (run.event, run.head_repository), "pull_request", "someone/train"
        assert not may_ask(run, scene.job)
        run.event, run.head_repository = before

    def test_a_job_that_is_over_gets_none_any_more(self, scene: Scene) -> None:
        """The service is asked by something that outlived its job, or is not there at all."""
        job = scene.start({"id-token": "write"})
        environ = scene.environ(job)
        job.status = "completed"
        with pytest.raises(ForgeDenied, match="no token any more"):
            identity.ask(environ, AUDIENCE)
        with pytest.raises(ForgeUnavailable, match="does not answer"):
            identity.ask({**environ, NAMES[0]: "http://127.0.0.1:9/x"}, AUDIENCE)


class TestTheExchange:
    """AWS gives credentials to whom a role trusts."""

    def test_a_trusted_job_is_the_role(self, scene: Scene, role: Role) -> None:
        """For an hour, under the run's name."""
        made = assume(role, identity.ask(scene.environ(), AUDIENCE), session_name(scene.environ()))
        assert timedelta(minutes=55) < made.until - datetime.now(UTC) <= timedelta(hours=1)
        assert "runnerkit-77" == session_name(scene.environ())
        said = made.as_process()
        assert {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} == said.keys()
        assert made.until.replace(microsecond=0) == datetime.fromisoformat(said["Expiration"])

    def test_a_job_that_the_role_does_not_trust_is_refused(self, scene: Scene) -> None:
        """Another branch, and a role that does not exist; the hint says where to look."""
        other = scene.role("release", {"StringEquals": {f"{PROVIDER}:sub": f"repo:{REPO}:environment:production"}})
        token = identity.ask(scene.environ(), AUDIENCE)
        for each in (other, Role(f"arn:aws:iam::{scene.ec2.account}:role/none")):
            with pytest.raises(CloudDenied, match="trust policy") as refused:
                assume(each, token, "job")
            assert f"{PROVIDER}:sub" in refused.value.hint

    @pytest.mark.parametrize(("audience", "life"), [("somebody-else", 300), (AUDIENCE, -60)])
    def test_a_token_that_is_no_good_is_refused(self, scene: Scene, role: Role, audience: str, life: int) -> None:
        """For others, or too old."""
        run = scene.github.state.live.runs[scene.job.run_id]
        with scene.github.state.open(reading=True):
            token = scene.github.service.machines.identities.token(run, scene.job, audience, life=life)
        with pytest.raises(CloudDenied, match="does not accept GitHub's token"):
            assume(role, token, "job")

    def test_a_token_of_a_forger_is_refused(self, role: Role) -> None:
        """It says all the right things, but somebody else signed it."""
        with GitHubWorld() as other:
            other.add_repository(REPO)
            job = other.queue_job(REPO, ["self-hosted"])
            with other.state.open(reading=True):
                run = other.state.live.runs[job.run_id]
                token = other.service.machines.identities.token(run, job, AUDIENCE)
        with pytest.raises(CloudDenied, match="Signature"):
            assume(role, token, "job")

    def test_aws_that_is_away_is_said_to_be(self, role: Role, monkeypatch: pytest.MonkeyPatch) -> None:
        """It may be back at the next need."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(CloudUnavailable, match="cannot be asked"):
            assume(role, "x", "job")

    @pytest.mark.parametrize(("arn", "seconds"), [("train", 3600), ("arn:aws:iam::123456789012:role/a", 60)])
    def test_a_role_that_cannot_be_is_refused(self, arn: str, seconds: int) -> None:
        """Before anybody is asked."""
        with pytest.raises(ConfigError):
            Role(arn, seconds=seconds).checked()


def _session(minutes: float, key: str = "K") -> Session:
    return Session(key, "S", "T", datetime.now(UTC) + timedelta(minutes=minutes))


class TestKeeping:
    """Credentials are asked for when they are needed, by one process, and seen by nobody else."""

    ROLE = Role("arn:aws:iam::123456789012:role/train")

    def test_they_are_kept_until_aws_programs_would_ask_again(self, tmp_path: Path) -> None:
        """In a file that only the user can read; another role has another file."""
        asked: list[str] = []

        def renew() -> Session:
            asked.append("x")
            return _session(17 if len(asked) == 1 else 60)

        keeper = Keeper(tmp_path / "kept", self.ROLE, renew, asked.append)
        first = keeper.session()
        assert first == keeper.session()
        (file,) = (tmp_path / "kept").glob("*.json")
        assert (0o600, 0o700) == (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode))
        said = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**said, "until": _session(15).until.isoformat()}), encoding="utf-8")
        assert keeper.session().until > first.until
        assert ["x", "x"] == asked
        Keeper(tmp_path / "kept", Role(self.ROLE.arn, "eu-west-1"), renew, asked.append).session()
        assert 3 == len(asked)

    def test_many_at_once_ask_once(self, tmp_path: Path) -> None:
        """A training's workers all find the credentials gone at the same moment."""
        asked: list[str] = []

        def renew() -> Session:
            asked.append("x")
            return _session(60, f"K{len(asked)}")

        found: list[Session] = []
        keepers = [Keeper(tmp_path, self.ROLE, renew, asked.append) for _ in range(8)]
        threads = [Thread(target=lambda k=each: found.append(k.session())) for each in keepers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert (["x"], {"K1"}, 8) == (asked, {each.key for each in found}, len(found))

    def test_old_ones_serve_while_new_ones_cannot_be_had(self, tmp_path: Path) -> None:
        """Some minutes of GitHub's absence do not end a training; a warning says it. After that nothing is hidden."""
        warned: list[str] = []
        answers: list[Session] = [_session(10)]

        def renew() -> Session:
            if answers:
                return answers.pop()
            raise ForgeUnavailable("away")

        keeper = Keeper(tmp_path, self.ROLE, renew, warned.append)
        kept = keeper.session()
        assert kept == keeper.session()
        assert "could not be renewed" in warned[0]
        (file,) = tmp_path.glob("*.json")
        said = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**said, "until": _session(4).until.isoformat()}), encoding="utf-8")
        with pytest.raises(ForgeUnavailable):
            keeper.session()
        file.write_text("{", encoding="utf-8")
        with pytest.raises(ForgeUnavailable):
            keeper.session()


def test_the_profile_leaves_the_users_own_alone(tmp_path: Path) -> None:
    """Other profiles are in the copy, an old one of ours is not; keys that would come first are put out of the way."""
    own = tmp_path / "own"
    text = "[default]\nregion = eu-west-1\n\n[profile runnerkit]\nx = 1\n\n[profile team]\ny = 2\n"
    own.write_text(text, encoding="utf-8")
    environ = {"RUNNER_TEMP": str(tmp_path), "AWS_CONFIG_FILE": str(own), "AWS_REGION": "eu-west-3"}
    found = profile.installed(Role("arn:aws:iam::123456789012:role/train"), environ)
    written = Path(found["AWS_CONFIG_FILE"]).read_text(encoding="utf-8")
    assert text == own.read_text(encoding="utf-8")
    assert ("runnerkit", "", "eu-west-3") == (found["AWS_PROFILE"], found["AWS_ACCESS_KEY_ID"], found["AWS_REGION"])
    assert (1, 1, 0) == (written.count("[profile runnerkit]"), written.count("y = 2"), written.count("x = 1"))
    again = profile.installed(Role("arn:aws:iam::123456789012:role/train"), {**environ, **found})
    assert written == Path(again["AWS_CONFIG_FILE"]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_aws_programs_are_the_role_by_asking_us(scene: Scene, role: Role) -> None:
    """`--install` sets the next steps up: boto3 there takes our process for its credentials, and uses them."""
    output = scene.folder / "env"
    done = scene.command("--role-arn", role.arn, "--install", environ={"GITHUB_ENV": str(output)})
    assert ("", True) == (done.stdout, role.arn in done.stderr)
    variables = dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
    ask = "import boto3; c = boto3.client('sts'); k = boto3.Session().get_credentials(); "
    script = ask + "print(k.method, k.access_key[:4], c.get_caller_identity()['Arn'])"
    own = {**scene.environ(), **variables, "AWS_ENDPOINT_URL": scene.ec2.url, "PATH": os.environ["PATH"]}
    said = subprocess.run([sys.executable, "-c", script], env=own, capture_output=True, text=True, check=True)
    assert ["custom-process", "ASIA"] == said.stdout.split()[:2]
    assert "AssumeRoleWithWebIdentity" in [call.action for call in scene.ec2.calls]
    claims = json.loads(scene.command("--explain").stdout)
    assert SUB == claims["sub"]
    bare = {"ACTIONS_ID_TOKEN_REQUEST_URL": "", "RUNNER_TEMP": str(scene.folder / "other")}
    refused = scene.command("--role-arn", role.arn, code=2, environ=bare)
    assert "id-token: write" in refused.stderr
