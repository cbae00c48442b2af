"""The token way: what it must be able to do, webhooks, variables, secrets, environments, and taking all of it back."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from runnerkit.errors import ConfigError
from runnerkit.github.setup.manifest import website
from runnerkit.github.setup.plan import removal, steps
from runnerkit.github.setup.words import RECORD, Environment, Record, Seen, Verb, Wish, digest, read_record
from runnerkit.sandbox.github import GitHubWorld
from tests.sandbox.hook_receiver import Receiver
from tests.setup_github.ground import HOOK, REPO, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from runnerkit.sandbox.github.records import Environment as Kept

ROLE = "arn:aws:iam::123456789012:role/runnerkit-launch"
WORDS = (
    "-r", REPO, "--token", "--hook-url", HOOK, "--role", ROLE, "--region", "eu-west-1", "--environment", "model-runs",
    "--reviewer", "boss", "--secrets", "--yes",
)  # fmt: skip


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with an organisation, a repository and somebody who approves."""
    with GitHubWorld() as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_user("boss")
        yield world
        assert world.violations == []
        assert world.refused_requests == []


def environment(world: GitHubWorld, name: str = "model-runs") -> Kept | None:
    """An environment of the repository."""
    return world.state.environments.get((REPO, name))


def test_which_token_to_make(world: GitHubWorld, tmp_path: Path) -> None:
    """Without one: the permissions of what was asked for, and a form that has them filled in."""
    told = say(world, tmp_path, *WORDS[:4], *WORDS[4:], "--json")
    assert told.code == 9, "it was said yes, and nothing was done"
    wanted = told.json["token"]["permissions"]
    assert {"administration": "write", "actions_variables": "write", "secrets": "write"}.items() <= wanted.items()
    form = parse_qs(urlsplit(told.json["token"]["url"]).query)
    assert (form["target_name"], form["administration"], form["repository_hooks"]) == (["acme"], ["write"], ["write"])
    assert {"repo", "admin:repo_hook"} <= {*told.json["token"]["scopes"]}
    plain = say(world, tmp_path, "-r", REPO, "--token")
    assert plain.code == 0
    assert "administration: write" in plain.out
    assert "secrets: write" not in plain.out


def test_a_repository_is_settled_and_unsettled(world: GitHubWorld, tmp_path: Path) -> None:
    """Made once, kept the second time, and taken back to nothing; what is others' stays."""
    repository = world.state.repository(REPO)
    repository.variables["BUCKET"] = "theirs"
    mine = world.add_token("fine-grained", login="ada")
    made = say(world, tmp_path, *WORDS, "--json", "--token-stdin", typed=f"{mine}\n")
    assert made.code == 0, made.err
    assert [each["verb"] for each in made.json["steps"]] == ["create"] * 6
    assert {each["outcome"] for each in made.json["token"]["checks"]} == {"proved", "readable"}
    (hook,) = world.state.hooks.values()
    assert (hook.url, hook.content_type, hook.events) == (HOOK, "json", ("workflow_job", "workflow_run"))
    assert f"RUNNERKIT_SERVE__WEBHOOK_SECRETS={hook.secret}\n" in (tmp_path / "state/github/webhook.env").read_text()
    assert made.json["ping"] == {REPO: 0}  # nobody listens there
    record = json.loads(repository.variables[RECORD])
    assert repository.variables == {
        "AWS_REGION": "eu-west-1", "AWS_ROLE": ROLE, "BUCKET": "theirs", RECORD: repository.variables[RECORD],
    }  # fmt: skip
    assert (sorted(record["variables"]), record["secrets"]) == (["AWS_REGION", "AWS_ROLE"], ["RUNNERKIT_TOKEN"])
    assert repository.secrets == {"RUNNERKIT_TOKEN": mine}
    kept = environment(world)
    assert kept is not None
    assert [*kept.reviewers] == ["boss"]
    assert mine not in made.out + made.err

    before, secret = dict(repository.variables), hook.secret
    again = say(world, tmp_path, *WORDS, "--json", RUNNERKIT_GITHUB__TOKEN=mine)
    verbs = {each["kind"]: each["verb"] for each in again.json["steps"]}
    assert verbs == {"webhook": "keep", "variable": "keep", "secret": "change", "environment": "keep"}
    assert (repository.variables, hook.secret) == (before, secret)

    repository.variables["AWS_REGION"] = "us-east-1"
    shown = say(world, tmp_path, *WORDS, "--remove", "--dry-run", "--json", RUNNERKIT_GITHUB__TOKEN=mine)
    assert (shown.json["done"], len(world.state.hooks)) == (False, 1)
    gone = say(world, tmp_path, *WORDS, "--remove", RUNNERKIT_GITHUB__TOKEN=mine)
    assert (gone.code, repository.variables) == (0, {"AWS_REGION": "us-east-1", "BUCKET": "theirs"})
    assert (repository.secrets, world.state.hooks, environment(world)) == ({}, {}, None)
    assert "has another value than it was made with" in gone.out


