import copy
import importlib.util
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from werkzeug.wrappers import Response

from runnerkit.sandbox.github import GitHubWorld
from runnerkit.sandbox.github.description import Asked, description
from runnerkit.sandbox.github.exchange import Answer, Exchange
from runnerkit.sandbox.github.routes import ROUTES
from tests.sandbox.github_world import REPO, RUNNERS, acme, call, client, register

JIT = "/repos/{owner}/{repo}/actions/runners/generate-jitconfig"
JOB = "/repos/{owner}/{repo}/actions/jobs/{job_id}"
RUN = "/repos/{owner}/{repo}/actions/runs/{run_id}"
SCRIPT = Path(__file__).parents[2] / "scripts" / "cut_openapi.py"


@pytest.fixture
def world() -> Iterator[GitHubWorld]:
    with acme() as world:
        yield world


@pytest.fixture
def token(world: GitHubWorld) -> str:
    return world.add_token("fine-grained")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cut_openapi", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def problems(method: str, template: str, status: int, body: object) -> tuple[str, ...]:
    return description().answer_problems(Asked(method, template, template), status, json.dumps(body).encode())


def test_what_is_described_is_served_and_nothing_else() -> None:
    """The cut and the routes are the same set of operations."""
    assert description().operations() == set(ROUTES)


def test_the_cut_names_its_origin_and_no_place() -> None:
    """Package, version and licence are told; no address but GitHub's own is in it."""
    text = resources.files("runnerkit.sandbox.github").joinpath("openapi.json").read_text(encoding="utf-8")
    assert re.fullmatch(r"npm package @octokit/openapi [\d.]+, .*", json.loads(text)["info"]["x-origin"])
    assert json.loads(text)["info"]["license"] == {"name": "MIT"}
    assert len(text) < 400_000
    assert re.findall(r"https?://[^\"]*", text) == []


