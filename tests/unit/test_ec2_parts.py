"""The parts of the EC2 adapter that need no EC2: table, cache, requests, answers, patience, clients."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, date, datetime
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING, cast

import pytest
from botocore.stub import Stubber

from runnerkit.ec2 import Ec2Cloud, price_date
from runnerkit.ec2.answers import told
from runnerkit.ec2.cache import AGES, FORMAT, Cache
from runnerkit.ec2.clients import Clients
from runnerkit.ec2.disks import template_disk
from runnerkit.ec2.fleets import read_answer
from runnerkit.ec2.hardware import MOST_CANDIDATES, candidates, parse_type, wants_gpu
from runnerkit.ec2.machines import Machines
from runnerkit.ec2.network import Subnet
from runnerkit.ec2.patience import Backoff, Settling, pause
from runnerkit.ec2.prices import price_table
from runnerkit.ec2.requests import MOST_TYPES, Place, fleet_request, template_data
from runnerkit.errors import CloudDenied, CloudUnavailable, ConfigError, ImageMissing
from runnerkit.model import Attempt, Breadth, InstanceType, Market, Offering
from runnerkit.ports import Image, LaunchOrder
from runnerkit.settings import AwsSettings
from runnerkit.testing.clock import FakeClock
from runnerkit.wishes import Disk, GpuWish, Range, RunnerSpec

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_ec2.type_defs import CreateFleetResultTypeDef, InstanceTypeInfoTypeDef

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
IMAGE = Image("ami-1", "ml", "us-east-1", "x64", baked=True, root_device="/dev/sda1", root_gb=40)
ARM = Image("ami-2", "ml", "us-east-1", "arm64", baked=True, root_device="/dev/xvda", root_gb=40)
SUBNETS = {zone: Subnet(f"subnet-{zone[-1]}", zone, "vpc-1") for zone in ("us-east-1a", "us-east-1b")}
PLACE = Place("lt-1", "1", SUBNETS, {"x64": IMAGE, "arm64": ARM})


def pool(
    name: str = "g5.xlarge", zone: str = "us-east-1a", market: Market = Market.SPOT, arch: str = "x64"
) -> Offering:
    """One pool."""
    return Offering(InstanceType(name, arch, 4, 16), "us-east-1", zone, market, 0.5)


def order(profile: str | None = None) -> LaunchOrder:
    """An order."""
    return LaunchOrder("rk-1-1", b"x", {}, {}, profile=profile)


# --- the shipped table ------------------------------------------------------------------------------------------------


def test_the_table_knows_what_the_reference_prices_say() -> None:
    """us-east-1 exactly, other regions by the family's factor, None where nobody knows."""
    table = price_table()
    assert table.on_demand("g4dn.xlarge", "us-east-1") == 0.526
    assert table.on_demand("p5.48xlarge", "us-east-1") == 55.04
    assert table.on_demand("g4dn.xlarge", "eu-central-1") == pytest.approx(0.658, abs=0.002)
    assert table.on_demand("g5.xlarge", "eu-west-1") == pytest.approx(1.123, abs=0.002)
    assert table.on_demand("g5.xlarge", "us-west-2") == 1.006
    assert table.on_demand("p5.48xlarge", "ap-east-1") is None
    assert table.on_demand("nothing.large", "us-east-1") is None
    assert price_date() == date(2026, 7, 20)


def test_the_table_covers_the_gpus_and_stays_small() -> None:
    """Every NVIDIA model that EC2 rents, under 250 kB."""
    models = {type_.gpu.model for type_ in price_table().types.values() if type_.gpu}
    assert models >= {"t4", "t4g", "a10g", "l4", "l40s", "v100", "a100", "h100", "h200", "b200", "b300", "l4-fraction"}
    from importlib.resources import files

    assert len(files("runnerkit.ec2").joinpath("data", "instance_types.json").read_bytes()) < 250_000


