"""The App: made from a manifest on localhost, with no more permissions than it takes."""

from __future__ import annotations

import shutil
import stat
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from runnerkit.github.features import lacking, of_controller, permissions
from runnerkit.sandbox.github import GitHubWorld
from runnerkit.web.callback import Callback
from tests.setup_github.ground import HOOK, REPO, Beside, Person, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OTHER = "acme/other"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    """A GitHub with an organisation and two repositories; both sides keep to GitHub's description."""
    with GitHubWorld() as world:
        world.add_organization("acme")
        world.add_repository(REPO)
        world.add_repository(OTHER)
        yield world
        assert world.violations == []
        assert world.refused_requests == []


def test_an_app_from_nothing_to_a_signed_in_controller(world: GitHubWorld, tmp_path: Path) -> None:
    """The whole way: the page, GitHub's question, the key, the installation, settings; and once more with no change."""
    (tmp_path / "runnerkit.toml").write_text(
        '# ours\n[github] # where\nrepositories = ["acme/train"]\n[aws]\nowner = "ml"\n'
    )
    mine = world.add_token("fine-grained", login="ada")
    words = ("--app", "--hook-url", HOOK, "--role", "arn:aws:iam::1:role/r", "--secrets", "--no-browser", "--yes")
    with_token = {"GH_TOKEN": mine, "RUNNERKIT_POLICY__REQUIRE_ENVIRONMENT": "model-runs"}
    command = Beside(world, tmp_path, *words, **with_token)
    person = Person(world)
    try:
        asked = person.read(command.page())
        assert "default-src 'none'" in asked.headers["content-security-policy"]
        assert "Make a GitHub App for acme" in asked.text
        question = person.press(asked)
        assert "administration: write" in question.text
        assert not [each for each in world.state.apps.values() if each.slug == "runnerkit-acme"]
        last = person.press(question)
        assert "Install it on repositories" in last.text
        person.install(last, selection="selected", repository=[OTHER])
        person.install(last, selection="selected", repository=[OTHER, REPO])
        told = command.end()
    finally:
        command.kill()
    assert told.code == 0, told.err
    (app,) = (each for each in world.state.apps.values() if each.slug == "runnerkit-acme")
    assert permissions(of_controller(group=False, gates=True, app=True)) == app.permissions
    assert "contents: read" in told.out
    # Keys: on the disk, for this user alone, and nowhere else.
    key, variables = (
        tmp_path / "state/github/runnerkit-acme.private-key.pem",
        tmp_path / "state/github/runnerkit-acme.env",
    )
    assert [stat.S_IMODE(each.stat().st_mode) for each in (key, variables)] == [0o600, 0o600]
    (hook,) = world.state.hooks.values()
    assert (hook.url, hook.active, f"WEBHOOK_SECRETS={hook.secret}\n" in variables.read_text()) == (HOOK, True, True)
    assert not {hook.secret, mine, key.read_text()[200:260]} & {*told.out.split(), *told.err.split()}
    assert "BEGIN" not in told.out + told.err
    assert (tmp_path / "runnerkit.toml").read_text() == (
        f'# ours\n[github] # where\napp_id = "{app.id}"\nprivate_key_file = "{key}"\n'
        'repositories = ["acme/train"]\n[aws]\nowner = "ml"\n'
    )
    stored = world.state.repository(REPO)
    assert stored.secrets == {"RUNNERKIT_APP_KEY": key.read_text()}
    assert stored.variables["RUNNERKIT_APP_ID"] == str(app.id)
    assert world.state.repository(OTHER).secrets == {}
    # A second run makes no second App, and changes nothing but the secret, which nobody can compare.
    config = ("--config", str(tmp_path / "runnerkit.toml"))
    again = say(world, tmp_path, *words, *config, "--json", GH_TOKEN=mine)
    assert (again.code, [each["verb"] for each in again.json["steps"]]) == (0, ["keep", "keep", "change"])
    assert len([each for each in world.state.apps.values() if each.owner == "acme"]) == 1
    moved = say(world, tmp_path, "--hook-url", f"{HOOK}2", *config, "--yes", "--json")
    assert (moved.code, hook.url, "webhook_secret_file" in moved.json) == (0, f"{HOOK}2", True)
    # A permission that the App lacks is named, with the page where it is added.
    del app.permissions["checks"]
    poor = say(world, tmp_path, *config, "--yes")
    assert (poor.code, "checks: write" in poor.err, "/organizations/acme/settings/apps/runnerkit-acme" in poor.err) == (
        5,
        True,
        True,
    )
    gone = say(world, tmp_path, "--remove", "--yes", *config, GH_TOKEN=mine)
    assert (gone.code, stored.secrets, stored.variables) == (0, {}, {})
    assert "/organizations/acme/settings/apps/runnerkit-acme/advanced" in gone.out


