"""The pages: which path shows what."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from runnerkit.sandbox.github.git import reading
from runnerkit.sandbox.github.refusals import Refused, missing
from runnerkit.sandbox.github.state import State
from runnerkit.sandbox.github.web import livelog
from runnerkit.sandbox.github.web.actions import Actions
from runnerkit.sandbox.github.web.apps import AppPages
from runnerkit.sandbox.github.web.avatars import avatar
from runnerkit.sandbox.github.web.markdown import Markdown
from runnerkit.sandbox.github.web.posts import PREFIX, Posts
from runnerkit.sandbox.github.web.rendering import Renderer
from runnerkit.sandbox.github.web.views import apps, changes, jobs, places, runs, settings

STATIC = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
IMAGES = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".svg": KINDS[".svg"]}
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'; img-src 'self' https:"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
REPO = "/<owner>/<repo>"
RUN = f"{REPO}/actions/runs/<int:run_id>"
RULES = Actions()
JOB = f"{RUN}/job/<int:job_id>"


@dataclass(frozen=True, slots=True)
class Page:
    """A page that shows a view; ``query`` names what the address may add to the path."""

    template: str
    view: Callable[..., Any]
    tab: str = ""
    query: tuple[str, ...] = ()


PAGES = {
    "/": Page("home.html", places.home),
    "/<owner>": Page("home.html", places.home),
    "/organizations/<owner>/settings/actions/runners": Page("runners.html", settings.org_runners),
    "/apps/<slug>": Page("app.html", apps.app_view),
    "/apps/<slug>/installations/new": Page("app.html", apps.app_view),
    REPO: Page("overview.html", places.overview, "overview"),
    f"{REPO}/pulls": Page("pulls.html", places.pulls, "pulls", ("show",)),
    f"{REPO}/pull/<int:number>": Page("pull.html", changes.pull_view, "pulls"),
    f"{REPO}/issues/<int:number>": Page("pull.html", changes.pull_view, "pulls"),
    f"{REPO}/commit/<sha>": Page("commit.html", places.commit, "overview"),
    f"{REPO}/checks/<int:check_id>": Page("check.html", changes.check_view, "pulls"),
    f"{REPO}/actions": Page("actions.html", runs.run_list, "actions", ("workflow",)),
    RUN: Page("run.html", runs.run_view, "actions"),
    f"{RUN}/attempts/<int:number>": Page("run.html", runs.run_view, "actions"),
    f"{REPO}/settings/actions/runners": Page("runners.html", settings.runners, "runners"),
    f"{REPO}/settings/environments": Page("environments.html", settings.environments, "environments"),
    f"{REPO}/settings/hooks": Page("hooks.html", settings.hooks, "hooks"),
}


class Pages:
    """Answers a browser.

    ``actions`` is what the buttons do. ``image_origins`` names servers, such as ``http://127.0.0.1:9000``, whose images
    comments may show besides those from https and from this server.
    """

    def __init__(
        self,
        state: State,
        *,
        actions: Actions = RULES,
        image_origins: tuple[str, ...] = (),
    ) -> None:
        self._state = state
        self._posts = Posts(state, actions)
        self._apps = AppPages(state)
        self._render: Callable[..., str] = Renderer(Markdown(image_origins), asset=_asset)
        self._headers = HEADERS | {"Content-Security-Policy": " ".join([POLICY, *image_origins])}

    @cached_property
    def _map(self) -> Map:
        """Made when a page is asked for: every rule is compiled, which takes its time."""
        shown = [Rule(path, methods=["GET"], endpoint=page) for path, page in PAGES.items()]
        pressed = [Rule(f"{PREFIX}{name}", methods=["POST"], endpoint=self._press) for name in self._posts.handlers]
        asked = [Rule(path, methods=["POST"], endpoint=self._new_app) for path in apps.NEW]
        pressed += [Rule(f"{PREFIX}{name}", methods=["POST"], endpoint=do) for name, do in self._apps.handlers.items()]
        others = {
            f"{PREFIX}static/<name>": self._static,
            "/favicon.ico": self._favicon,
            "/avatars/<login>": self._avatar,
            JOB: self._job,
            f"{JOB}/log": self._log,
            f"{JOB}/raw": self._raw,
            f"{RUN}/artifacts/<int:artifact_id>": self._artifact,
            f"{REPO}/runs/<int:check_id>": self._check,
            f"{REPO}/raw/<ref>/<path:path>": self._file,
        }
        rules = [Rule(path, methods=["GET"], endpoint=handler) for path, handler in others.items()]
        return Map([*shown, *pressed, *asked, *rules], strict_slashes=False, merge_slashes=False)

    def __call__(self, request: Request) -> Response:
        """Answer one request; what is wrong with it is said on a page too."""
        try:
            endpoint, values = self._map.bind("").match(request.path, method=request.method)
            response = (
                self._page(request, endpoint, values) if isinstance(endpoint, Page) else endpoint(request, **values)
            )
        except HTTPException as error:
            response = self._sorry(request, error.code or HTTPStatus.NOT_FOUND, "")
        except Refused as error:
            response = self._sorry(request, error.reason.value, error.message)
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        return response

    def _page(self, request: Request, page: Page, values: Mapping[str, Any]) -> Response:
        added = {name: request.args[name] for name in page.query if name in request.args}
        view = page.view(self._state, **values, **added)
        fingerprint = _fingerprint(view)
        if request.args.get("live") == fingerprint:
            return Response(status=HTTPStatus.NO_CONTENT)
        return self._html(request, page.template, view, tab=page.tab, fingerprint=fingerprint)

    def _html(self, request: Request, template: str, view: object, status: int = 200, **more: object) -> Response:
        text = self._render(template, self._state.now(), view=view, host=request.host, **more)
        return Response(text, status, content_type="text/html; charset=utf-8")

    def _sorry(self, request: Request, status: int, message: str) -> Response:
        said = "" if status == HTTPStatus.NOT_FOUND else message
        view = {"head": None, "status": int(status), "message": said, "path": request.path}
        return self._html(request, "sorry.html", view, status, tab="", fingerprint="")

    def _press(self, request: Request) -> Response:
        return self._posts(request, request.path.removeprefix(PREFIX))

    def _new_app(self, request: Request, org: str = "") -> Response:
        """Ask the person at the browser whether the App of a manifest is to be made; nothing is made yet."""
        view = apps.new_view(self._state, request.form.get("manifest", ""), org, request.args.get("state", ""))
        answer = self._html(request, "new_app.html", view, tab="", fingerprint="")
        # A form's answer that leads on to another address is part of what this rule allows.
        answer.headers["Content-Security-Policy"] = self._headers["Content-Security-Policy"].replace(
            "form-action 'self'", f"form-action 'self' {view.origin}"
        )
        return answer

    def _static(self, request: Request, name: str) -> Response:
        if name not in _assets():
            raise missing()
        keep = "max-age=31536000, immutable" if request.args.get("v") == _version(name) else "no-cache"
        kind = KINDS[Path(name).suffix]
        return Response(_assets()[name], content_type=f"{kind}; charset=utf-8", headers={"Cache-Control": keep})

    def _favicon(self, _: Request) -> Response:
        return redirect(_asset("favicon.svg"), HTTPStatus.MOVED_PERMANENTLY)

    def _avatar(self, _: Request, login: str) -> Response:
        return Response(avatar(login), content_type=KINDS[".svg"], headers={"Cache-Control": "max-age=86400"})

    def _job(self, request: Request, **values: Any) -> Response:  # noqa: ANN401 - parts of the path
        view = jobs.job_view(self._state, **values)
        sections, cursor = livelog.sections(view), livelog.cursor(view)
        return self._html(request, "job.html", view, tab="actions", fingerprint="", sections=sections, cursor=cursor)

    def _log(self, request: Request, **values: Any) -> Response:  # noqa: ANN401 - parts of the path
        view, now = jobs.job_view(self._state, **values), self._state.now()
        told, fresh = livelog.news(view, livelog.parsed(request.args.get("since", "")))
        head = _fingerprint((view.job, view.notes, view.cancelling, view.runner_id))
        answer = {
            "cursor": livelog.cursor(view),
            "done": view.done,
            "now": now.timestamp() * 1000,
            "fingerprint": head,
            "head": None if request.args.get("head") == head else self._render("_job_head.html", now, view=view),
            "steps": [self._news(each) for each in told],
            "fresh": [self._render("_step.html", now, section=each) for each in fresh],
        }
        return Response(json.dumps(answer), content_type="application/json; charset=utf-8")

    def _news(self, told: livelog.News) -> dict[str, Any]:
        now = self._state.now()
        return {
            "number": told.step.number,
            "kind": told.step.look.kind,
            "summary": self._render("_step_summary.html", now, step=told.step),
            "fragments": [
                {
                    "fold": each.fold,
                    "html": self._render("_block.html", now, block=each.block, continued=each.fold is not None),
                }
                for each in told.fragments
            ],
        }

    def _raw(self, _: Request, run_id: int, **values: Any) -> Response:  # noqa: ANN401, ARG002 - parts of the path
        return Response(jobs.raw_log(self._state, **values), content_type="text/plain; charset=utf-8")

    def _artifact(self, _: Request, owner: str, repo: str, run_id: int, artifact_id: int) -> Response:
        state = self._state
        with state.open(reading=True):
            run = state.run(state.repository(f"{owner}/{repo}").full_name, run_id)
            found = state.artifacts.get(artifact_id)
        if found is None or found.run_id != run.id:
            raise missing()
        offered = f"attachment; filename*=UTF-8''{quote(found.name, safe='')}.zip"
        return Response(found.data, content_type="application/zip", headers={"Content-Disposition": offered})

    def _file(self, _: Request, owner: str, repo: str, ref: str, path: str) -> Response:
        """Give a file of the repository as it is, so that comments can show its images."""
        with self._state.open(reading=True):
            name = self._state.repository(f"{owner}/{repo}").full_name
        data = reading.read_file(self._state.git, name, ref, path)
        if data is None:
            raise missing()
        kind = IMAGES.get(Path(path).suffix.lower(), "text/plain; charset=utf-8")
        return Response(data, content_type=kind, headers={"Content-Security-Policy": "default-src 'none'; sandbox"})

    def _check(self, _: Request, owner: str, repo: str, check_id: int) -> Response:
        """Lead the address of a check run, in the API's answers, to its page; a job is a check run too."""
        state = self._state
        with state.open(reading=True):
            name = state.repository(f"{owner}/{repo}").full_name
            job = state.live.jobs.get(check_id)
        if job is not None and job.repository == name:
            return redirect(f"/{quote(name)}/actions/runs/{job.run_id}/job/{job.id}")
        return redirect(f"/{quote(name)}/checks/{check_id}")


def _fingerprint(view: object) -> str:
    return hashlib.sha256(repr(view).encode()).hexdigest()[:16]


@cache
def _assets() -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in STATIC.iterdir() if each.suffix in KINDS}


def _version(name: str) -> str:
    return hashlib.sha256(_assets()[name]).hexdigest()[:12]


def _asset(name: str) -> str:
    return f"{PREFIX}static/{name}?v={_version(name)}"