@pytest.mark.parametrize(
    ("spec", "some", "none"),
    [
        (RunnerSpec(gpu=(GpuWish(model="t4"),)), {"g4dn.xlarge", "g4dn.16xlarge"}, {"g4dn.12xlarge", "g5g.xlarge"}),
        (
            RunnerSpec(gpu=(GpuWish(model="l4", count=4), GpuWish(model="a10g"))),
            {"g6.12xlarge", "g5.xlarge"},
            {"g6.xlarge"},
        ),
        (
            RunnerSpec(gpu=(GpuWish(model="any"),), ram=Range(low=16, high=16)),
            {"g4dn.xlarge", "g6.xlarge"},
            {"m7i.xlarge"},
        ),
        (RunnerSpec(family=("g6*",)), {"g6.xlarge", "g6e.xlarge", "g6f.large"}, {"g5.xlarge", "gr6.4xlarge"}),
        (
            RunnerSpec(cpu=Range(low=4, high=4), arch=("arm64",)),
            {"m7g.xlarge", "t4g.xlarge"},
            {"m7i.xlarge", "g5g.xlarge"},
        ),
        (RunnerSpec(type=("x9.large",)), {"x9.large"}, {"m7i.large"}),
        (RunnerSpec(family=("x9*",)), {"x9*.*"}, {"m7i.large"}),
        (RunnerSpec(no_gpu=True, cpu=Range(low=2, high=2)), {"t3.small"}, {"g6f.large"}),
    ],
)
def test_a_wish_is_narrowed_before_aws_is_asked(spec: RunnerSpec, some: set[str], none: set[str]) -> None:
    """By model and count, family pattern, cores, memory and architecture; the unknown is asked for as written."""
    names = set(candidates(spec, "us-east-1"))
    assert some <= names
    assert not none & names


def test_never_more_candidates_than_a_page() -> None:
    """The cheapest, of both architectures alike."""
    names = candidates(RunnerSpec(), "us-east-1")
    arches = [price_table().types[name].arch for name in names]
    assert len(names) == MOST_CANDIDATES
    assert arches.count("x64") == arches.count("arm64")
    assert "t3.nano" in names


def test_a_wish_for_a_gpu_type_wants_a_driver() -> None:
    """By model, by type or by family; a CPU wish does not."""
    wishes = [RunnerSpec(gpu=(GpuWish(model="any"),)), RunnerSpec(type=("g5.xlarge",)), RunnerSpec(family=("p4*",))]
    assert [wants_gpu(spec) for spec in wishes] == [True] * 3
    assert not wants_gpu(RunnerSpec(type=("m7i.large",)))
    assert not wants_gpu(RunnerSpec())


def test_a_type_described_with_next_to_nothing_is_still_a_type() -> None:
    """New kinds of hardware come with new kinds of gaps."""
    seen = parse_type(cast("InstanceTypeInfoTypeDef", {"InstanceType": "x9.large", "GpuInfo": {"Gpus": [{}]}}))
    assert (seen.name, seen.arch, seen.cpu) == ("x9.large", "x64", 0)


# --- the cache --------------------------------------------------------------------------------------------------------


def test_an_answer_is_asked_for_again_when_it_is_too_old(tmp_path: Path) -> None:
    """Each kind has an age; a clock set back makes an answer old, not young."""
    clock = FakeClock()
    asked: list[int] = []

    def ask() -> object:
        asked.append(1)
        return len(asked)

    for kind, age in AGES.items():
        asked.clear()
        cache = Cache(tmp_path, clock)
        assert [cache.get(kind, "k", ask, int_of), Cache(tmp_path, clock).get(kind, "k", ask, int_of)] == [1, 1]
        clock.advance(age - 1)
        assert Cache(tmp_path, clock).get(kind, "k", ask, int_of) == 1
        clock.advance(2)
        assert Cache(tmp_path, clock).get(kind, "k", ask, int_of) == 2
    assert Cache(tmp_path, FakeClock(datetime(2025, 1, 1, tzinfo=UTC))).get("spot", "k", lambda: 9, int_of) == 9


def int_of(kept: object) -> int:
    """Read a number."""
    return int(cast("int", kept))


