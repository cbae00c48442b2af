"""Every workflow and action that we show or use: as GitHub's schema, zizmor and our own reader want it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from runnerkit.sandbox.workflows import load

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sys.executable).parent
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def workflows() -> list[Path]:
    """The workflow files of the repository and of the examples."""
    examples = ROOT / "examples"
    own = [*(ROOT / ".github" / "workflows").glob("*.yml"), *examples.glob("*.yml")]
    return sorted([*own, *examples.glob("*/.github/workflows/*.yml")])


def actions() -> list[Path]:
    """The action files."""
    return sorted((ROOT / ".github" / "actions").glob("*/action.yml"))


def shown(folder: Path) -> list[Path]:
    """The whole workflows that pages show, as files."""
    found = []
    for page in (ROOT / "docs").glob("*.md"):
        for number, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if re.search(r"^jobs:", block, re.MULTILINE) and re.search(r"^on:", block, re.MULTILINE):
                path = folder / f"{page.stem}-{number}.yml"
                path.write_text(block, encoding="utf-8")
                found.append(path)
    return found


def passes(*command: str | Path) -> None:
    """Run a program of this environment, which must be content."""
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_githubs_schema(tmp_path: Path) -> None:
    """Each file is what the published schemas of workflows and actions describe."""
    pages = shown(tmp_path)
    assert pages
    check = PROGRAMS / "check-jsonschema"
    passes(check, "--builtin-schema", "vendor.github-workflows", *workflows(), *pages)
    passes(check, "--builtin-schema", "vendor.github-actions", *actions())


def test_zizmor() -> None:
    """No workflow gives away what it holds: zizmor finds nothing but what its configuration excuses."""
    passes(
        *(PROGRAMS / "zizmor", "--offline", "--quiet", "--no-progress", "--config", ROOT / ".github" / "zizmor.yml"),
        *(*workflows(), *actions()),
    )


def test_our_own_reader(tmp_path: Path) -> None:
    """What the sandbox reads as GitHub does, it reads without a complaint; pages and examples call what there is."""
    for path in [*workflows(), *shown(tmp_path)]:
        workflow = load(f".github/workflows/{path.name}", path.read_text(encoding="utf-8"))
        for job in workflow.jobs.values():
            used = [str(job.get("uses", "")), *(str(step.get("uses", "")) for step in job.get("steps") or ())]
            for uses in used:
                if uses.startswith("OWNER/runnerkit/"):
                    place, _, ref = uses.removeprefix("OWNER/runnerkit/").partition("@")
                    assert ref == "COMMIT", uses
                    assert (ROOT / place).exists(), uses


def declared(uses: str) -> dict[str, Any] | None:
    """The inputs of an action or a reusable workflow of this project; None for those of others."""
    found = re.fullmatch(r"(?:\$|OWNER/runnerkit)/(\.github/(actions|workflows)/[^@]+)(?:@COMMIT)?", uses)
    if found is None:
        return None
    told = yaml.safe_load((ROOT / found[1] / "action.yml" if found[2] == "actions" else ROOT / found[1]).read_text())
    # YAML takes the key `on` for a truth value.
    inputs: dict[str, Any] = told["inputs"] if found[2] == "actions" else told[True]["workflow_call"]["inputs"]
    return inputs


def test_inputs_that_are_given_exist(tmp_path: Path) -> None:
    """GitHub only warns of an input that an action does not have: a slip would launch another machine than is meant."""
    seen = 0
    for path in [*workflows(), *shown(tmp_path)]:
        for job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values():
            for user in (job, *job.get("steps", ())):
                inputs = declared(user.get("uses", ""))
                if inputs is not None:
                    given = set(user.get("with", ()))
                    wanted = {name for name, told in inputs.items() if told.get("required")}
                    assert wanted <= given <= set(inputs), (path.name, user["uses"])
                    seen += 1
    assert seen > 5


def test_inputs_of_the_reusable_workflow_lead_somewhere() -> None:
    """Each input and secret that a caller may give is used by a job."""
    text = (ROOT / ".github" / "workflows" / "dvc.yml").read_text(encoding="utf-8")
    call = yaml.safe_load(text)[True]["workflow_call"]
    for what in ("inputs", "secrets"):
        used = set(re.findall(rf"\b{what}\.([\w-]+)", text.partition("\njobs:\n")[2]))
        assert used == set(call[what])


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The script that writes the tables of the page."""
    spec = importlib.util.spec_from_file_location("action_page", ROOT / "scripts" / "action_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_tells_what_the_files_say(page: ModuleType) -> None:
    """Inputs, outputs and secrets in docs/action.md are those of the files; scripts/action_page.py writes them."""
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.written(text) == text
    assert text.count("<!-- begin ") == len(page.tables())