def _break(body: dict[str, Any], path: str, value: object = None) -> dict[str, Any]:
    broken = copy.deepcopy(body)
    *parents, last = path.split(".")
    place = broken
    for each in parents:
        place = place[each]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return broken


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runner", None),
        ("encoded_jit_config", None),
        ("encoded_jit_config", 1),
        ("runner.id", "1"),
        ("runner.busy", None),
        ("runner.busy", "no"),
        ("runner.labels", None),
        ("runner.labels", [{"name": "gpu", "type": "special"}]),
    ],
)
def test_a_mutated_registration_is_found_out(world: GitHubWorld, token: str, path: str, value: object) -> None:
    """The answer passes as it is and fails with any field wrong or missing."""
    body = register(world, token).body
    assert problems("POST", JIT, 201, body) == ()
    assert problems("POST", JIT, 201, _break(body, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [("status", "running"), ("conclusion", "lost"), ("labels", "gpu"), ("run_id", None), ("started_at", "yesterday")],
)
def test_a_mutated_job_is_found_out(world: GitHubWorld, token: str, path: str, value: object) -> None:
    """Enumerations, types, required fields and dates are checked; null stands where GitHub allows it."""
    job = world.queue_job(REPO, ["gpu"])
    body = call(world, "GET", f"/repos/{REPO}/actions/jobs/{job.id}", token=token).body
    assert body["conclusion"] is None
    assert problems("GET", JOB, 200, body) == ()
    assert problems("GET", JOB, 200, _break(body, path, value))


def test_mutated_runs_and_errors_are_found_out(world: GitHubWorld, token: str) -> None:
    """Deep inside embedded objects too, and in what an error says."""
    job = world.queue_job(REPO, ["gpu"])
    body = call(world, "GET", f"/repos/{REPO}/actions/runs/{job.run_id}", token=token).body
    assert problems("GET", RUN, 200, body) == ()
    assert problems("GET", RUN, 200, _break(body, "head_repository.owner.login"))
    assert problems("GET", RUN, 200, _break(body, "run_attempt", "1"))
    conflict = {"message": "Already exists", "documentation_url": "here", "status": "409"}
    assert problems("POST", JIT, 409, conflict) == ()
    assert problems("POST", JIT, 409, {**conflict, "message": 1})
    assert problems("POST", JIT, 422, {"message": "no documentation"})
    assert problems("POST", JIT, 401, {"error": "not GitHub's shape"})
    assert problems("POST", JIT, 200, body)


def _wrong_count(exchange: Exchange) -> Answer:
    answer = ROUTES["GET", "/repos/{owner}/{repo}/actions/runners"].handler(exchange)
    return replace(answer, body=answer.body | {"total_count": "none"})


def _no_content(_: Exchange) -> Answer:
    return Answer(204)


def _crash(_: Exchange) -> Answer:
    raise KeyError("a slip of ours")


@pytest.mark.parametrize("handler", [_wrong_count, _no_content, _crash])
def test_a_wrong_answer_of_ours_is_recorded_and_not_given(handler: Callable[[Exchange], Answer]) -> None:
    """The caller gets a 500 and the world remembers a violation."""
    with GitHubWorld() as world:
        world.add_repository(REPO)
        key = ("GET", "/repos/{owner}/{repo}/actions/runners")
        world.service.routes[key] = replace(ROUTES[key], handler=handler)
        reply = call(world, "GET", RUNNERS, token=world.add_token("fine-grained"))
        assert reply.status == 500
        assert len(world.violations) == 1
        assert f"GET {RUNNERS}" in world.violations[0]


def test_bad_requests_are_refused_by_body_and_by_query(world: GitHubWorld, token: str) -> None:
    """Broken JSON is a 400; wrong types, enumerations and missing fields a 422."""
    issue = world.add_issue(REPO).number
    comments = f"/repos/{REPO}/issues/{issue}/comments"
    assert call(world, "POST", comments, {"body": 3}, token).status == 422
    assert call(world, "POST", comments, {}, token).status == 422
    assert call(world, "GET", f"{comments}?per_page=many", token=token).status == 422
    assert call(world, "GET", f"/repos/{REPO}/pulls?state=half", token=token).status == 422
    assert len(world.refused_requests) == 4
    assert call(world, "GET", f"/repos/{REPO}/nothing", token=token).status == 404
    assert call(world, "GET", f"/repos/{REPO}/actions/jobs/abc", token=token).status == 404


def test_versions_and_media_types_of_the_api(world: GitHubWorld, token: str) -> None:
    """A known version is echoed, an unknown one refused; previews that PyGithub asks for are taken."""
    newest = call(world, "GET", RUNNERS, token=token, X_GitHub_Api_Version="2026-03-10")
    assert newest.headers["x-github-api-version-selected"] == "2026-03-10"
    assert call(world, "GET", RUNNERS, token=token, X_GitHub_Api_Version="2019-01-01").status == 400
    preview = call(world, "GET", f"/repos/{REPO}", token=token, Accept="application/vnd.github.nebula-preview+json")
    assert preview.headers["content-type"] == "application/json; charset=utf-8"


def test_pages_get_what_is_neither_api_nor_git(world: GitHubWorld, token: str) -> None:
    """The API answers JSON below its roots, served or not; git has its own paths; all else is for people."""
    world.service.pages = None
    assert call(world, "GET", f"/{REPO}").body["message"] == "Not Found"
    world.service.pages = lambda request: Response(f"the page {request.path}")
    for path in (f"/{REPO}", "/", f"/{REPO}/pull/1", f"/{REPO}/blob/main/info/refs"):
        assert call(world, "GET", path).body == f"the page {path}"
    for path in (f"/repos/{REPO}/nothing", "/orgs/acme/nothing", f"/api/v3/{REPO}"):
        assert call(world, "GET", path, token=token).body["message"] == "Not Found"
    assert call(world, "GET", f"/{REPO}.git/info/refs?service=git-upload-pack").status == 401


def test_every_address_leads_back_to_the_service(world: GitHubWorld, token: str) -> None:
    """No body points to the real GitHub, under both prefixes."""
    pull = world.add_pull_request(REPO)
    job = world.queue_job(REPO, ["gpu"], pull_number=pull.number)
    paths = [f"/repos/{REPO}", f"/repos/{REPO}/pulls/1", f"/repos/{REPO}/actions/runs/{job.run_id}", "/orgs/acme"]
    for prefix in ("", "/api/v3"):
        for path in paths:
            text = json.dumps(call(world, "GET", prefix + path, token=token).body)
            found = {each for each in re.findall(r"https?://[^/\"]+", text) if each != world.url}
            assert found == set()
    with client(world, token, "/api/v3") as caller:
        assert caller.get_repo(REPO).url == f"{world.url}/api/v3/repos/{REPO}"


def test_the_environment_points_a_step_to_the_world(world: GitHubWorld) -> None:
    """What a runner would set for a job."""
    assert world.environment(REPO, "secret") == {
        "GITHUB_API_URL": world.url,
        "GITHUB_SERVER_URL": world.url,
        "GITHUB_GRAPHQL_URL": f"{world.url}/graphql",
        "GITHUB_REPOSITORY": REPO,
        "GITHUB_REPOSITORY_OWNER": "acme",
        "GITHUB_TOKEN": "secret",
    }


def test_the_cut_keeps_schemas_and_drops_prose(script: ModuleType) -> None:
    """Keywords about values stay; prose goes, except where it is the name of a property."""
    schema = {
        "type": "object",
        "description": "prose",
        "example": {"a": 1},
        "x-github": {"b": 1},
        "required": ["description"],
        "properties": {"description": {"type": "string", "description": "prose"}, "title": {"$ref": "#/c/s/T"}},
        "enum": [{"title": "kept"}],
    }
    assert script.bare(schema, naming=False) == {
        "type": "object",
        "required": ["description"],
        "properties": {"description": {"type": "string"}, "title": {"$ref": "#/c/s/T"}},
        "enum": [{"title": "kept"}],
    }


def test_the_cut_of_the_cut_is_the_cut(script: ModuleType) -> None:
    """Cutting loses nothing that is served, follows every reference, and gives the same each time."""
    text = resources.files("runnerkit.sandbox.github").joinpath("openapi.json").read_text(encoding="utf-8")
    document = json.loads(text)
    again = script.cut(document, "0")
    assert again["paths"] == document["paths"]
    assert again["components"] == document["components"]


def test_the_script_writes_description_and_licence(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an unpacked package to the two files, byte by byte the same."""
    vendored = Path(str(resources.files("runnerkit.sandbox.github"))) / "openapi.json"
    version = json.loads(vendored.read_text(encoding="utf-8"))["info"]["x-origin"].split()[3].rstrip(",")
    (tmp_path / "generated").mkdir()
    (tmp_path / "generated" / "api.github.com.json").write_bytes(vendored.read_bytes())
    (tmp_path / "package.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    (tmp_path / "LICENSE").write_bytes(vendored.with_suffix(".LICENSE").read_bytes())
    assert script.main([str(tmp_path), str(tmp_path / "cut.json")]) == 0
    assert (tmp_path / "cut.json").read_bytes() == vendored.read_bytes()
    assert (tmp_path / "cut.LICENSE").read_text(encoding="utf-8").startswith("MIT")
    assert f"{len(description().document['paths'])} paths" in capsys.readouterr().out


def test_the_script_explains_itself(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a source it says how it is used and fails."""
    assert script.main([]) == 2
    assert "Usage" in capsys.readouterr().err