@pytest.mark.parametrize(
    "kept", [b"", b"\xff", b'{"at": 1', b"[" * 200_000, b'{"at": NaN, "value": 1}', b'{"at": 4e9, "value": 1}']
)
def test_what_cannot_be_read_was_never_there(tmp_path: Path, kept: bytes) -> None:
    """Cut off, of no sense, nested without end, dated tomorrow: asked anew, and kept whole."""
    clock = FakeClock()
    Cache(tmp_path, clock).get("spot", "k", lambda: 1, int_of)
    (file,) = tmp_path.iterdir()
    file.write_bytes(kept)
    assert Cache(tmp_path, clock).get("spot", "k", lambda: 2, int_of) == 2
    assert Cache(tmp_path, clock).get("spot", "k", lambda: 3, int_of) == 2


def test_another_release_reads_nothing_of_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may mean something else by the same words."""
    Cache(tmp_path, FakeClock()).get("spot", "k", lambda: 1, int_of)
    monkeypatch.setattr("runnerkit.ec2.cache.FORMAT", FORMAT + 1)
    assert Cache(tmp_path, FakeClock()).get("spot", "k", lambda: 2, int_of) == 2


def test_nowhere_to_keep_an_answer_is_no_failure(tmp_path: Path) -> None:
    """A file where the folder should be, a folder where the file should be."""
    (tmp_path / "file").touch()
    assert Cache(tmp_path / "file", FakeClock()).get("spot", "k", lambda: 1, int_of) == 1
    Cache(tmp_path / "folder", FakeClock()).get("spot", "k", lambda: 1, int_of)
    (kept,) = (tmp_path / "folder").iterdir()
    kept.unlink()
    kept.mkdir()
    assert Cache(tmp_path / "folder", FakeClock()).get("spot", "k", lambda: 2, int_of) == 2


def test_a_dropped_answer_is_gone_from_memory_and_disk(tmp_path: Path) -> None:
    """Otherwise a stale subnet would come back from the other one."""
    cache = Cache(tmp_path, FakeClock())
    cache.get("subnets", "k", lambda: 1, int_of)
    cache.drop("subnets", "k")
    assert cache.get("subnets", "k", lambda: 2, int_of) == 2
    cache.drop("subnets", "never kept")


def test_the_folder_holds_whole_files_of_ours_only(tmp_path: Path) -> None:
    """No half-written file stays, nobody else may read it, and old answers are deleted."""
    folder = tmp_path / "a" / "b"
    cache = Cache(folder, FakeClock())
    cache.get("spot", "k", lambda: [1, 2], list_of)
    (kept,) = folder.iterdir()
    assert json.loads(kept.read_text())["value"] == [1, 2]
    assert folder.stat().st_mode & 0o77 == 0
    os.utime(kept, (0, 0))
    cache.get("spot", "other", list, list_of)
    assert kept not in set(folder.iterdir())


def list_of(kept: object) -> list[object]:
    """Read a list."""
    return list(cast("list[object]", kept))


def test_an_answer_that_fails_is_not_kept(tmp_path: Path) -> None:
    """An error is no answer."""
    cache = Cache(tmp_path, FakeClock())
    with pytest.raises(ImageMissing):
        cache.get("image", "k", missing, int_of)
    assert cache.get("image", "k", lambda: 3, int_of) == 3


def missing() -> object:
    """There is no image."""
    raise ImageMissing("none")


# --- requests and answers ---------------------------------------------------------------------------------------------


def test_a_fleet_takes_sixty_types_and_one_subnet_a_zone() -> None:
    """The cheapest sixty, in zones that have a subnet; another architecture brings image and disk."""
    pools = tuple(pool(f"m{n}.large", zone) for n in range(70) for zone in ("us-east-1a", "us-east-1z"))
    attempt = Attempt(Market.ON_DEMAND, "us-east-1", (*pools[:2], pool("t4g.large", arch="arm64"), *pools[2:]))
    request = fleet_request(attempt, PLACE, Disk(gb=100), {"a": "b"})
    overrides = request["LaunchTemplateConfigs"][0]["Overrides"]
    assert len({o["InstanceType"] for o in overrides}) == len(overrides) == MOST_TYPES
    assert {o["SubnetId"] for o in overrides} == {"subnet-a"}
    (arm,) = [o for o in overrides if "ImageId" in o]
    assert (arm["InstanceType"], arm["ImageId"]) == ("t4g.large", "ami-2")
    assert arm["BlockDeviceMappings"][0]["DeviceName"] == "/dev/xvda"
    assert request["OnDemandOptions"]["AllocationStrategy"] == "lowest-price"
    assert {spec["ResourceType"] for spec in request["TagSpecifications"]} == {"instance", "volume", "fleet"}


@pytest.mark.parametrize(
    ("disk", "image", "size", "kind"),
    [
        (None, IMAGE, 40, "gp3"),
        (Disk(gb=20), IMAGE, 40, "gp3"),
        (Disk(gb=200, type="io2", iops=9000), IMAGE, 200, "io2"),
    ],
)
def test_a_disk_is_never_smaller_than_its_image(disk: Disk | None, image: Image, size: int, kind: str) -> None:
    """EC2 refuses a volume that is smaller than the snapshot."""
    volume = template_disk(disk, image)["Ebs"]
    assert (volume["VolumeSize"], volume["VolumeType"], volume["Encrypted"]) == (size, kind, True)


@pytest.mark.parametrize(
    ("key", "shown"),
    [("team", "enabled"), ("cost/centre", "disabled"), ("cost centre", "disabled"), ("..", "disabled")],
)
def test_tags_the_metadata_service_cannot_show_are_not_shown(key: str, shown: str) -> None:
    """EC2 refuses a launch whose tag keys its metadata paths cannot hold."""
    data = template_data(order(), IMAGE, ["sg-1"], {"runnerkit:owner": "x", key: "y"})
    assert data["MetadataOptions"]["InstanceMetadataTags"] == shown


def test_a_profile_may_be_a_name_or_an_arn() -> None:
    """Policies list either."""
    by_name = template_data(order(profile="trainer"), IMAGE, [], {})["IamInstanceProfile"]
    by_arn = template_data(order(profile="arn:aws:iam::1:instance-profile/t"), IMAGE, [], {})["IamInstanceProfile"]
    assert (by_name, by_arn) == ({"Name": "trainer"}, {"Arn": "arn:aws:iam::1:instance-profile/t"})


def fleet(*errors: tuple[str, dict[str, str]], instance: str = "") -> CreateFleetResultTypeDef:
    """A fleet's answer."""
    return cast(
        "CreateFleetResultTypeDef",
        {
            "Errors": [
                {"ErrorCode": code, "ErrorMessage": "no", "LaunchTemplateAndOverrides": {"Overrides": overrides}}
                for code, overrides in errors
            ],
            "Instances": [{"InstanceIds": [instance], "Lifecycle": "spot", "InstanceType": "g5.xlarge"}]
            if instance
            else [],
        },
    )


