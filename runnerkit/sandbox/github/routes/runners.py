"""Self-hosted runners and their groups."""

import hashlib
from datetime import timedelta
from typing import Any

from runnerkit.sandbox.github import jit, registrations
from runnerkit.sandbox.github.clock import stamp
from runnerkit.sandbox.github.exchange import Answer, Exchange, permission, route
from runnerkit.sandbox.github.people import admits
from runnerkit.sandbox.github.refusals import forbidden, invalid, missing
from runnerkit.sandbox.github.views import accounts, actions

REPO = "/repos/{owner}/{repo}/actions/runners"
ORG = "/orgs/{org}/actions/runners"
GROUPS = "/orgs/{org}/actions/runner-groups"
REPO_READ, REPO_WRITE = permission("administration", "read"), permission("administration", "write")
ORG_READ = permission("organization_self_hosted_runners", "read", scope="admin:org")
ORG_WRITE = permission("organization_self_hosted_runners", "write", scope="admin:org")
REGISTRATION = ("core", "actions_runner_registration")
SYSTEMS = (("osx", "x64"), ("osx", "arm64"), ("linux", "x64"), ("linux", "arm"), ("linux", "arm64"), ("win", "x64"))


@route("POST", f"{REPO}/generate-jitconfig", needs=REPO_WRITE, budgets=REGISTRATION)
@route("POST", f"{ORG}/generate-jitconfig", needs=ORG_WRITE, budgets=REGISTRATION)
def generate_jitconfig(at: Exchange) -> Answer:
    """Register a runner and hand out its configuration."""
    said: dict[str, Any] = at.body
    folder = said.get("work_folder", "_work")
    runner = registrations.register(at.state, at.level, said["name"], said["runner_group_id"], said["labels"], folder)
    return Answer(201, {"runner": actions.runner(runner), "encoded_jit_config": jit.encode(runner, at.links.web)})


@route("GET", REPO, needs=REPO_READ)
@route("GET", ORG, needs=ORG_READ)
def list_runners(at: Exchange) -> Answer:
    """List the runners of one level, by name if asked."""
    runners = [each for each in at.state.listed().runners.values() if each.level == at.level]
    if "name" in at.query:
        runners = registrations.find(runners, at.level, at.query["name"])
    return at.page(runners, actions.runner, "runners")


@route("GET", f"{REPO}/{{runner_id}}", needs=REPO_READ)
@route("GET", f"{ORG}/{{runner_id}}", needs=ORG_READ)
def get_runner(at: Exchange) -> Answer:
    """Show one runner as it is now."""
    return Answer(200, actions.runner(at.state.runner(at.level, at.path["runner_id"])))


@route("DELETE", f"{REPO}/{{runner_id}}", needs=REPO_WRITE)
@route("DELETE", f"{ORG}/{{runner_id}}", needs=ORG_WRITE)
def delete_runner(at: Exchange) -> Answer:
    """Deregister a runner that runs no job."""
    registrations.delete(at.state, at.level, at.path["runner_id"])
    return Answer(204)


@route("GET", f"{REPO}/{{runner_id}}/labels", needs=REPO_READ)
@route("GET", f"{ORG}/{{runner_id}}/labels", needs=ORG_READ)
def list_labels(at: Exchange) -> Answer:
    """List a runner's labels."""
    return Answer(200, actions.labels(at.state.runner(at.level, at.path["runner_id"])))


def _labelled(at: Exchange, labels: list[str]) -> Answer:
    return Answer(200, actions.labels(registrations.relabel(at.state, at.level, at.path["runner_id"], labels)))


@route("POST", f"{REPO}/{{runner_id}}/labels", needs=REPO_WRITE)
@route("POST", f"{ORG}/{{runner_id}}/labels", needs=ORG_WRITE)
def add_labels(at: Exchange) -> Answer:
    """Give a runner more labels."""
    return _labelled(at, [*at.state.runner(at.level, at.path["runner_id"]).labels, *at.body["labels"]])


@route("PUT", f"{REPO}/{{runner_id}}/labels", needs=REPO_WRITE)
@route("PUT", f"{ORG}/{{runner_id}}/labels", needs=ORG_WRITE)
def set_labels(at: Exchange) -> Answer:
    """Replace a runner's custom labels."""
    return _labelled(at, [*_fixed(at), *at.body["labels"]])