def test_only_the_answer_that_was_asked_for_is_taken(world: GitHubWorld, tmp_path: Path) -> None:
    """A wrong state, a foreign host name and other paths get nothing; when nobody comes, that is said."""
    command = Beside(world, tmp_path, "--app", "-r", REPO, "--no-browser", "--yes")
    try:
        page = command.page()
        port = urlsplit(page).port
        get = Person(world).session.get
        assert get(f"{page}done?code=abc&state=wrong", timeout=30).status_code == 403
        assert get(page, headers={"Host": f"evil.example:{port}"}, timeout=30).status_code == 403
        assert get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 404
        assert requests.post(page, timeout=30).status_code == 501
        told = command.interrupt()
    finally:
        command.kill()
    assert (told.code, f"ssh -L {port}:127.0.0.1:{port}" in told.err) == (130, True)
    late = say(world, tmp_path, "--app", "-r", REPO, "--no-browser", "--yes", "--wait", "1")
    assert (late.code, "nobody made the App within 1 s; nothing was changed" in late.err) == (7, True)
    assert world.count(path="/app-manifests/*") == 0


def test_the_page_has_one_answer() -> None:
    """A second answer, and the page after the first, get nothing; a code that is none is not taken."""
    with Callback(lambda answer, state: f"<!doctype html>{answer} {state}", policy="style-src 'none'") as page:
        page.tell("<!doctype html>done")
        host, (answer, state) = (
            f"127.0.0.1:{page.port}",
            page.respond(f"localhost:{page.port}", page.url)[1][15:].split(),
        )
        assert page.respond(host, "//[")[0] == 404
        assert page.respond(host, f"{answer}?code=a/../b&state={state}")[0] == 400
        assert page.respond(host, f"{answer}?code=abc&state={state}") == (200, "<!doctype html>done")
        assert page.respond(host, f"{answer}?code=def&state={state}")[0] == 410
        assert page.respond(host, page.url)[0] == 410
        assert page.wait(0) == "abc"


def test_a_browser_that_goes_away_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    """Its connection ends, and nothing of that is on the terminal: neither where the page is nor a traceback."""
    with Callback(lambda answer, state: answer + state, policy="style-src 'none'") as page:
        page._server.handle_error(None, ("127.0.0.1", 1))
    assert capsys.readouterr().err == ""


def test_what_was_made_is_not_lost(world: GitHubWorld, tmp_path: Path) -> None:
    """An App that nobody installs, at an Enterprise Server's address: its key is kept, and the way on is told."""
    more = {"RUNNERKIT_GITHUB__API_URL": f"{world.url}/api/v3"}
    command = Beside(world, tmp_path, "--app", "-r", REPO, "--no-browser", "--yes", **more)
    try:
        person = Person(world)
        asked = person.press(person.read(command.page()))
        person.press(asked, name="Our runners")
        heard = command.heard("go on later with (.*)\n")
        assert command.interrupt().code == 130
    finally:
        command.kill()
    (app,) = (each for each in world.state.apps.values() if each.slug == "our-runners")
    key = tmp_path / "state/github/our-runners.private-key.pem"
    assert f"RUNNERKIT_GITHUB__APP_ID={app.id} RUNNERKIT_GITHUB__PRIVATE_KEY_FILE={key}" == heard
    on = {"RUNNERKIT_GITHUB__APP_ID": str(app.id), "RUNNERKIT_GITHUB__PRIVATE_KEY_FILE": str(key)}
    alone = say(world, tmp_path, "-r", REPO, "--yes", "--no-browser", "--wait", "1", **on)
    assert (alone.code, "is not installed on acme/train yet; its key is kept" in alone.err) == (7, True)
    world.install_app(app, "acme")
    partly = say(world, tmp_path, "-r", REPO, "--yes", "--region", "eu-west-1", **on)
    assert (partly.code, "left out: settings of acme/train: they take your own token" in partly.out) == (9, True)
    (hook,) = world.state.hooks.values()
    assert not hook.active


def test_a_plan_without_anybody_and_keys_that_git_would_take(world: GitHubWorld, tmp_path: Path) -> None:
    """A dry run makes nothing; without a yes nothing starts; keys never go where git would commit them."""
    planned = say(world, tmp_path, "--app", "-r", REPO, "--dry-run", "--hook-url", HOOK, "--json")
    assert (planned.code, planned.json["app_permissions"]["actions"], planned.json["done"]) == (0, "write", False)
    unasked = say(world, tmp_path, "--app", "-r", REPO)
    assert (unasked.code, "nobody is here to say yes" in unasked.err) == (2, True)
    assert not (tmp_path / "state").exists(), "what was not asked for is not written, not even a folder"
    tree = tmp_path / "tree"
    subprocess.run([str(shutil.which("git")), "init", "-q", str(tree)], check=True)
    barred = say(world, tmp_path, "--app", "-r", REPO, "--out", str(tree / "keys"), "--yes")
    assert (barred.code, "could be committed" in barred.err) == (2, True)
    (tree / ".gitignore").write_text("keys/\n")
    assert say(world, tmp_path, "--app", "-r", REPO, "--out", str(tree / "keys"), "--dry-run").code == 0
    several = say(world, tmp_path, "--app", "-r", REPO, "-r", "else/where", "--dry-run")
    assert (several.code, "good for one owner" in several.err) == (2, True)


def test_levels_are_compared() -> None:
    """Writing includes reading, reading does not include writing."""
    assert lacking({"checks": "read", "actions": "write"}, {"checks": "write", "actions": "read"}) == {
        "actions": "write"
    }