def test_a_refusal_is_about_the_pool_it_names() -> None:
    """By type and subnet; one that names neither is about every pool of the call."""
    pools = [pool(zone="us-east-1a"), pool(zone="us-east-1b")]
    named = read_answer(
        fleet(("UnfulfillableCapacity", {"InstanceType": "g5.xlarge", "SubnetId": "subnet-b"})), pools, PLACE, NOW, "x"
    )
    assert [(r.type, r.zone, r.breadth) for r in named.refusals] == [("g5.xlarge", "us-east-1b", Breadth.POOL)]
    nameless = read_answer(fleet(("UnfulfillableCapacity", {})), pools, PLACE, NOW, "x")
    assert {r.zone for r in nameless.refusals} == {"us-east-1a", "us-east-1b"}


def test_a_fleet_that_gives_neither_machine_nor_reason_refuses_all_pools() -> None:
    """An empty answer of EC2 is seen in practice, and must not look like a launch."""
    answer = read_answer(fleet(), [pool()], PLACE, NOW, "x")
    assert answer.launched == ()
    assert [r.code for r in answer.refusals] == ["UnfulfillableCapacity"]


def test_a_mistake_decides_only_when_no_pool_was_refused() -> None:
    """With a refusal beside it another attempt may still succeed."""
    mistake = ("UnauthorizedOperation", {"InstanceType": "g5.xlarge", "SubnetId": "subnet-a"})
    refusal = ("UnfulfillableCapacity", {"InstanceType": "g5.xlarge", "SubnetId": "subnet-b"})
    pools = [pool(zone="us-east-1a"), pool(zone="us-east-1b")]
    alone = read_answer(fleet(mistake), pools, PLACE, NOW, "launching rk-1-1")
    assert isinstance(alone.wrong, CloudDenied)
    assert "ec2:RunInstances" in alone.wrong.message
    assert read_answer(fleet(mistake, refusal), pools, PLACE, NOW, "x").wrong is None


