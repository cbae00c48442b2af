"""Recipes: what can be written, what each digest covers, and how mistakes are told."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import zipfile
from base64 import b64encode
from pathlib import Path

import pytest

from runnerkit.baking import boot, recipe_files
from runnerkit.baking import recipe as recipes
from runnerkit.baking.boot import BEGIN, END, host_keys
from runnerkit.baking.steps import RunnerChoice, checks, chosen_runner, content_digest, image_digest, version_of, works
from runnerkit.baking.wheel import own_wheel
from runnerkit.errors import ConfigError
from runnerkit.ports import RunnerPackage

BASE = 'base = "ami-0ba5e0000000000aa"\n'
RUN = '[[steps]]\nrun = "true"\n'
URL = "https://github.com/actions/runner/releases/download/v2.336.0/actions-runner-linux-x64-2.336.0.tar.gz"
RUNNER = RunnerChoice("2.336.0", URL, "ab" * 32)
OWN = Path(__file__).parents[2] / "ami"


def parse(text: str) -> recipes.Recipe:
    return recipes.parse(text, "plain", "plain.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BASE + "steps = []", "plain.toml: steps: tuple should have at least 1 item"),
        (RUN, "plain.toml: base: field required"),
        (BASE + 'doker = "none"\n' + RUN, "plain.toml: doker: no such key; did you mean docker?"),
        (
            BASE + '[[steps]]\nrun = "a"\ntimout = "5m"',
            "plain.toml: steps[1].timout: no such key; did you mean timeout?",
        ),
        (BASE + '[[steps]]\nrun = "a"\nuse = "agent"', "plain.toml: steps[1]: give exactly one of run, put, text, use"),
        (BASE + '[[steps]]\ntext = "a"', "plain.toml: steps[1]: to goes with put or text"),
        (BASE + '[[steps]]\nrun = "a"\nexpect = "("', "plain.toml: steps[1].expect: is not a regular expression"),
        (BASE + '[[steps]]\nrun = "a"\nexpect = 5', "plain.toml: steps[1].expect: input should be a valid string"),
        (BASE + 'docker = "yes"\n' + RUN, "plain.toml: docker: input should be 'none', 'rootless' or 'rootful'"),
        ('base = {ami = "ami-0ba5e0000000000aa", ssm = "/x"}\n' + RUN, "plain.toml: base: give exactly one of"),
        ("base", "plain.toml: is not TOML"),
        ('name = "x"\n' + BASE + RUN, "plain.toml: name: no such key; a recipe is named by its file"),
    ],
)
def test_a_mistake_names_file_key_and_reason(text: str, says: str) -> None:
    """Whoever wrote it finds the place at once."""
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert says in caught.value.message


@pytest.mark.parametrize("span", ['"90s"', '"90"', "90"])
def test_a_timeout_is_seconds_or_has_a_unit(span: str) -> None:
    """All of them mean the same."""
    assert 90 == parse(BASE + RUN + f"timeout = {span}").steps[0].timeout


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (BASE + 'description = "words"\n' + RUN, True),
        (BASE + 'types = ["c5.large"]\n' + RUN, True),
        (BASE + RUN + 'name = "words"\ntimeout = "5m"\n', True),
        (BASE + "disk = 50\n" + RUN, False),
        (BASE + 'docker = "none"\n' + RUN, False),
        (BASE + RUN + 'expect = "fine"\n', False),
        (BASE + RUN.replace("true", "false"), False),
        (BASE + RUN + RUN, False),
    ],
)
def test_the_digest_is_about_what_an_image_holds(changed: str, *, same: bool) -> None:
    """Words for people, times and the builder's type make no other image."""
    assert same == (parse(BASE + RUN).digest == parse(changed).digest)


def test_runner_and_base_make_another_image_of_the_same_content() -> None:
    """`check` compares the content, a bake everything."""
    recipe = parse(BASE + '[[steps]]\nuse = "runner"\n')
    content = content_digest(recipe, "1.0")
    newer = RunnerChoice("2.337.0", URL, "cd" * 32)
    digests = {image_digest(content, RUNNER, "ami-1"), image_digest(content, newer, "ami-1")}
    assert 3 == len(digests | {image_digest(content, RUNNER, "ami-2")})


