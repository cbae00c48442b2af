"""Configuration: where values come from, which one wins, and what is said when one cannot be used."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runnerkit.config import FILE, Config, load
from runnerkit.errors import ConfigError
from runnerkit.settings import AwsSettings, GitHubSettings
from runnerkit.wishes import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET = "ghp_5up3r53cr3tT0ken"
NOTHING: Mapping[str, str] = {}


def written(folder: Path, text: str, name: str = FILE) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str = "", **environment: str) -> Config:
    """The configuration of a folder with this file, under this environment."""
    if text:
        written(folder, text)
    return load(environment, folder)[0]


def complaint(folder: Path, text: str = "", **environment: str) -> str:
    """What is said about a configuration that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, **environment)
    return f"{caught.value.message}\n{caught.value.hint}"


# --- where values come from -------------------------------------------------------------------------------------------


def test_without_anything_everything_is_at_its_default(tmp_path: Path) -> None:
    """No file and no variable is a configuration, too."""
    assert (Config(), {}) == load(NOTHING, tmp_path)


def test_a_file_is_read_section_by_section(tmp_path: Path) -> None:
    """runnerkit.toml, as people write it."""
    config = loaded(
        tmp_path,
        """
        arrays = true
        [aws]
        owner = "ml"
        regions = ["eu-west-1", "us-east-1"]
        [aws.images.team]
        name = "team-*"
        [github]
        repositories = ["acme/widgets"]
        [policy]
        idle = 120
        max_price = 1.5
        [default]
        spot = "only"
        [specs.train]
        gpu = "l4"
        disk = "200gb"
        """,
    )
    assert ("ml", ("eu-west-1", "us-east-1"), "team-*") == (
        config.aws.owner,
        config.aws.regions,
        config.aws.images["team"].name,
    )
    assert (True, ("acme/widgets",), 120, 1.5) == (
        config.arrays,
        config.github.repositories,
        config.policy.idle,
        config.policy.max_price,
    )
    train = config.named()["train"]
    assert ("only", "l4", 200) == (config.fallback().spot, train.gpu[0].model, train.disk and train.disk.gb)


def test_a_projects_file_may_hold_the_section(tmp_path: Path) -> None:
    """[tool.runnerkit] of pyproject.toml, when there is no file of our own; by name it is read the same way."""
    project = written(tmp_path, '[tool.runnerkit.aws]\nowner = "ml"\n[tool.other]\nx = 1\n', "pyproject.toml")
    assert "ml" == loaded(tmp_path).aws.owner
    assert "ml" == load(NOTHING, tmp_path / "elsewhere", project)[0].aws.owner
    assert "ours" == loaded(tmp_path, '[aws]\nowner = "ours"').aws.owner


def test_a_projects_file_without_the_section_says_nothing(tmp_path: Path) -> None:
    """Other tools' sections are not ours to judge."""
    written(tmp_path, "[tool.other]\nx = 1\n", "pyproject.toml")
    assert Config() == loaded(tmp_path)


@pytest.mark.parametrize("text", ["tool = 1", "tool.runnerkit = 1", "tool.runnerkit = []", "[[tool.runnerkit]]"])
def test_a_projects_section_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    written(tmp_path, text, "pyproject.toml")
    assert "pyproject.toml" in complaint(tmp_path)


VARIABLES: list[tuple[str, str, str, object]] = [
    ("RUNNERKIT_AWS__OWNER", "ml", "aws.owner", "ml"),
    ("RUNNERKIT_AWS__REGIONS", "eu-west-1, us-east-1,", "aws.regions", ("eu-west-1", "us-east-1")),
    ("RUNNERKIT_AWS__REGIONS", "", "aws.regions", ()),
    ("RUNNERKIT_GITHUB__REPOSITORIES", "acme/a", "github.repositories", ("acme/a",)),
    ("RUNNERKIT_POLICY__GPUS", "t4,l4", "policy.gpus", ("t4", "l4")),
    ("RUNNERKIT_POLICY__IDLE", "120", "policy.idle", 120),
    ("RUNNERKIT_POLICY__MAX_PRICE", "1.5", "policy.max_price", 1.5),
    ("RUNNERKIT_POLICY__FORKS", "true", "policy.forks", True),
    ("RUNNERKIT_POLICY__FORKS", "0", "policy.forks", False),
    ("RUNNERKIT_ARRAYS", "yes", "arrays", True),
    ("RUNNERKIT_DEFAULT__SPOT", "only", "default", {"spot": "only"}),
    ("RUNNERKIT_SPECS__TRAIN__GPU", "t4+l4", "specs", {"train": {"gpu": "t4+l4"}}),
    ("RUNNERKIT_GITHUB__APP_ID", "12345", "github.app_id", "12345"),
    ("GITHUB_REPOSITORY", "acme/a", "github.repositories", ("acme/a",)),
    ("GITHUB_API_URL", "https://ghe.example/api/v3", "github.api_url", "https://ghe.example/api/v3"),
]