@route("DELETE", f"{REPO}/{{runner_id}}/labels", needs=REPO_WRITE)
@route("DELETE", f"{ORG}/{{runner_id}}/labels", needs=ORG_WRITE)
def remove_labels(at: Exchange) -> Answer:
    """Take all custom labels from a runner."""
    return _labelled(at, _fixed(at))


@route("DELETE", f"{REPO}/{{runner_id}}/labels/{{name}}", needs=REPO_WRITE)
@route("DELETE", f"{ORG}/{{runner_id}}/labels/{{name}}", needs=ORG_WRITE)
def remove_label(at: Exchange) -> Answer:
    """Take one custom label from a runner."""
    labels, name = at.state.runner(at.level, at.path["runner_id"]).labels, at.path["name"].lower()
    if name not in map(str.lower, labels):
        raise missing()
    if name in actions.READ_ONLY:
        raise invalid(f"The label {name} is read-only and cannot be removed.")
    return _labelled(at, [each for each in labels if each.lower() != name])


def _fixed(at: Exchange) -> list[str]:
    labels = at.state.runner(at.level, at.path["runner_id"]).labels
    return [each for each in labels if each.lower() in actions.READ_ONLY]


@route("GET", f"{REPO}/downloads", needs=REPO_READ)
@route("GET", f"{ORG}/downloads", needs=ORG_READ)
def list_downloads(at: Exchange) -> Answer:
    """List the runner applications of the current release."""
    return Answer(200, [_download(at, system, machine) for system, machine in SYSTEMS])


def _download(at: Exchange, system: str, machine: str) -> dict[str, str]:
    name = f"actions-runner-{system}-{machine}-{at.state.options.runner_version}"
    file = name + (".zip" if system == "win" else ".tar.gz")
    options = at.state.options
    url = f"{options.runner_host or at.links.web}/actions/runner/releases/download/v{options.runner_version}/{file}"
    # Machines that download it are told where, and what it is. Elsewhere a checksum of its name keeps the shape.
    checksum = options.runner_sha256 or hashlib.sha256(file.encode()).hexdigest()
    return {
        "os": system,
        "architecture": machine,
        "download_url": url,
        "filename": file,
        "sha256_checksum": checksum,
    }


@route("POST", f"{REPO}/registration-token", needs=REPO_WRITE, budgets=REGISTRATION)
@route("POST", f"{ORG}/registration-token", needs=ORG_WRITE, budgets=REGISTRATION)
def create_registration_token(at: Exchange) -> Answer:
    """Hand out a token that registers runners for an hour."""
    expires = at.state.now() + timedelta(hours=1)
    token = at.tokens.registration(at.level, expires)
    return Answer(201, {"token": token, "expires_at": stamp(expires)})


@route("GET", GROUPS, needs=ORG_READ)
def list_groups(at: Exchange) -> Answer:
    """List the organisation's runner groups, or those a repository may use."""
    org = at.state.organization(at.path["org"])
    groups = list(at.state.groups[org.login.lower()].values())
    if "visible_to_repository" in at.query:
        repository = at.state.repository(f"{org.login}/{at.query['visible_to_repository']}")
        groups = [each for each in groups if admits(each, repository)]
    return at.page(groups, lambda each: accounts.group(at.links, each), "runner_groups")


@route("GET", f"{GROUPS}/{{runner_group_id}}", needs=ORG_READ)
def get_group(at: Exchange) -> Answer:
    """Show one runner group."""
    return Answer(200, accounts.group(at.links, at.state.group(at.path["org"], at.path["runner_group_id"])))


@route("GET", f"{GROUPS}/{{runner_group_id}}/repositories", needs=ORG_READ)
def list_group_repositories(at: Exchange) -> Answer:
    """List the repositories a selected group is open to."""
    group = at.state.group(at.path["org"], at.path["runner_group_id"])
    if group.visibility != "selected":
        raise forbidden("Only a group whose visibility is selected has a list of repositories.")
    found = [at.state.repository(each) for each in sorted(group.repositories)]
    return at.page(found, lambda each: accounts.minimal_repository(at.state, at.links, each), "repositories")
