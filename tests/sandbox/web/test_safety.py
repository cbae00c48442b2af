"""What people and jobs write cannot act on who reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runnerkit.sandbox.github import reporting
from runnerkit.sandbox.github.web import Pages
from runnerkit.sandbox.github.web.markdown import Markdown
from tests.sandbox.web.conftest import Day, Site

if TYPE_CHECKING:
    from runnerkit.sandbox.github import GitHubWorld

REPO = "acme/train"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.mark.parametrize(
    ("text", "kept", "gone"),
    [
        ("<script>alert(1)</script>ok", "ok", "alert"),
        ("<img src=x onerror=alert(1)>", '<img src="x"', "onerror"),
        ("[a](javascript:alert(1))", "a", "href"),
        ("<a href=' javascript:alert(1)'>a</a>", ">a</a>", "javascript"),
        ("<a href='data:text/html,x'>a</a>", ">a</a>", "data:"),
        ("<style>* {display: none}</style>ok", "ok", "display"),
        ("<p style='position:fixed'>ok</p>", "<p>ok</p>", "style"),
        ("<p class='top'>ok</p>", "<p>ok</p>", "class"),
        ("<iframe src=/></iframe>ok", "ok", "iframe"),
        ("<form action=/_web/approve><button>ok</button></form>", "ok", "<form"),
        ("<input name=login value=x formaction=/>", 'type="checkbox"', "formaction"),
        ("<svg><script>alert(1)</script></svg>ok", "ok", "svg"),
        ("<div id=content data-live=x>ok</div>", "<div>ok</div>", "content"),
        ("<meta http-equiv=refresh content=0>ok", "ok", "meta"),
        ("![x](http://elsewhere.example/x.png)", 'alt="x"', "elsewhere"),
        ("![x](//elsewhere.example/x.png)", 'alt="x"', "elsewhere"),
        ("![x](data:image/png;base64,AA)", "", "src"),
        ("<!-- mark -->ok", "ok", "mark"),
        ("```\n</code></pre><script>\n```", "&lt;script&gt;", "<script"),
    ],
)
def test_sanitising(text: str, kept: str, gone: str) -> None:
    """Scripts, styles, handlers, forms, foreign images and dangerous addresses are thrown out; the rest stays."""
    html = Markdown()(text)
    assert kept in html
    assert gone not in html


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("| a |\n| --: |\n| 1 |", '<td align="right">1</td>'),
        ("~~no~~", "<s>no</s>"),
        ("- [ ] done", 'class="task"><input '),
        ("- [x] done", 'checked=""'),
        ("- [x] done", "> done</li>"),
        ("> [!WARNING]\n> Hot", '<blockquote class="alert warning">\n<p><strong>Warning</strong><br>Hot</p>'),
        (
            "<details><summary>More</summary>\n\n**x**\n\n</details>",
            "<summary>More</summary>\n<p><strong>x</strong></p>",
        ),
        ("<sub>small</sub>", "<sub>small</sub>"),
        ("![x](https://elsewhere.example/x.png)", 'src="https://elsewhere.example/x.png"'),
        ("![x](/acme/train/raw/main/x.png)", 'src="/acme/train/raw/main/x.png"'),
        ("![x](http://127.0.0.1:9000/x.png)", 'src="http://127.0.0.1:9000/x.png"'),
        ("```diff\n-a\n```", '<code class="language-diff">'),
        ("[x](https://elsewhere.example)", 'rel="noopener noreferrer nofollow"'),
    ],
)
def test_markdown(text: str, html: str) -> None:
    """What reports and people use is rendered as GitHub does."""
    assert html in Markdown(("http://127.0.0.1:9000",))(text)


def test_origins_of_images_are_in_the_policy(world: GitHubWorld) -> None:
    """A server whose images comments may show is one the browser may ask."""
    pages = Site(world, Pages(world.state, image_origins=("http://127.0.0.1:9000",)))
    assert pages.get("/").headers["Content-Security-Policy"].endswith("img-src 'self' https: http://127.0.0.1:9000")


def test_escaping(site: Site) -> None:
    """Markup in names, titles, labels, logs, annotations, statuses and addresses is text on every page."""
    world, state = site.world, site.world.state
    pull = world.add_pull_request(REPO, title=EVIL, head_ref=EVIL)
    assert pull.pull is not None
    reporting.comment_on(state, REPO, pull.number, EVIL, "octocat", None)
    told = {"state": "failure", "context": EVIL, "description": EVIL, "target_url": "javascript:alert(3)"}
    reporting.set_status(state, REPO, pull.pull.head_sha, told, "octocat")
    run = world.add_run(REPO, [{"name": EVIL, "labels": [EVIL]}] * 2, workflow=EVIL, pull_number=pull.number)
    run.title, run.problem = EVIL, f"train.yml:1: {EVIL}"
    world.wait_for(run, EVIL)
    job = world.jobs(run)[0]
    job.annotations, job.summaries, job.environment = [EVIL], [EVIL], EVIL
    job.steps = [{"name": EVIL, "number": 1, "status": EVIL, "conclusion": EVIL, "started_at": EVIL}]
    job.step_logs = {1: f"##[group]{EVIL}\n{EVIL}\n##[error]{EVIL}\n\x1b[31m{EVIL}\x1b[0m\n", 2: f"{EVIL}\n"}
    runs = f"/{REPO}/actions/runs/{run.id}"
    paths = ["/", f"/{REPO}", f"/{REPO}/pulls", f"/{REPO}/pull/{pull.number}", f"/{REPO}/actions", runs]
    paths += [f"{runs}/job/{job.id}", f"/{REPO}/settings/actions/runners", f"/{REPO}/commit/{run.head_sha}"]
    for path in [*paths, f"/{EVIL}/x"]:
        html = site.get(path).text
        assert "<script>" not in html, path
        assert "<img src=x" not in html, path
        assert "onerror=alert(2)>" not in html, path
        assert "javascript:" not in html, path
    answer = site.get(f"{runs}/job/{job.id}/log").get_json()
    assert "<script>" not in "".join(answer["fresh"]) + answer["head"]
    assert "<img" not in "".join(answer["fresh"])


@pytest.mark.parametrize(
    ("origin", "base"),
    [
        ("https://elsewhere.example", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:9999", "http://127.0.0.1:8080"),
        ("null", "http://127.0.0.1:8080"),
        (None, "http://127.0.0.1:8080"),
        ("http://rebound.example:8080", "http://rebound.example:8080"),
    ],
)
def test_buttons_of_other_sites(site: Site, origin: str | None, base: str) -> None:
    """No other site's page presses a button, not even under a name that was made to point here."""
    job = site.world.queue_job(REPO, ["gpu"])
    form = {"repository": REPO, "run": job.run_id, "environment": "production"}
    for button in ("approve", "reject", "cancel", "rerun", "rerun-failed"):
        answer = site.press(button, form, origin=origin, base=base)
        assert answer.status_code == 403
        assert "own pages only" in answer.text
    assert job.status == "queued"


@pytest.mark.parametrize("button", ["approve", "cancel"])
def test_buttons_are_not_links(day: Day, button: str) -> None:
    """Following an address changes nothing."""
    assert day.get(f"/_web/{button}").status_code == 404
