"""Partial evaluation: what is known is written in, and nothing that came out of a value is read again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runnerkit.sandbox.workflows.evaluator import Scope
from runnerkit.sandbox.workflows.expressions import (
    condition_of,
    evaluate,
    evaluate_node,
    parse,
    substitute,
    substitute_condition,
    substitute_typed,
    text,
    truth,
)
from runnerkit.sandbox.workflows.syntax import Binary, Call, Index, Literal, Name, Node, Not, Star, walk, written
from runnerkit.sandbox.workflows.templates import node_of

ACT = Path(__file__).parents[3] / ".venv" / "bin" / "act"
KNOWN: dict[str, Any] = {
    "github": {"event_name": "push", "event": {"labels": [{"name": "a"}, {"name": "b"}]}},
    "matrix": {"gpu": "t4", "n": 3, "o": {"k": ["x", {"y": "z'"}]}},
    "needs": {"build": {"result": "success", "outputs": {"tag": "v1"}}},
    "inputs": {"deploy": True},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("${{ matrix.gpu }}", "t4"),
        ("a ${{ matrix.n }} b ${{ steps.x.outputs.y }}", "a 3 b ${{ steps.x.outputs.y }}"),
        ("${{ inputs.deploy }}", "true"),
        ("${{ inputs.missing }}", ""),
        ("${{ github.token }}", "${{ github.token }}"),
        ("${{ github['TOKEN'] }}", "${{ github.TOKEN }}"),
        ("${{ github.workspace }}/x", "${{ github.workspace }}/x"),
        ("${{ secrets.A || matrix.gpu }}", "${{ secrets.A || 't4' }}"),
        ("${{ matrix.gpu || secrets.A }}", "t4"),
        ("${{ inputs.missing || secrets.A }}", "${{ secrets.A }}"),
        ("${{ inputs.missing && secrets.A }}", ""),
        ("${{ github.event_name == 'push' && steps.x.outcome }}", "${{ steps.x.outcome }}"),
        ("${{ !env.A }}", "${{ !env.A }}"),
        ("${{ !(env.A == 1) }}", "${{ !(env.A == 1) }}"),
        (
            "${{ matrix[env.KEY] }}",
            "${{ fromJSON('" + json.dumps(KNOWN["matrix"]).replace("'", "''") + "')[env.KEY] }}",
        ),
        ("${{ env[matrix.gpu] }}", "${{ env.t4 }}"),
        ("${{ env[format('a b {0}', matrix.n)] }}", "${{ env['a b 3'] }}"),
        ("${{ contains(github.event.labels.*.name, env.L) }}", '${{ contains(fromJSON(\'["a", "b"]\'), env.L) }}'),
        ("${{ github.event.labels.*[env.K] }}", '${{ fromJSON(\'[{"name": "a"}, {"name": "b"}]\').*[env.K] }}'),
        ("${{ steps.*.outcome }}", "${{ steps.*.outcome }}"),
        ("${{ format('{0}-{1}', matrix.gpu, job.status) }}", "${{ format('{0}-{1}', 't4', job.status) }}"),
        ("${{ hashFiles('a', matrix.gpu) }}", "${{ hashFiles('a', 't4') }}"),
        ("${{ toJSON(steps) }}", "${{ toJSON(steps) }}"),
        ("${{ fromJSON('{') }}", "${{ fromJSON('{') }}"),
        ("${{ matrix.gpu[env.X] }}", ""),
        ("${{ runner.os == 'Linux' == true }}", "${{ (runner.os == 'Linux') == true }}"),
    ],
)
def test_known_references_become_literals(template: str, expected: str) -> None:
    """Known parts are folded, unknown ones stay as they are."""
    assert substitute(template, KNOWN) == expected


def test_a_tree_keeps_its_shape() -> None:
    """Keys and values are substituted; what is no text is left alone."""
    tree = {"${{ matrix.gpu }}": ["${{ matrix.n }}", 1, None, {"x": "${{ env.A }}"}]}
    assert substitute(tree, KNOWN) == {"t4": ["3", 1, None, {"x": "${{ env.A }}"}]}


def test_a_known_expression_alone_may_keep_its_kind() -> None:
    """Where a mapping or a number is wanted, it does not become text; text in it is safe."""
    assert substitute_typed("${{ matrix.n }}", KNOWN) == 3
    assert substitute_typed("${{ matrix.o.k[1] }}", KNOWN) == {"y": "z'"}
    assert substitute_typed("n=${{ matrix.n }}", KNOWN) == "n=3"
    assert substitute_typed({"a": "${{ matrix.n }}"}, KNOWN) == {"a": "3"}
    found = substitute_typed("${{ matrix }}", {"matrix": {"env": {"A": "${{ secrets.S }}"}}})
    assert evaluate(found, Scope()) == {"env": {"A": "${{ secrets.S }}"}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("always()", "${{ always() }}"),
        ("github.event_name == 'push'", "${{ true }}"),
        ("${{ github.event_name == 'pull_request' }}", "${{ false }}"),
        ("github.event_name == 'push' || failure()", "${{ always() && true }}"),
        ("github.event_name == 'push' && failure()", "${{ failure() }}"),
        ("github.event_name == 'x' && failure()", "${{ always() && false }}"),
        ("!cancelled()", "${{ !cancelled() }}"),
        ("a ${{ matrix.n }}", "${{ 'a 3' }}"),
        (False, "${{ false }}"),
    ],
)
def test_a_condition_keeps_what_it_says_of_status(condition: object, expected: str) -> None:
    """A step that asked for a status must not get an implicit success() when the question was answered early."""
    assert substitute_condition(condition, KNOWN) == expected


NASTY = st.text(alphabet="${}'\" {}a0\\\n%`", max_size=12)
LITERALS = st.builds(Literal, st.one_of(NASTY, st.integers(-9, 9), st.booleans(), st.none()))
REFERENCES = st.builds(
    lambda context, key: Index(Name(context), Literal(key)),
    st.sampled_from(["matrix", "steps"]),
    st.sampled_from(["a", "b", "o", "missing"]),
)


def _grown(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(Not, inner),
        st.builds(Binary, st.sampled_from(["&&", "||", "==", "!=", "<", "<=", ">", ">="]), inner, inner),
        st.builds(lambda *values: Call("format", (Literal("{1}{{0}}{0}"), *values)), inner, inner),
        st.builds(lambda *values: Call("contains", values), inner, inner),
        st.builds(
            lambda name, key: Index(Index(Name(name), Literal("o")), key), st.sampled_from(["matrix", "steps"]), inner
        ),
        st.builds(lambda name, key: Index(Star(Name(name)), key), st.sampled_from(["matrix", "steps"]), inner),
        st.builds(lambda value: Call("tojson", (value,)), inner),
    )


TREES = st.recursive(st.one_of(LITERALS, REFERENCES), _grown, max_leaves=8)
SPACES = st.sampled_from(["", " "])
TEMPLATES = st.lists(
    st.one_of(
        NASTY.filter(lambda each: "${{" not in each),
        st.builds(lambda tree, space: f"${{{{{space}{written(tree)} }}}}", TREES, SPACES),
    ),
    min_size=1,
    max_size=4,
).map("".join)
VALUES = st.one_of(NASTY, st.integers(-3, 300), st.booleans(), st.none())
CONTEXT = st.fixed_dictionaries(
    {"a": VALUES, "b": NASTY, "o": st.fixed_dictionaries({"a": NASTY, "'": VALUES, "0": NASTY})}
)


def _readable(template: str) -> bool:
    try:
        substitute(template, {})
    except ValueError:
        return False  # pieces that met to an opening that nothing closes
    return True


@settings(deadline=None)  # a slow machine is no fault
@given(TEMPLATES.filter(_readable), CONTEXT, CONTEXT)
def test_substitution_does_not_change_what_a_template_means(template: str, matrix: Any, steps: Any) -> None:  # noqa: ANN401 - any values
    """Evaluated at once, or in two goes: the same text, whatever the values hold."""
    everything = Scope({"matrix": matrix, "steps": steps})
    once = text(evaluate(template, everything))
    rest = substitute(template, {"matrix": matrix})
    assert "matrix" not in _names(rest)
    assert text(evaluate(rest, everything)) == once


def _names(template: str) -> set[str]:
    return {each.name for each in walk(node_of(template)) if isinstance(each, Name)}


@settings(deadline=None)  # a slow machine is no fault
@given(TREES, CONTEXT, CONTEXT, st.booleans())
def test_substitution_does_not_change_conditions(tree: Node, matrix: Any, steps: Any, ok: bool) -> None:  # noqa: ANN401 - any values
    """With and without a status function, after success and after failure."""
    functions = {"success": lambda: ok, "failure": lambda: not ok, "always": lambda: True}
    everything = Scope({"matrix": matrix, "steps": steps}, functions)
    for condition in (tree, Binary("||", tree, Call("failure", ())), Binary("&&", tree, Call("always", ()))):
        once = truth(evaluate_node(condition_of(f"${{{{ {written(condition)} }}}}"), everything))
        rest = substitute_condition(f"${{{{ {written(condition)} }}}}", {"matrix": matrix})
        assert truth(evaluate_node(condition_of(rest), everything)) == once


@settings(deadline=None)  # a slow machine is no fault
@given(TREES)
def test_a_tree_that_is_written_reads_as_the_same_tree(tree: Node) -> None:
    """Writing and reading are inverse."""
    again = written(parse(written(tree)))
    assert again == written(tree)


VALUES_FOR_ACT = [
    "a ${{ secrets.X }} b",
    "it's 'quoted'",
    "}} {{ ${{",
    "{0} {{1}}",
    "line1\nline2 ${{\n",
    "a}}'b",
    "'}}",
    '`$X` "q" \\n',
    "é😀",
    "${{ '$' }}{{",
    "$",
]


@pytest.mark.slow
@pytest.mark.skipif(not ACT.exists(), reason="act is not installed")
def test_act_reads_what_is_left_as_we_do(tmp_path: Path) -> None:
    """The evaluator that runs the steps sees the values, not expressions in them."""
    env, expected = {}, {}
    for place, value in enumerate(VALUES_FOR_ACT):
        known = {"matrix": {"v": value, "o": {"k": [value]}}}
        env[f"A{place}"] = substitute("${{ env.E }}${{ matrix.v }}{{ ${{ matrix.v }}", known)
        expected[f"A{place}"] = f"E{value}{{{{ {value}"
        env[f"B{place}"] = substitute("${{ format('{0}-{1}', env.E, matrix.v) }} {0}", known)
        expected[f"B{place}"] = f"E-{value} {{0}}"
        env[f"C{place}"] = substitute("${{ join(matrix.o[env.K], env.E) }}", known)
        expected[f"C{place}"] = value
    env["D0"] = substitute("${{ contains(matrix.v, env.E) && 'in' }}", {"matrix": {"v": ["E", "}}'"]}})
    expected["D0"] = "in"
    assert _by_act(tmp_path, {"E": "E", "K": "k"}, env) == expected


def _by_act(folder: Path, outer: dict[str, str], env: dict[str, str]) -> dict[str, str]:
    dump = "import json, os; json.dump(dict(os.environ), open(os.environ['OUT'], 'w'))"
    step = {"run": f'python3 -c "{dump}"', "env": {**env, "OUT": str(folder / "out.json")}}
    job = {"runs-on": "self-hosted", "env": outer, "steps": [step]}
    (folder / "a.yml").write_text(json.dumps({"on": "push", "jobs": {"a": job}}, ensure_ascii=False), encoding="utf-8")
    nothing = [each for kind in ("env", "secret", "var", "input") for each in (f"--{kind}-file", "/dev/null")]
    command = [str(ACT), "push", "-W", "a.yml", "-P", "self-hosted=-self-hosted", "--no-cache-server"]
    command += ["--action-offline-mode", "--action-cache-path", str(folder / "cache"), *nothing]
    path = "/usr/local/bin:/usr/bin:/bin"
    subprocess.run(
        command,
        cwd=folder,
        env={"HOME": str(folder), "PATH": path},
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=60,
        capture_output=True,
    )
    found = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return {name: found.get(name) for name in env}