def test_every_environment_that_was_made_goes(world: GitHubWorld, tmp_path: Path) -> None:
    """Also one of an earlier run, and with reviewers of several runs; what others made in between stays."""
    mine = world.add_token("fine-grained", login="ada")
    world.add_environment(REPO, "theirs")
    for name, *more in (("ours/ü x",), ("model-runs", "boss"), ("ours/ü x", "ada"), ("theirs",), ("ours/ü x",)):
        who = [word for login in more for word in ("--reviewer", login)]
        words = ("-r", REPO, "--token", "--environment", name, *who, "--yes")
        assert say(world, tmp_path, *words, RUNNERKIT_GITHUB__TOKEN=mine).code == 0
    record = read_record(world.state.repository(REPO).variables[RECORD])
    assert (record.environment, record.reviewers, record.earlier) == ("ours/ü x", ("ada",), {"model-runs": ("boss",)})
    gone = say(world, tmp_path, "-r", REPO, "--token", "--remove", "--yes", RUNNERKIT_GITHUB__TOKEN=mine)
    assert (gone.code, [each.name for each in world.state.environments.values()]) == (0, ["theirs"]), gone.out


def test_an_environment_is_never_weakened(world: GitHubWorld, tmp_path: Path) -> None:
    """Reviewers are added; the wait timer and the rule against approving one's own run stay; and it is not removed."""
    world.add_user("eve")
    theirs = world.add_environment(REPO, "model-runs", ["eve"])
    theirs.wait_timer, theirs.prevent_self_review = 5, True
    mine = world.add_token("fine-grained", login="ada")
    words = ("-r", REPO, "--token", "--environment", "model-runs", "--reviewer", "boss", "--yes")
    assert say(world, tmp_path, *words, RUNNERKIT_GITHUB__TOKEN=mine).code == 0
    kept = environment(world)
    assert kept is not None
    assert (sorted(kept.reviewers), kept.wait_timer, kept.prevent_self_review) == (["boss", "eve"], 5, True)
    say(world, tmp_path, *words, "--remove", RUNNERKIT_GITHUB__TOKEN=mine)
    assert environment(world) is not None


