"""The metadata service of each instance."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client

from runnerkit.machine.runnerkit_agent.imds import ENDPOINT_VARIABLE
from runnerkit.machine.runnerkit_agent.imds import Imds as Reader
from runnerkit.sandbox.imds import Imds, InstanceMetadata
from tests.sandbox.machines.yard import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runnerkit.sandbox.ec2 import SandboxEc2, Stage

    Get = Callable[..., tuple[int, str]]

TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"
V2 = {"HttpTokens": "required", "InstanceMetadataTags": "enabled"}


@pytest.fixture
def imds(ec2_world: SandboxEc2) -> Iterator[Imds]:
    """The service of an empty world."""
    served = Imds(ec2_world)
    served.start()
    yield served
    served.stop()


@pytest.fixture
def get(imds: Imds, stage: Stage) -> Get:
    """Ask for a path, as the one instance of the world or as another, with a good token."""
    instance = stage.run(MetadataOptions=V2, UserData="#cloud-config\n{}")

    def ask(path: str, instance_id: str = instance, *, method: str = "GET", **headers: str) -> tuple[int, str]:
        url = f"{imds.url(instance_id)}/latest/{path}"
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=sent, method=method)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""

    def with_token(path: str, instance_id: str = instance, *, token: bool = True, **more: Any) -> tuple[int, str]:  # noqa: ANN401 - headers
        if not token:
            return ask(path, instance_id, **more)
        _, mine = ask("api/token", instance_id, method="PUT", **{TTL: "60"})
        return ask(path, instance_id, **{TOKEN: mine}, **more)

    return with_token


def test_an_instance_learns_what_it_is(get: Get, stage: Stage) -> None:
    """Ids, type, place and market as EC2 has them; the tags where they were asked for; its user data."""
    (view,) = stage.world.instances()
    stage.ec2.create_tags(Resources=[view.id], Tags=[{"Key": "runnerkit:runner", "Value": "rk-1"}])
    told = {
        "instance-id": view.id,
        "instance-type": view.type,
        "ami-id": view.image_id,
        "instance-life-cycle": "spot",
        "placement/availability-zone": view.zone,
        "placement/region": "us-east-1",
        "tags/instance/runnerkit:runner": "rk-1",
    }
    assert {path: get(f"meta-data/{path}") for path in told} == {path: (200, text) for path, text in told.items()}
    assert get("user-data") == (200, "#cloud-config\n{}")
    document = json.loads(get("dynamic/instance-identity/document")[1])
    assert (document["instanceId"], document["region"]) == (view.id, "us-east-1")
    assert get("meta-data/placement/")[1].split() == ["availability-zone", "region"]
    assert "placement/" in get("meta-data/")[1].split()


def test_what_is_not_there_is_not_found(get: Get, stage: Stage) -> None:
    """No notice, no recommendation, no role, no such path, no such instance."""
    missing = ["spot/instance-action", "spot/termination-time", "events/recommendations/rebalance", "nothing"]
    missing += ["iam/security-credentials/", "instance-id/deeper"]
    assert [get(f"meta-data/{path}")[0] for path in missing] == [404] * len(missing)
    assert get("meta-data/instance-id", "i-0123", token=False)[0] == 404
    other = stage.run()
    assert get("meta-data/tags/instance/", other)[0] == 404
    assert get("user-data", other)[0] == 404


def test_a_token_is_needed_and_ends(get: Get) -> None:
    """401 without one, with another instance's or an old one; 400 for a bad lifetime, 403 through a proxy."""
    assert get("meta-data/instance-id", token=False)[0] == 401
    assert get("meta-data/instance-id", token=False, **{TOKEN: "guessed"})[0] == 401
    for lifetime in ("0", "21601", "long", "-1"):
        assert get("api/token", token=False, method="PUT", **{TTL: lifetime})[0] == 400
    assert get("api/token", token=False, method="PUT")[0] == 400
    assert get("api/token", token=False, method="PUT", X_Forwarded_For="10.0.0.1", **{TTL: "60"})[0] == 403
    assert get("api/token", token=False)[0] == 405
    code, token = get("api/token", token=False, method="PUT", **{TTL: "1"})
    assert (code, get("meta-data/instance-id", token=False, **{TOKEN: token})[0]) == (200, 200)
    time.sleep(1.05)
    assert get("meta-data/instance-id", token=False, **{TOKEN: token})[0] == 401


def test_the_options_of_the_instance_count(get: Get, stage: Stage, imds: Imds) -> None:
    """Version 1 where it is optional, nothing where it is disabled or switched off."""
    old = stage.run(MetadataOptions={"HttpTokens": "optional"})
    assert get("meta-data/instance-id", old, token=False) == (200, old)
    closed = stage.run(MetadataOptions={"HttpEndpoint": "disabled"})
    assert get("meta-data/instance-id", closed)[0] == 403
    imds.switch(old, on=False)
    assert get("meta-data/instance-id", old, token=False)[0] == 403
    imds.switch(old, on=True)
    assert get("meta-data/instance-id", old, token=False)[0] == 200


def test_a_profile_gives_credentials(get: Get, stage: Stage) -> None:
    """The role and keys with which the sandbox's AWS can be used."""
    stage.connect("iam").create_instance_profile(InstanceProfileName="trainer")
    instance = stage.run(IamInstanceProfile={"Name": "trainer"})
    assert get("meta-data/iam/security-credentials/", instance) == (200, "trainer")
    keys = json.loads(get("meta-data/iam/security-credentials/trainer", instance)[1])
    assert (keys["Code"], keys["AccessKeyId"]) == ("Success", stage.world.environment()["AWS_ACCESS_KEY_ID"])


def test_the_agent_reads_what_is_announced(imds: Imds, stage: Stage) -> None:
    """The machine's own client understands notice and recommendation, and an instance that ends is forgotten."""
    instance = stage.run()
    reader = Reader({ENDPOINT_VARIABLE: imds.url(instance)})
    now = time.time()
    assert (reader.notice(now), reader.rebalance(now)) == (None, None)
    stage.world.rebalance(instance)
    stage.world.interrupt(instance, notice=90)
    notice = reader.notice(now)
    assert notice is not None
    assert notice.action == "terminate"
    assert notice.at == pytest.approx(now + 90, abs=5)
    assert eventually(lambda: reader.rebalance(now), "the recommendation") == pytest.approx(now, abs=5)
    assert reader.facts()["market"] == "spot"
    before = imds.of(instance)
    stage.ec2.terminate_instances(InstanceIds=[instance])
    eventually(lambda: imds.of(instance) is not before, "it is forgotten")


def test_one_instance_can_be_served_at_the_root(stage: Stage) -> None:
    """As on a machine with a network of its own."""
    client = Client(InstanceMetadata(stage.world, instance := stage.run()))
    token = client.put("/latest/api/token", headers={TTL: "60"}).text
    assert client.get("/latest/meta-data/instance-id", headers={TOKEN: token}).text == instance
    assert client.post("/latest/meta-data/instance-id", headers={TOKEN: token}).status_code == 405