@pytest.mark.parametrize(("variable", "text", "key", "value"), VARIABLES)
def test_variables_say_lists_numbers_and_switches(
    tmp_path: Path, variable: str, text: str, key: str, value: object
) -> None:
    """A key's path in capitals; lists are separated by commas."""
    found: Any = loaded(tmp_path, **{variable: text})
    for part in key.split("."):
        found = getattr(found, part)
    assert value == found


def test_our_own_places_are_no_settings(tmp_path: Path) -> None:
    """Variables that say where things are kept, and other programs' variables, are passed over."""
    environment = {"RUNNERKIT_STATE_DIR": "/s", "RUNNERKIT_CACHE_DIR": "/c", "RUNNERKIT_LOG": "json", "RUNNER_X": "1"}
    assert Config() == loaded(tmp_path, **environment)


def test_what_a_machine_tells_its_job_is_no_setting(tmp_path: Path) -> None:
    """Commands of ours run inside of jobs, where the machine has its own variables; slips are still found there."""
    machines = {"RUNNERKIT_ROOT": "/r", "RUNNERKIT_SANDBOX_PYTHON": "/p", "RUNNERKIT_STANDIN_STEP": "3"}
    assert Config() == loaded(tmp_path, **machines)
    with pytest.raises(ConfigError, match="RUNNERKIT_POLICI"):
        loaded(tmp_path, **machines, RUNNERKIT_POLICI__IDLE="1")


# --- which one wins ---------------------------------------------------------------------------------------------------


def test_a_variable_of_ours_wins_over_the_file_and_the_file_over_githubs(tmp_path: Path) -> None:
    """Standard variables, then the file, then RUNNERKIT_*; each setting knows where it came from."""
    written(tmp_path, f'[github]\ntoken = "from-the-file"\nrepositories = ["acme/file"]\n[aws]\nowner = "{"f" * 3}"\n')
    environment = {
        "GITHUB_TOKEN": "standard",
        "GITHUB_REPOSITORY": "acme/standard",
        "RUNNERKIT_AWS__OWNER": "variable",
    }
    config, origins = load(environment, tmp_path)
    token = config.github.token
    assert ("from-the-file", ("acme/file",), "variable") == (
        token and token.get_secret_value(),
        config.github.repositories,
        config.aws.owner,
    )
    assert (FILE, FILE, "RUNNERKIT_AWS__OWNER") == tuple(
        origins[key] for key in (("github", "token"), ("github", "repositories"), ("aws", "owner"))
    )


def test_sections_are_laid_over_one_another_key_by_key(tmp_path: Path) -> None:
    """A variable changes its one key and leaves the section's others."""
    config = loaded(tmp_path, "[policy]\nidle = 120\nsettle = 5\n", RUNNERKIT_POLICY__IDLE="60")
    assert (60, 5) == (config.policy.idle, config.policy.settle)


def test_gh_token_wins_over_github_token(tmp_path: Path) -> None:
    """As with GitHub's own command line."""
    token = loaded(tmp_path, GITHUB_TOKEN="one", GH_TOKEN="two").github.token
    assert "two" == (token and token.get_secret_value())


def test_a_named_file_replaces_the_one_that_lies_there(tmp_path: Path) -> None:
    """--config wins over RUNNERKIT_CONFIG, and either over runnerkit.toml."""
    written(tmp_path, '[aws]\nowner = "here"\n')
    one = written(tmp_path, '[aws]\nowner = "one"\n', "one.toml")
    two = written(tmp_path, '[aws]\nowner = "two"\n', "two.toml")
    assert "one" == loaded(tmp_path, RUNNERKIT_CONFIG=str(one)).aws.owner
    config, origins = load({"RUNNERKIT_CONFIG": str(one)}, tmp_path, two)
    assert ("two", str(two)) == (config.aws.owner, origins["aws", "owner"])


# --- what cannot be used ----------------------------------------------------------------------------------------------