def test_a_machine_beside_errors_is_a_machine() -> None:
    """The errors of other pools are kept as refusals."""
    answer = read_answer(
        fleet(("UnfulfillableCapacity", {"SubnetId": "subnet-b"}), instance="i-1"), [pool()], PLACE, NOW, "x"
    )
    assert [(each.instance_id, each.market) for each in answer.launched] == [("i-1", Market.SPOT)]


# --- patience ---------------------------------------------------------------------------------------------------------


def test_a_wake_up_call_is_passed_on() -> None:
    """The controller's loop waits for it; a launch that backs off must not swallow it."""
    clock = FakeClock()
    clock.wake()
    before = clock.now()
    pause(clock, 5)
    assert (clock.now() - before).total_seconds() == 5
    assert clock.wait(60) is True


def test_tries_are_four_and_take_less_than_twenty_seconds() -> None:
    """However the dice fall."""
    clock = FakeClock()
    before, backoff = clock.now(), Backoff(clock)
    assert [backoff.again() for _ in range(5)] == [True, True, True, False, False]
    assert (clock.now() - before).total_seconds() <= 20


def test_only_fresh_launches_of_ours_are_settling() -> None:
    """For a minute."""
    clock = FakeClock()
    settling = Settling(clock)
    settling.launched("i-1")
    assert (settling.holds("i-1"), settling.holds("i-2")) == (True, False)
    clock.advance(61)
    assert not settling.holds("i-1")


# --- clients ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that says nothing about AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_launches_are_sent_once_and_reads_three_times(clients: Clients) -> None:
    """For botocore takes EC2's missing capacity for a fault of the server and would repeat it."""
    attempts = [client.meta.config.retries for client in (clients.ec2_once("eu-west-1"), clients.ec2("eu-west-1"))]  # type: ignore[attr-defined]  # the stubs lack it
    assert [retries["total_max_attempts"] for retries in attempts] == [1, 3]
    assert clients.ec2("eu-west-1") is clients.ec2("eu-west-1")