def test_refusals_say_what_to_do(world: GitHubWorld, tmp_path: Path) -> None:
    """A poor token, another value, an unknown reviewer, no token: nothing changes, and the reader knows the way on."""
    poor = world.add_token("fine-grained", {"actions": "read", "contents": "read"})
    told = say(world, tmp_path, *WORDS, RUNNERKIT_GITHUB__TOKEN=poor)
    assert (told.code, "may not do all" in told.err, "secrets: write" in told.err) == (5, True, True)
    mine = world.add_token("fine-grained")
    world.state.repository(REPO).variables["AWS_ROLE"] = "theirs"
    other = say(world, tmp_path, *WORDS, RUNNERKIT_GITHUB__TOKEN=mine)
    assert (other.code, "--replace" in other.err) == (2, True)
    nobody = ("-r", REPO, "--token", "--environment", "e", "--reviewer", "nobody-here", "--yes")
    assert "knows no user 'nobody-here'" in say(world, tmp_path, *nobody, RUNNERKIT_GITHUB__TOKEN=mine).err
    assert say(world, tmp_path, *WORDS, "--remove").code == 2
    wide = say(world, tmp_path, *WORDS, RUNNERKIT_GITHUB__TOKEN="gho_all-that-ada-may")
    assert (wide.code, "may do far more" in wide.err) == (2, True)
    assert say(world, tmp_path, "-r", REPO, "--token", "--variable", "GITHUB_X=1").code == 2
    assert say(world, tmp_path, "-r", REPO, "--token", "--reviewer", "boss").code == 2
    nonsense = say(world, tmp_path, "-r", REPO, "--token", "--hook-url", "hooks", "--yes", RUNNERKIT_GITHUB__TOKEN=mine)
    assert (nonsense.code, "'hooks' is no address" in nonsense.err) == (2, True)
    assert world.state.hooks == {}


def test_an_organisation_has_one_webhook(world: GitHubWorld, tmp_path: Path) -> None:
    """Where all repositories of an owner are served the hook is the owner's, with the secret that is configured."""
    mine = world.add_token("fine-grained", login="ada")
    known = {"RUNNERKIT_GITHUB__TOKEN": mine, "RUNNERKIT_SERVE__WEBHOOK_SECRETS": "configured-secret"}
    with closing(Receiver()) as receiver:
        words = ("-r", "acme/*", "--token", "--hook-url", receiver.url, "--yes")
        told = say(world, tmp_path, *words, **known)
    assert (told.code, "ok: the webhook's ping of acme answered with 200" in told.out) == (0, True)
    (hook,) = world.state.hooks.values()
    assert (hook.level, hook.secret) == ("orgs/acme", "configured-secret")
    unnamed = say(world, tmp_path, "-r", "acme/*", "--token", "--remove", "--yes", **known)
    assert ("webhooks stay" in unnamed.err, [*world.state.hooks.values()]) == (True, [hook])
    assert say(world, tmp_path, *words, "--remove", **known).code == 0
    assert world.state.hooks == {}


def test_the_plan_of_values() -> None:
    """What is ours by the record may change; one that cannot be read takes nothing away; six reviewers are enough."""
    ours = Record({"AWS_ROLE": digest("old")}).text()
    seen = Seen(variables={"AWS_ROLE": "old", RECORD: ours})
    changed = steps(REPO, Wish(variables={"AWS_ROLE": "new"}), seen)
    assert [(each.kind, each.verb) for each in changed] == [("record", Verb.CHANGE), ("variable", Verb.CHANGE)]
    assert removal(REPO, Seen(variables={"AWS_ROLE": "x", RECORD: "{"}), "")[0].kind == "record"
    assert read_record("[1]").is_empty
    team = Environment((("User", 1), ("Team", 2)), frozenset({"boss"}))
    made = Seen(variables={RECORD: Record(environment="e", reviewers=("boss",)).text()}, environment=team)
    assert [Verb.KEEP, Verb.REMOVE] == [each.verb for each in removal(REPO, made, "")], "others gave it a team"
    crowd = Environment(tuple(("User", number) for number in range(6)), frozenset("abcdef"))
    with pytest.raises(ConfigError, match="more than 6 reviewers"):
        steps(REPO, Wish(environment="e", reviewers=("zoe",)), replace(seen, environment=crowd))


@pytest.mark.parametrize(
    ("api", "pages"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("https://git.example.com/api/v3", "https://git.example.com"),
        ("http://127.0.0.1:80/api/v3", "http://127.0.0.1:80"),
    ],
)
def test_where_the_pages_are(api: str, pages: str) -> None:
    """GitHub's own, those of data residency, an Enterprise Server's, the sandbox's."""
    assert website(api) == pages