UNUSABLE: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
    # file, variables, what the message must name: origin, key, reason or nearest
    ('[aws]\nownr = "x"\n', {}, (FILE, "aws.ownr", "did you mean owner?")),
    ("[polcy]\nidle = 1\n", {}, (FILE, "polcy", "did you mean policy?")),
    ("[aws]\nzzzzzz = 1\n", {}, (FILE, "aws.zzzzzz", "there are:", "owner")),
    ("[policy]\nidle = 0\n", {}, (FILE, "policy.idle", "greater than or equal to 1", "not 0")),
    ('[policy]\nidle = "soon"\n', {}, (FILE, "policy.idle", "integer", "'soon'")),
    ("[policy]\nmax_price = -1\n", {}, (FILE, "policy.max_price", "-1")),
    ('[policy]\ngpus = "t4"\n', {}, (FILE, "policy.gpus", "'t4'")),
    ("[policy]\ngpus = [1]\n", {}, (FILE, "policy.gpus.0", "string", "1")),
    ('aws = "ml"\n', {}, (FILE, "aws")),
    ('[aws]\nowner = "with space"\n', {}, (FILE, "aws.owner", "'with space'")),
    ('[aws.images.x]\nami = "ami-12345678"\nname = "y"\n', {}, (FILE, "aws.images.x", "exactly one of ami, name, ssm")),
    ('[github]\nrunner_group = "gpu"\n', {}, (FILE, "github", "organization")),
    ('[aws]\nregions = ["mars-1"]\n', {}, (FILE, "aws.regions.0", "eu-west-1", "'mars-1'")),
    ('[github]\nrepositories = ["acme/a", "a/b/c"]\n', {}, (FILE, "github.repositories.1", "owner/name", "'a/b/c'")),
    ("", {"GITHUB_REPOSITORY": "acme"}, ("GITHUB_REPOSITORY", "owner/name", "'acme'")),
    ("", {"RUNNERKIT_POLICY__IDEL": "5"}, ("RUNNERKIT_POLICY__IDEL", "policy.idel", "did you mean idle?")),
    ("", {"RUNNERKIT_POLICY__IDLE": "5m"}, ("RUNNERKIT_POLICY__IDLE", "policy.idle", "'5m'")),
    ("", {"RUNNERKIT_POLICY__FORKS": "perhaps"}, ("RUNNERKIT_POLICY__FORKS", "policy.forks", "'perhaps'")),
    ("", {"RUNNERKIT_AWS": "x"}, ("RUNNERKIT_AWS", "aws")),
    ("", {"RUNNERKIT_AWS__OWNER__X": "y"}, ("RUNNERKIT_AWS__OWNER__X", "aws.owner")),
    ("", {"RUNNERKIT_": "x"}, ("RUNNERKIT_",)),
    ('[default]\ngup = "t4"\n', {}, ("[default]", "gup", "gpu")),
    ('[specs.train]\ngpu = "t5"\n', {}, ("[specs.train]", "t5", "t4")),
    ('[specs.train]\ndisk = "huge"\n', {}, ("[specs.train]", "disk", "huge")),
    ("[specs.train]\ncpu = 4\n", {}, (FILE, "specs.train.cpu", "string")),
    ("[aws\n", {}, (FILE, "is not TOML", "line 1")),
    ("owner = x\n", {}, (FILE, "is not TOML", "double quotes")),
]


@pytest.mark.parametrize(("text", "variables", "words"), UNUSABLE)
def test_an_error_names_origin_key_and_reason(
    tmp_path: Path, text: str, variables: dict[str, str], words: tuple[str, ...]
) -> None:
    """The reader learns which file or variable, which key, why, and what was probably meant."""
    said = complaint(tmp_path, text, **variables)
    assert [] == [word for word in words if word not in said], said


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """One line for each, so that nobody mends them one run at a time."""
    said = complaint(tmp_path, '[aws]\nownr = "x"\n[policy]\nidle = 0\n', RUNNERKIT_POLICY__SETTLE="x")
    assert 3 == len(said.strip().splitlines())


def test_a_named_file_must_exist_and_be_a_file(tmp_path: Path) -> None:
    """A file that somebody names and that is not there is an error; one that merely could be there is not."""
    for missing in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match=str(missing)):
            load(NOTHING, tmp_path, missing)
    with pytest.raises(ConfigError, match=r"none\.toml") as caught:
        load({"RUNNERKIT_CONFIG": "none.toml"}, tmp_path)
    assert "RUNNERKIT_CONFIG" in caught.value.hint