def test_a_step_s_chain_covers_everything_before_it() -> None:
    """A changed step changes its own chain and every later one, and no earlier one."""
    steps = [RUN, RUN.replace("true", "date"), RUN]
    before = [work.chain for work in works(parse(BASE + "".join(steps)), None)]
    after = [work.chain for work in works(parse(BASE + "".join([steps[0], RUN.replace("true", "id"), steps[2]])), None)]
    assert [True, False, False] == [one == two for one, two in zip(before, after, strict=True)]
    assert 3 == len(set(before))


def test_what_is_put_travels_as_a_whole(tmp_path: Path) -> None:
    """A file beside the recipe comes to its place with its mode, and counts for the digest."""
    file = tmp_path / "own.toml"
    file.write_text(BASE + '[[steps]]\nput = "hello.txt"\nto = "/opt/hello"\nmode = "0755"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"put: .*hello\.txt cannot be read"):
        recipe_files.load(str(file), ())
    (tmp_path / "hello.txt").write_bytes(b"hello")
    recipe = recipe_files.load(str(file), ())
    with tarfile.open(fileobj=io.BytesIO(works(recipe, None)[0].payload)) as tar:
        assert [("opt/hello", 0o755, 5)] == [(entry.name, entry.mode, entry.size) for entry in tar]
    (tmp_path / "hello.txt").write_bytes(b"other")
    assert recipe.digest != recipe_files.load(str(file), ()).digest


def test_the_runner_is_github_s_newest_or_the_recipe_s_own() -> None:
    """For the recipe's architecture; the version is read from the file's name."""
    offered = [RunnerPackage("osx", "x64", "u", "s"), RunnerPackage("linux", "x64", URL, "ab" * 32)]
    assert RUNNER == chosen_runner(parse(BASE + '[[steps]]\nuse = "runner"\n'), offered)
    pin = f'[runner]\nversion = "2.335.0"\nsha256 = "{"0" * 64}"\n'
    own = chosen_runner(parse(BASE + '[[steps]]\nuse = "runner"\n' + pin), ())
    assert own is not None
    assert ("2.335.0", "2.335.0") == (own.version, version_of(own.url))
    with pytest.raises(ConfigError, match="no runner for linux and arm64"):
        chosen_runner(parse(BASE + 'arch = "arm64"\n[[steps]]\nuse = "runner"\n'), offered)


def test_what_travels_into_a_script_is_quoted() -> None:
    """An address from outside cannot become a command."""
    evil = RunnerChoice("1.2.3", "https://x/$(reboot)';reboot;'", "ab" * 32)
    script = works(parse(BASE + '[[steps]]\nuse = "runner"\n'), evil)[0].script
    assert "URL='https://x/$(reboot)'\"'\"';reboot;'\"'\"''" in script


@pytest.mark.parametrize("name", ["cpu-ubuntu-24.04", "gpu-ubuntu-24.04"])
def test_our_own_recipes_can_be_used(name: str) -> None:
    """Each has the runner, the agent and itself, and says whether it is for GPUs."""
    recipe = recipe_files.load(name, (OWN,))
    assert {"runner", "agent", "docker", "uv", "runnerkit"} <= {step.use for step in recipe.steps}
    assert recipe.gpu == name.startswith("gpu")
    assert recipe.needs_runner()
    assert 9 == len(works(recipe, RUNNER))


def test_every_step_that_makes_the_user_gives_it_github_s_number() -> None:
    """Whichever of them comes first: files of a container job belong to it."""
    recipe = recipe_files.load("cpu-ubuntu-24.04", (OWN,))
    made = [work.title for work in works(recipe, RUNNER) if "useradd" in work.script]
    assert ["install runner", "install agent", "install docker"] == made
    assert all("--uid 1001 runner" in work.script for work in works(recipe, RUNNER) if "useradd" in work.script)


def _scripts() -> list[tuple[str, str, str]]:
    """Everything that a builder runs: dialect, title, text."""
    found = [("sh", name, script) for name, script in (("run.sh", boot.RUN), ("clean", boot.CLEAN))]
    commands = (boot.heard(5), boot.ready(), boot.receive("a", "b"), boot.start("a", 5), boot.watch("a", 0, 5))
    found += [("sh", text[:30], text) for text in (*commands, boot.finished(), boot.forget("a"), boot.failed("a"))]
    for name in ("cpu-ubuntu-24.04", "gpu-ubuntu-24.04"):
        for docker in recipes.Docker:
            recipe = recipe_files.load(name, (OWN,)).model_copy(update={"docker": docker})
            steps = (*works(recipe, RUNNER), *checks(recipe))
            found += [("bash", f"{name} {docker} {work.title}", work.script) for work in steps]
    return sorted(set(found))


@pytest.mark.parametrize("dialect", ["sh", "bash"])
def test_scripts_of_recipes_and_baker_have_no_known_mistakes(tmp_path: Path, dialect: str) -> None:
    """As far as shellcheck sees them."""
    tool = shutil.which("shellcheck")
    if tool is None:
        pytest.skip("shellcheck is not installed")
    for number, (kind, title, script) in enumerate(_scripts()):
        if kind == dialect:
            (tmp_path / f"{number} {re.sub('[^a-z0-9]+', '-', title)}").write_text(script, encoding="utf-8")
    command = [tool, f"--shell={dialect}", "--severity=warning", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)


def test_an_unknown_name_shows_the_nearest() -> None:
    """Or which there are."""
    with pytest.raises(ConfigError, match="no recipe named") as caught:
        recipe_files.load("gpu-ubuntu", (OWN,))
    assert "did you mean gpu-ubuntu-24.04?" == caught.value.hint


def test_our_own_wheel_holds_the_package_without_the_sandbox() -> None:
    """With entry point and record, and the same bytes each time."""
    wheel = own_wheel()
    with zipfile.ZipFile(io.BytesIO(wheel.content)) as archive:
        names = archive.namelist()
    assert "runnerkit/cli/commands.py" in names
    assert any(name.endswith(".dist-info/RECORD") for name in names)
    assert not any(name.startswith("runnerkit/sandbox") for name in names)


def _key(kind: str, *fields: bytes) -> str:
    packed = b"".join(len(field).to_bytes(4, "big") + field for field in (kind.encode(), *fields))
    return f"{kind} {b64encode(packed).decode()}"


ED, RSA = _key("ssh-ed25519", b"k" * 32), _key("ssh-rsa", b"\1\0\1", b"m" * 33)
CUT, MIXED = ED[:-8], f"{ED[:40]}[    9.8] eth0: up"


@pytest.mark.parametrize(
    ("console", "keys"),
    [
        ("", ()),
        (f"{ED}\n", ()),
        (f"{BEGIN}\n{ED} root@x\n", ()),
        (f"[   9.1] cloud-init[5]: {BEGIN}\r\n[   9.2] {ED} root@x\r\n{RSA}\r\n{END}\r\n", (ED, RSA)),
        (f"{BEGIN}\n{RSA}\n{END}\n{BEGIN}\n{ED}\n{END}\n", (ED,)),
        (f"{BEGIN}\n{CUT}\n{RSA}\n{END}\n", (RSA,)),
        (f"{BEGIN}\n{MIXED}\n{END}\n", ()),
        (f"{BEGIN}\n{ED.replace('ssh-ed25519', 'ssh-rsa')}\n{END}\n", ()),
    ],
)
def test_host_keys_are_read_from_a_whole_block_only(console: str, keys: tuple[str, ...]) -> None:
    """Half a block is waited for, the newest boot counts, and a key into which the kernel wrote is none."""
    assert keys == tuple(" ".join(pair) for pair in host_keys(console))
