"""User data: valid for cloud-init, deadlines first, no input in any command, secrets in one file only."""

from __future__ import annotations

import ast
import dis
import gc
import gzip
import inspect
import json
import random
import time
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import CodeType
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit import boot
from runnerkit.errors import LaunchRejected
from runnerkit.names import Secret
from runnerkit.ports import Machine

SCHEMA = json.loads(
    (Path(__file__).parents[1] / "data" / "cloud-init" / "schema-cloud-config-v1.json").read_text(encoding="utf-8")
)
TAME = Machine(
    name="rk-17291-1",
    repo="acme/models",
    labels=("runnerkit=17291/gpu=t4", "runnerkit-born-1790000000"),
    online_within=300,
    idle=240,
    life=7200,
    baked=True,
    facts={"market": "spot", "price": "0.21"},
)
STOCK = replace(
    TAME,
    baked=False,
    online_within=900,
    runner_url="https://github.com/actions/runner/releases/download/v2.336.0/actions-runner-linux-x64-2.336.0.tar.gz",
    runner_sha256="0" * 64,
)
SECRET = Secret(b64encode(b"the secret of this runner").decode())


def jit_of(length: int) -> Secret:
    """A JIT configuration built like GitHub's: base64 of a JSON object of base64 files full of random bytes."""
    chance = random.Random(length)
    inner = {
        name: b64encode(chance.randbytes(size)).decode()
        for name, size in ((".runner", 300), (".credentials", 200), (".credentials_rsaparams", length * 9 // 16 - 560))
    }
    return Secret(b64encode(json.dumps(inner).encode()).decode())


def unpacked(user_data: bytes) -> dict[str, Any]:
    """The document as cloud-init reads it: gunzipped if need be, the header checked, the rest read as YAML."""
    text = gzip.decompress(user_data) if user_data.startswith(b"\x1f\x8b") else user_data
    assert text.startswith(b"#cloud-config\n")
    document = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    assert isinstance(document, dict)
    return document


def written(document: dict[str, Any]) -> dict[str, str]:
    """Path -> content of the files that cloud-init writes."""
    return {
        file["path"]: b64decode(file["content"]).decode("utf-8", "surrogatepass")
        if file.get("encoding") == "b64"
        else file["content"]
        for file in document["write_files"]
    }


def check(document: dict[str, Any]) -> None:
    """Validate against cloud-init's own schema; unknown keys at the top, which it lets through, are errors too."""
    jsonschema.Draft4Validator(SCHEMA).validate(document)
    known = {key for part in SCHEMA["$defs"].values() for key in part.get("properties", {})}
    assert set(document) <= known


@pytest.mark.parametrize(
    "machine", [TAME, STOCK, replace(STOCK, startup="echo hello")], ids=["baked", "stock", "startup"]
)
def test_cloud_init_accepts_the_document(machine: Machine) -> None:
    """Both kinds of image get a document that cloud-init's schema accepts."""
    check(unpacked(boot.user_data(machine, SECRET)))


@pytest.mark.parametrize(
    "damage",
    [
        {"write_files": [{"content": "no path"}]},
        {"write_files": [{"path": "/x", "encoding": "rot13"}]},
        {"write_files": [{"path": "/x", "mode": "0600"}]},
        {"runcmd": [["systemctl", 1]]},
        {"bootcmd": []},
        {"bootcmd": "systemctl poweroff"},
        {"write_file": []},
    ],
)
def test_a_wrong_document_is_refused(damage: dict[str, Any]) -> None:
    """The check can fail: each of these mistakes is found."""
    document = boot.document(TAME, SECRET) | damage
    with pytest.raises((jsonschema.ValidationError, AssertionError)):
        check(document)


def test_deadlines_are_armed_before_anything_else() -> None:
    """The commands that cloud-init runs first are timers only, each way to power off harder than the last."""
    commands = boot.document(TAME, SECRET)["bootcmd"]
    assert [(command[5], command[10:]) for command in commands if "poweroff" in command] == [
        ("--on-active=301s", ["systemctl", "poweroff"]),
        ("--on-active=360s", ["systemctl", "poweroff", "--force"]),
        ("--on-active=390s", ["systemctl", "poweroff", "--force", "--force"]),
        ("--on-active=7201s", ["systemctl", "poweroff"]),
        ("--on-active=7260s", ["systemctl", "poweroff", "--force"]),
        ("--on-active=7290s", ["systemctl", "poweroff", "--force", "--force"]),
    ]
    assert all(command[0] == "systemd-run" for command in commands)


def test_deadlines_depend_on_nothing_that_may_hang() -> None:
    """Timer and service both do without systemd's default dependencies, which wait for cloud-init itself."""
    for command in boot.document(TAME, SECRET)["bootcmd"]:
        assert "--timer-property=DefaultDependencies=no" in command
        assert "--property=DefaultDependencies=no" in command
        assert "--no-block" in command


@pytest.mark.parametrize(("seconds", "stopped"), [(899, False), (900, True), (3600, True)])
def test_the_deadline_of_the_image_never_comes_before_that_of_the_launch(seconds: int, stopped: bool) -> None:
    """It is called off once a longer one is armed, and stays beside a shorter one."""
    commands = boot.document(replace(TAME, online_within=seconds), SECRET)["bootcmd"]
    call = ["systemctl", "stop", "--no-block", "runnerkit-boot.timer"]
    assert (commands[-1] == call) is stopped
    assert call not in boot.document(replace(STOCK, online_within=seconds), SECRET)["bootcmd"]
    timer = next(file.text for file in boot.agent_files(image=True) if file.path.endswith("runnerkit-boot.timer"))
    assert f"OnBootSec={boot.IMAGE_DEADLINE // 60}min" in timer


def test_a_missed_deadline_says_so_on_the_console() -> None:
    """The first timer of each deadline writes the reason where GetConsoleOutput finds it."""
    reasons = [command for command in boot.document(TAME, SECRET)["bootcmd"] if "echo" in command]
    assert [command[-1] for command in reasons] == [
        "runnerkit: powering off: no listener in time (300 s)",
        "runnerkit: powering off: the machine reached its lifetime (7200 s)",
    ]
    assert all("--property=StandardOutput=journal+console" in command for command in reasons)


def test_a_baked_image_gets_only_what_differs_between_machines() -> None:
    """Leases, JIT configuration, start; the agent is in the image."""
    document = unpacked(boot.user_data(TAME, SECRET))
    assert list(written(document)) == [boot.LIFE_FILE, boot.MACHINE_FILE, boot.JIT_FILE]
    assert document["runcmd"] == [["systemctl", "start", "--no-block", "runnerkit-runner.service"]]


def test_a_stock_image_gets_the_agent_as_well() -> None:
    """Every module, unit and hook arrives, and works as the file it was made from."""
    content = written(unpacked(boot.user_data(STOCK, SECRET)))
    source = files("runnerkit") / "machine"
    for name in (
        "agent.py",
        *(f"runnerkit_agent/{n}.py" for n in ("rules", "imds", "machine", "prepare", "guard", "main")),
    ):
        shipped = content[f"{boot.AGENT_FOLDER}/{name}"]
        assert code_of(shipped) == code_of((source / name).read_text(encoding="utf-8"))
        assert '"""' not in shipped
    assert "#" not in content[f"{boot.AGENT_FOLDER}/runnerkit_agent/rules.py"]
    for unit in ("prepare", "runner", "guard", "end", "poweroff"):
        assert f"/etc/systemd/system/runnerkit-{unit}.service" in content
    assert "ForwardToConsole=yes" in content["/etc/systemd/journald.conf.d/50-runnerkit.conf"]
    assert json.loads(content[boot.MACHINE_FILE])["runner_sha256"] == "0" * 64


def code_of(source: str) -> list[object]:
    """What the functions of a module do: their instructions, in which neither types nor docstrings leave anything."""
    found: list[object] = []
    todo = [compile(source, "<module>", "exec", dont_inherit=True)]
    while todo:
        code = todo.pop(0)
        todo += [each for each in code.co_consts if isinstance(each, CodeType)]
        if code.co_flags & inspect.CO_OPTIMIZED:
            steps = [(each.opname, each.argrepr.partition(" at 0x")[0]) for each in dis.get_instructions(code)]
            found.append((code.co_qualname, steps))
    return found


def test_files_for_an_image_cover_unusable_user_data() -> None:
    """A baked image has a deadline of its own that needs no user data; a stock image is given none to enable."""
    assert "/etc/systemd/system/runnerkit-boot.timer" in {file.path for file in boot.agent_files(image=True)}
    assert "/etc/systemd/system/runnerkit-boot.timer" not in {file.path for file in boot.agent_files(image=False)}


def test_the_agent_is_told_its_leases_and_facts() -> None:
    """machine.json carries what the guard holds the machine to."""
    said = json.loads(written(boot.document(TAME, SECRET))[boot.MACHINE_FILE])
    assert (said["online_within"], said["idle"], said["life"]) == (300, 240, 7200)
    assert said["facts"] == {"market": "spot", "price": "0.21"}
    assert said["imds_for_job"] is False
    assert written(boot.document(TAME, SECRET))[boot.LIFE_FILE] == "[Service]\nRuntimeMaxSec=7200\n"


def test_a_start_up_script_runs_as_what_it_says() -> None:
    """Its first line decides about the interpreter; without one it is sh."""
    python = "#!/usr/bin/python3\nprint('ready')\n"
    assert written(boot.document(replace(TAME, startup=python), SECRET))[boot.STARTUP_FILE] == python
    assert written(boot.document(replace(TAME, startup="true\n"), SECRET))[boot.STARTUP_FILE] == "#!/bin/sh\ntrue\n"


# --- secrets and hostile input ----------------------------------------------------------------------------------------


def test_the_secret_is_in_one_file_that_only_root_reads() -> None:
    """Nowhere else in the document, neither plain nor encoded."""
    for machine in (TAME, STOCK):
        document = boot.document(machine, SECRET)
        holders = [file for file in document["write_files"] if SECRET.reveal() in json.dumps(file)]
        assert [(file["path"], file["permissions"]) for file in holders] == [(boot.JIT_FILE, "0600")]
        rest = {key: value for key, value in document.items() if key != "write_files"}
        assert SECRET.reveal() not in json.dumps(rest)


def test_a_rejection_does_not_tell_the_secret() -> None:
    """The error names the size, the limit and the way out."""
    with pytest.raises(LaunchRejected) as refused:
        boot.user_data(replace(STOCK, startup=random.Random(1).randbytes(40_000).hex()), SECRET)
    assert SECRET.reveal() not in f"{refused.value.message}{refused.value.hint}"
    assert "16384" in refused.value.message
    assert "image" in refused.value.hint


HOSTILE = st.text(max_size=60) | st.sampled_from(
    [
        "$(touch /pwned)",
        "'; `reboot` #",
        '"\n- [sh, -c, reboot]\n',
        "\n#cloud-config\nruncmd: [reboot]\n",
        "## template: jinja\n{{ ds.meta_data }}",
        "%n ${PATH} \ud800\u2028\x85\x00\x7f",
        "[Service]\nExecStart=/bin/sh",
    ]
)


@given(
    name=HOSTILE,
    repo=HOSTILE,
    labels=st.lists(HOSTILE, max_size=3),
    facts=st.dictionaries(HOSTILE, HOSTILE, max_size=3),
    url=HOSTILE,
    startup=HOSTILE.filter(bool),
    secret=HOSTILE,
    baked=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_input_becomes_a_command(
    name: str,
    repo: str,
    labels: list[str],
    facts: dict[str, str],
    url: str,
    startup: str,
    secret: str,
    baked: bool,
) -> None:
    """Whatever the words are, commands, paths and modes stay the same; the words arrive as data, unchanged."""
    tame = replace(TAME, baked=baked, startup="x")
    hostile = replace(tame, name=name, repo=repo, labels=tuple(labels), facts=facts, runner_url=url, startup=startup)
    expected = unpacked(boot.user_data(tame, SECRET))
    document = unpacked(boot.user_data(hostile, Secret(secret)))
    assert document["bootcmd"] == expected["bootcmd"]
    assert document["runcmd"] == expected["runcmd"]
    assert set(document) == set(expected)
    assert [(f["path"], f.get("permissions")) for f in document["write_files"]] == [
        (f["path"], f.get("permissions")) for f in expected["write_files"]
    ]
    content = written(document)
    said = json.loads(content[boot.MACHINE_FILE])
    assert (said["name"], said["repo"], said["labels"], said["facts"]) == (name, repo, labels, facts)
    assert content[boot.STARTUP_FILE].endswith(startup)
    assert content[boot.JIT_FILE] == secret


# --- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", [TAME, STOCK], ids=["baked", "stock"])
def test_it_fits_with_a_jit_configuration_of_six_kilobytes(machine: Machine) -> None:
    """EC2 takes 16,384 bytes; a large JIT configuration leaves room on both kinds of image."""
    secret = jit_of(6_144)
    assert 6_000 <= len(secret.reveal()) <= 6_300
    size = len(boot.user_data(machine, secret))
    assert size <= (10_240 if machine.baked else 15_872)


def test_small_user_data_is_not_compressed() -> None:
    """What can be read in the console of AWS as it is, stays readable."""
    assert boot.user_data(TAME, SECRET).startswith(b"#cloud-config\n{")
    assert boot.user_data(STOCK, SECRET).startswith(b"\x1f\x8b")


def test_the_same_machine_gives_the_same_bytes() -> None:
    """No time of day is in it, not even in the header of the compression."""
    assert boot.user_data(STOCK, SECRET) == boot.user_data(STOCK, SECRET)
    assert boot.user_data(STOCK, SECRET)[4:8] == bytes(4)


def test_prices_travel_for_the_report() -> None:
    """The machine knows which offering it became, and finds its price among those of the launch."""
    prices = {"g4dn.xlarge eu-west-1a spot": 0.162, "g4dn.xlarge eu-west-1a on-demand": 0.526}
    files = written(unpacked(boot.user_data(replace(TAME, prices=prices), SECRET)))
    assert json.loads(files[boot.MACHINE_FILE])["prices"] == prices


def test_prices_are_left_out_where_they_do_not_fit() -> None:
    """They are nice to have in a report and not worth a launch."""
    chance = random.Random(1)
    prices = {chance.randbytes(12).hex(): chance.random() for _ in range(1000)}
    packed = boot.user_data(replace(STOCK, prices=prices), SECRET)
    assert len(packed) <= boot.USER_DATA_LIMIT
    assert json.loads(written(unpacked(packed))[boot.MACHINE_FILE])["prices"] == {}


def test_threads_that_make_user_data_at_once_do_not_disturb_each_other() -> None:
    """Python 3.11's parser lets go of the interpreter where memory is tidied up, and does not expect another then."""
    expected = list(boot.agent_files(image=True))
    boot._bared.cache_clear()
    gc.callbacks.append(tidy := lambda *_: time.sleep(0.0001))
    try:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: list(boot.agent_files(image=True)), range(16)))
    finally:
        gc.callbacks.remove(tidy)
    assert made == [expected] * 16


@pytest.mark.parametrize("failures", [1, boot.PARSE_TRIES])
def test_what_another_library_disturbs_is_parsed_again(monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
    """It has soon done with its own."""
    left, parse = [SystemError("AST constructor recursion depth mismatch")] * failures, ast.parse

    def disturbed(*asked: Any) -> Any:  # noqa: ANN401 - whatever parse takes
        if left:
            raise left.pop()
        return parse(*asked)

    expected = list(boot.agent_files(image=True))
    boot._bared.cache_clear()
    monkeypatch.setattr(ast, "parse", disturbed)
    assert list(boot.agent_files(image=True)) == expected
    assert not left