ELSEWHERE = '[github]\napi_url = "https://elsewhere.example/api/v3"\n'


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GH_TOKEN"])
def test_a_checkout_does_not_say_where_a_token_of_the_environment_goes(tmp_path: Path, name: str) -> None:
    """Its file may be anybody's. Who names the file, or the address, means it; an App's key is nobody's token."""
    said = complaint(tmp_path, ELSEWHERE, **{name: "ghp_x"})
    assert "would send the token of" in said
    assert name in said
    address = "https://elsewhere.example/api/v3"
    read = load({name: "ghp_x", "GITHUB_API_URL": address}, tmp_path)[0]
    assert (address, True) == (read.github.api_url, read.github.token is not None)
    assert load({name: "ghp_x"}, tmp_path / "..", tmp_path / FILE)[0].github.api_url == address
    assert load({name: "ghp_x", "RUNNERKIT_GITHUB__APP_ID": "7"}, tmp_path)[0].github.token is None


def test_a_token_of_ours_beside_an_app_is_not_dropped_in_silence(tmp_path: Path) -> None:
    """Only a standard token gives way; two that somebody wrote for us are told of when they are used."""
    read = loaded(tmp_path, RUNNERKIT_GITHUB__APP_ID="7", RUNNERKIT_GITHUB__TOKEN="ghp_x")
    assert ("7", True) == (read.github.app_id, read.github.token is not None)


def test_what_lies_in_the_place_of_the_file_is_not_passed_over(tmp_path: Path) -> None:
    """A folder, which containers make for want of a file, and a link to nowhere are told of, not taken for no file."""
    (tmp_path / FILE).mkdir()
    assert "cannot be read" in complaint(tmp_path)
    (tmp_path / FILE).rmdir()
    (tmp_path / FILE).symlink_to(tmp_path / "gone.toml")
    assert "no such file" in complaint(tmp_path)


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "us-isob-east-1", "eusc-de-east-1"])
def test_regions_of_every_partition_are_regions(tmp_path: Path, region: str) -> None:
    """And an owner's star is as good as a repository."""
    read = loaded(tmp_path, RUNNERKIT_AWS__REGIONS=region, RUNNERKIT_GITHUB__REPOSITORIES="acme/*,a_b/c.d")
    assert ((region,), ("acme/*", "a_b/c.d")) == (read.aws.regions, read.github.repositories)


def test_a_file_that_is_no_text_is_not_toml(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are told as what they are."""
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    assert "is not TOML" in complaint(tmp_path)


# --- secrets ----------------------------------------------------------------------------------------------------------

WITH_SECRETS: list[tuple[str, dict[str, str]]] = [
    (f'[github]\ntoken = ["{SECRET}"]\n', {}),
    (f'[github]\ntoken = {{ x = "{SECRET}" }}\n', {}),
    (f'[github]\ntokn = "{SECRET}"\n', {}),
    (f'[github]\nprivate_key = ["{SECRET}"]\n', {}),
    (f'[[github]]\ntoken = "{SECRET}"\n', {}),
    (f'github = "{SECRET}"\n', {}),
    (f'[github]\ntoken = "{SECRET}"\nrunner_group = "x"\n', {}),
    (f'[github]\ntoken = "{SECRET}"\n[policy]\nidle = "x"\n', {}),
    (f'[github]\ntoken = "{SECRET}\n', {}),
    ("", {"RUNNERKIT_GITHUB": SECRET}),
    ("", {"RUNNERKIT_GITHUB__TOKEN__X": SECRET}),
    ("", {"RUNNERKIT_GITHUB__TOKN": SECRET}),
    ("", {"RUNNERKIT_GITHUB__TOKEN": SECRET, "RUNNERKIT_POLICY__IDLE": "x"}),
    ("", {"GITHUB_TOKEN": SECRET, "RUNNERKIT_ARRAYS": "x"}),
    ("", {"GITHUB_TOKEN": SECRET, "RUNNERKIT_GITHUB": "x"}),
]


@pytest.mark.parametrize(("text", "variables"), WITH_SECRETS)
def test_no_complaint_tells_a_secret(tmp_path: Path, text: str, variables: dict[str, str]) -> None:
    """However wrongly a token is written down, the error does not repeat it."""
    assert SECRET not in complaint(tmp_path, text, **variables)


def test_no_rendering_of_the_configuration_tells_a_secret(tmp_path: Path) -> None:
    """Neither its repr nor what `config show` prints; only who asks for the value gets it."""
    config = loaded(tmp_path, f'[github]\ntoken = "{SECRET}"\nprivate_key = "{SECRET}"\n')
    shown = (repr(config), str(config), repr(config.github), config.model_dump_json(), repr(config.model_dump()))
    assert not any(SECRET in text for text in shown)
    assert SECRET == (config.github.token and config.github.token.get_secret_value())


# --- anything at all --------------------------------------------------------------------------------------------------

KEYS = st.sampled_from(
    sorted(
        {
            *("aws", "github", "policy", "default", "specs", "arrays", "images", "tags", "x", "", "gpu", "spot"),
            *(key for model in (AwsSettings, GitHubSettings, Policy) for key in model.model_fields),
        }
    )
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["t4", "1", "5m", "eu-west-1", "ami-12345678", "only"])
)
NESTED = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def as_toml(value: object) -> str:
    """A value as TOML writes it, inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(str(key))} = {as_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(as_toml(inner) for inner in value) + "]"
    if isinstance(value, str):
        return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, bool) or value is None:
        return "true" if value else "false"
    return repr(value)