@pytest.mark.parametrize(
    "ending",
    [b"", b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<Cr"],
)
def test_a_launch_reaches_the_wire_once(bare: pytest.MonkeyPatch, ending: bytes) -> None:
    """Whatever AWS's variables say of retries: connection closed, server out of order, answer cut short."""
    for name, value in {
        "RETRY_MODE": "legacy",
        "MAX_ATTEMPTS": "4",
        "ACCESS_KEY_ID": "a",
        "SECRET_ACCESS_KEY": "b",
    }.items():
        bare.setenv(f"AWS_{name}", value)
    came: list[bytes] = []

    class Wire(BaseRequestHandler):
        def handle(self) -> None:
            came.append(self.request.recv(65536))
            self.request.sendall(ending)

    with ThreadingTCPServer(("127.0.0.1", 0), Wire) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        clients = Clients(AwsSettings(endpoint_url=f"http://127.0.0.1:{server.server_address[1]}"))
        with pytest.raises(CloudUnavailable), told("launching"):
            clients.ec2_once("eu-west-1").create_fleet(
                LaunchTemplateConfigs=[], TargetCapacitySpecification={"TotalTargetCapacity": 1}
            )
        server.shutdown()
    assert len(came) == 1


def test_the_region_comes_from_settings_then_from_aws_own_words(bare: pytest.MonkeyPatch) -> None:
    """And where nobody says it, the error tells who can."""
    assert Clients(AwsSettings(regions=("eu-west-1", "us-east-2"))).regions == ("eu-west-1", "us-east-2")
    with pytest.raises(ConfigError, match="no AWS region is set") as caught:
        _ = Clients(AwsSettings()).regions
    assert "AWS_REGION" in caught.value.hint
    bare.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    assert Clients(AwsSettings()).regions == ("eu-north-1",)
    bare.setenv("AWS_REGION", "eu-west-3")
    assert Clients(AwsSettings()).regions == ("eu-west-3",)


@pytest.fixture
def clients(bare: pytest.MonkeyPatch) -> Clients:
    """Clients with credentials that nobody checks."""
    bare.setenv("AWS_ACCESS_KEY_ID", "x")
    bare.setenv("AWS_SECRET_ACCESS_KEY", "x")
    return Clients(AwsSettings(regions=("eu-west-1",)))


def test_a_listing_reads_every_page(clients: Clients) -> None:
    """A second page that is forgotten would make the core believe that machines are gone."""
    tags = [{"Key": "runnerkit:runner", "Value": "rk-1-1"}]
    seen = {"LaunchTime": NOW, "InstanceType": "g5.xlarge", "State": {"Code": 16, "Name": "running"}, "Tags": tags}
    wanted = {"Filters": [{"Name": "tag:runnerkit:owner", "Values": ["runnerkit"]}], "MaxResults": 1000}
    with Stubber(clients.ec2("eu-west-1")) as stub:
        for ids, token, next_token in ((("i-1", "i-2"), None, "more"), (("i-3",), "more", None)):
            stub.add_response(
                "describe_instances",
                {
                    "Reservations": [{"Instances": [{"InstanceId": id_, **seen}]} for id_ in ids],
                    **({"NextToken": next_token} if next_token else {}),
                },
                {**wanted, **({"NextToken": token} if token else {})},
            )
        machines = Machines("runnerkit", clients, FakeClock(), Settling(FakeClock()))
        assert [instance.id for instance in machines.instances()] == ["i-1", "i-2", "i-3"]
        stub.assert_no_pending_responses()


def test_many_machines_are_ended_in_batches(clients: Clients) -> None:
    """EC2 takes a thousand ids in a call; one bad id spoils a batch of five hundred at most."""
    ids = [f"i-{n:017x}" for n in range(501)]
    with Stubber(clients.ec2("eu-west-1")) as stub:
        stub.add_response("terminate_instances", {}, {"InstanceIds": ids[:500]})
        stub.add_response("terminate_instances", {}, {"InstanceIds": ids[500:]})
        Machines("runnerkit", clients, FakeClock(), Settling(FakeClock())).terminate("eu-west-1", [*ids, ids[0]])
        stub.assert_no_pending_responses()


def test_an_unknown_profile_is_a_matter_of_configuration(bare: pytest.MonkeyPatch) -> None:
    """Not of AWS."""
    assert bare is not None
    with pytest.raises(ConfigError, match="lab"):
        Clients(AwsSettings(profile="lab", regions=("eu-west-1",))).ec2("eu-west-1")


def test_a_slip_in_region_or_endpoint_is_a_matter_of_configuration(bare: pytest.MonkeyPatch) -> None:
    """Neither a traceback nor something to try again."""
    with pytest.raises(ConfigError, match="us east 1") as caught:
        Clients(AwsSettings()).ec2("us east 1")
    assert "AWS_REGION" in caught.value.hint
    bare.setenv("AWS_ENDPOINT_URL", "localhost:4566")
    with pytest.raises(ConfigError, match="localhost:4566") as caught:
        Clients(AwsSettings()).ec2("eu-west-1")
    assert "AWS_ENDPOINT_URL" in caught.value.hint


def test_without_credentials_the_error_tells_how_to_get_some(bare: pytest.MonkeyPatch) -> None:
    """At a desk and in a workflow."""
    assert bare is not None
    cloud = Ec2Cloud(AwsSettings(regions=("eu-west-1",)), clock=FakeClock(), cache_dir=None)
    with pytest.raises(CloudDenied) as caught:
        cloud.instances()
    assert "id-token: write" in caught.value.hint


def test_the_endpoint_of_the_settings_wins(bare: pytest.MonkeyPatch) -> None:
    """So that one process can talk to a sandbox while its environment means AWS."""
    bare.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    assert Clients(AwsSettings(endpoint_url=url)).ec2("eu-west-1").meta.endpoint_url == url
    assert Clients(AwsSettings()).ec2("eu-west-1").meta.endpoint_url == "http://127.0.0.1:1"