@QUICK
@given(sections=st.dictionaries(KEYS, NESTED, max_size=5))
@example(sections={"github": [{"token": "x"}]})
@example(sections={"specs": {"a": {"gpu": "t4/cpu=1"}}})
def test_any_file_is_a_configuration_or_an_error_of_ours(sections: dict[str, object], tmp_path: Path) -> None:
    """Whatever TOML says, the outcome is a Config or a ConfigError with something to read."""
    text = "".join(f"{as_toml(key)} = {as_toml(value)}\n" for key, value in sections.items())
    tomllib.loads(text)
    try:
        assert isinstance(loaded(tmp_path, text), Config)
    except ConfigError as error:
        assert error.message  # noqa: PT017 - either outcome is right, and the error must say something


@QUICK
@given(
    variables=st.dictionaries(
        st.lists(KEYS, min_size=1, max_size=4).map(lambda parts: "RUNNERKIT_" + "__".join(parts).upper()),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
        max_size=4,
    )
)
def test_any_environment_is_a_configuration_or_an_error_of_ours(variables: dict[str, str], tmp_path: Path) -> None:
    """Whatever variables there are, the outcome is a Config or a ConfigError that names one of them."""
    try:
        assert isinstance(load(variables, tmp_path)[0], Config)
    except ConfigError as error:
        named = any(name in error.message for name in variables)
        assert named or error.message.startswith(("[default]", "[specs."))  # noqa: PT017 - either outcome is right


def test_what_is_empty_counts_as_not_set(tmp_path: Path) -> None:
    """A workflow may name the variables and secrets of both ways to sign in, and set those of one."""
    empty = {"RUNNERKIT_GITHUB__APP_ID": "", "RUNNERKIT_GITHUB__PRIVATE_KEY": "", "RUNNERKIT_JOURNAL__WHERE": ""}
    token = loaded(tmp_path, GH_TOKEN=SECRET, **empty)
    assert (None, None, True) == (token.github.app_id, token.github.private_key, token.github.token is not None)
    assert None is token.journal.bucket
    app = loaded(tmp_path, **{**empty, "GH_TOKEN": "", "RUNNERKIT_GITHUB__APP_ID": "7", "RUNNERKIT_GITHUB__TOKEN": ""})
    assert ("7", None) == (app.github.app_id, app.github.token)


def test_secrets_through_ssm_need_a_profile(tmp_path: Path) -> None:
    """Without one no machine could read its parameter; with one a wish's own profile must be known to carry ours."""
    with pytest.raises(ConfigError, match="instance_profile"):
        load({"RUNNERKIT_AWS__SECRETS": "ssm"}, tmp_path)
    named = {"RUNNERKIT_AWS__SECRETS": "ssm", "RUNNERKIT_AWS__INSTANCE_PROFILE": "arn:aws:iam::1:instance-profile/own"}
    config, _ = load({**named, "RUNNERKIT_AWS__SSM_PROFILES": "ml-*"}, tmp_path)
    carrier = config.aws.carrier
    assert carrier(None) == "arn:aws:iam::1:instance-profile/own"
    assert [carrier(each) for each in ("own", "ml-a", "arn:aws:iam::1:instance-profile/ml-b", "data")] == [
        "own",
        "ml-a",
        "arn:aws:iam::1:instance-profile/ml-b",
        None,
    ]
    assert load({}, tmp_path)[0].aws.carrier(None) is None
