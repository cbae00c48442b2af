"""The expression language, by the tables of GitHub's documentation."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from runnerkit.sandbox.workflows.expressions import ExpressionError, Scope, evaluate, evaluate_node, parse, text

CONTEXTS: dict[str, Any] = {
    "github": {
        "ref": "refs/heads/main",
        "event_name": "push",
        "event": {"issue": {"labels": [{"name": "bug"}, {"name": "help wanted"}, {"color": "red"}]}},
    },
    "fruits": [
        {"name": "apple", "quantity": 1},
        {"name": "orange", "quantity": 2},
        {"name": "pear", "quantity": 1},
    ],
    "vegetables": {
        "scallions": {"colors": ["green", "white", "red"], "ediblePortions": ["roots", "stalks"]},
        "beets": {"colors": ["purple", "red"], "ediblePortions": ["roots", "stems"]},
    },
    "env": {"naïve": "x", "A-B": "dashed", "zero": 0},
    "nothing": None,
    "deep": "[" * 100_000,
}


def value(expression: str) -> Any:  # noqa: ANN401 - values of every kind
    return evaluate_node(parse(expression), Scope(CONTEXTS, {"success": lambda: True, "failure": lambda: False}))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("null", None),
        ("false", False),
        ("true", True),
        ("711", 711),
        ("-9.2", -9.2),
        ("+4", 4),
        ("0xff", 255),
        ("0o17", 15),
        (".5", 0.5),
        ("-2.99e-2", -0.0299),
        ("'Mona the Octocat'", "Mona the Octocat"),
        ("'It''s open source!'", "It's open source!"),
        ("''", ""),
        ("  ( 1 )  ", 1),
    ],
)
def test_literals(expression: str, expected: object) -> None:
    """Null, booleans, numbers in their notations, and strings in single quotes."""
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("!true", False),
        ("!''", True),
        ("!0", True),
        ("!-0", True),
        ("!null", True),
        ("!NaN", True),
        ("!-1", False),
        ("!'0'", False),
        ("!fromJSON('[]')", False),
        ("1 < 2", True),
        ("2 <= 2", True),
        ("1 > 2", False),
        ("2 >= 3", False),
        ("1 == 1.0", True),
        ("1 != 2", True),
        ("'a' && 'b'", "b"),
        ("'' && 'b'", ""),
        ("'a' || 'b'", "a"),
        ("null || 'main'", "main"),
        ("true && false || 'x'", "x"),
        ("false || true && 'y'", "y"),
        ("1 == 1 == true", True),
        ("!true == false", True),
        ("1 < 2 == true", True),
        ("(true || false) && false", False),
    ],
)
def test_operators(expression: str, expected: object) -> None:
    """Operators bind as documented; && and || give one of their operands."""
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("null == 0", True),
        ("null == ''", True),
        ("true == 1", True),
        ("false == ''", True),
        ("true == 'true'", False),
        ("'1' == 1", True),
        ("' 12 ' == 12", True),
        ("'0xff' == 255", True),
        ("'1e3' == 1000", True),
        ("'x' == 0", False),
        ("'' == 0", True),
        ("'GitHub' == 'github'", True),
        ("'É' == 'é'", True),
        (rb"'\u0131' == 'I'".decode("unicode-escape"), False),
        ("'ß' == 'SS'", False),
        ("'a' < 'B'", True),
        ("'10' < '9'", True),
        ("'10' < 9", False),
        ("'x' < 1", False),
        ("'x' > 1", False),
        ("fruits == fruits", True),
        ("fromJSON('[1]') == fromJSON('[1]')", False),
        ("fruits == 'Array'", False),
        ("fruits > 0", False),
        ("null >= null", True),
        ("null > null", False),
        ("true > false", True),
        ("NaN == NaN", False),
        ("NaN != NaN", True),
        ("Infinity > 1", True),
    ],
)
def test_loose_comparison(expression: str, expected: bool) -> None:
    """Different kinds are compared as numbers, strings without case, arrays and objects by identity."""
    assert value(expression) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("github.ref", "refs/heads/main"),
        ("GitHub.REF", "refs/heads/main"),
        ("github['event_name']", "push"),
        ("github[format('event_{0}', 'name')]", "push"),
        ("env.A-B", "dashed"),
        ("github.missing.deeper", None),
        ("fruits[1].name", "orange"),
        ("fruits['1'].name", "orange"),
        ("fruits[1.9].name", "orange"),
        ("fruits[-1]", None),
        ("fruits[9]", None),
        ("fruits['x']", None),
        ("nothing.x", None),
        ("'text'.x", None),
        ("fruits.*.name", ["apple", "orange", "pear"]),
        ("fruits[*].name", ["apple", "orange", "pear"]),
        ("vegetables.*.ediblePortions", [["roots", "stalks"], ["roots", "stems"]]),
        ("vegetables.*.colors.*", ["green", "white", "red", "purple", "red"]),
        ("vegetables.*.colors[0]", ["green", "purple"]),
        ("github.event.issue.labels.*.name", ["bug", "help wanted"]),
        ("github.ref.*", []),
    ],
)
def test_looking_up(expression: str, expected: object) -> None:
    """Keys in any case, indexes, what is missing, and the object filter."""
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("contains('Hello world', 'llo')", True),
        ("contains('Hello world', 'LLO')", True),
        ("contains(github.event.issue.labels.*.name, 'BUG')", True),
        ('contains(fromJSON(\'["push", "pull_request"]\'), github.event_name)', True),
        ("contains(fromJSON('[1, 2]'), '2')", True),
        ("contains(fromJSON('{\"a\": 1}'), 'a')", False),
        ("contains('', '')", True),
        ("startsWith('Hello world', 'he')", True),
        ("startsWith(123, '12')", True),
        ("startsWith(fruits, 'A')", False),
        ("endsWith('Hello world', 'LD')", True),
        ("endsWith('Hello world', 'He')", False),
        ("format('Hello {0} {1} {2}', 'Mona', 'the', 'Octocat')", "Hello Mona the Octocat"),
        ("format('{{Hello {0} {1} {2}!}}', 'Mona', 'the', 'Octocat')", "{Hello Mona the Octocat!}"),
        ("format('{1}{0}{1}', null, true)", "truetrue"),
        ("format('{0}', '{1} {{')", "{1} {{"),
        ("join(github.event.issue.labels.*.name, ', ')", "bug, help wanted"),
        ("join(fromJSON('[1, null, true]'))", "1,,true"),
        ("join('one', '-')", "one"),
        ("join(github, '-')", ""),
        ("toJSON('it \"is\"')", '"it \\"is\\""'),
        ("toJSON(null)", "null"),
        ("toJSON(fromJSON('[]'))", "[]"),
        ("toJSON(fromJSON('{\"a\":[1,2.0]}'))", '{\n  "a": [\n    1,\n    2\n  ]\n}'),
        ('fromJSON(\'{"include":[{"a":1}]}\').include[0].a', 1),
        ("fromJSON('true') && 'yes'", "yes"),
        ("case(false, 'a', true, 'b', 'c')", "b"),
        ("case(false, 'a', 'c')", "c"),
        ("SUCCESS() && !failure()", True),
    ],
)
def test_functions(expression: str, expected: object) -> None:
    """Every function, with arguments of unusual kinds."""
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("a ${{ github.event_name }} b", "a push b"),
        ("${{ true }}", True),
        ("${{ true }} ", "true "),
        ("${{ null }}x", "x"),
        ("${{ 'a' }}${{ 1.50 }}", "a1.5"),
        ("${{ '}}' }}!", "}}!"),
        ("${{ 'it''s }} ${{' }}", "it's }} ${{"),
        ("{0} {{ ${{ 1 }} }}", "{0} {{ 1 }}"),
        ("${{ fruits }}", CONTEXTS["fruits"]),
        ("<${{ fruits }}>", "<Array>"),
        ("<${{ github }}>", "<Object>"),
        ("", ""),
        (["${{ 1 }}", {"${{ 'k' }}": "${{ false }}"}, 2], [1, {"k": False}, 2]),
    ],
)
def test_templates(template: object, expected: object) -> None:
    """An expression alone keeps its kind; between other text it is written as text."""
    assert evaluate(template, Scope(CONTEXTS)) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (3.10, "3.1"),
        (0.1 + 0.2, "0.3"),
        (123456789012345, "123456789012345"),
        (1234567890123456, "1.23456789012346E+15"),
        (1e15, "1E+15"),
        (1e300, "1E+300"),
        (0.00001, "0.00001"),
        (0.000001, "1E-06"),
        (-2.5e-7, "-2.5E-07"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, "NaN"),
    ],
)
def test_numbers_as_text(number: float, expected: str) -> None:
    """Fifteen digits, and scientific notation beyond them."""
    assert text(number) == expected


@pytest.mark.parametrize(
    ("expression", "position", "told"),
    [
        ("", 0, "empty"),
        ("'open", 0, "not closed"),
        ('github.ref == "main"', 14, "single quotes"),
        ("a = b", 2, "alone is no operator"),
        ("a & b", 2, "alone is no operator"),
        ("a == ", 5, "before the end"),
        ("(a", 2, "')' is missing"),
        ("a b", 2, "'b' is not expected"),
        ("a.1", 2, "a name must follow"),
        ("a.'x'", 2, "a name must follow"),
        ("format('a',)", 11, "value is missing"),
        ("a[0", 3, "']' is missing"),
        ("a $ b", 2, "cannot stand"),
        ("a.*.", 4, "a name must follow"),
    ],
)
def test_what_is_no_expression(expression: str, position: int, told: str) -> None:
    """Errors say what is wrong and where."""
    with pytest.raises(ExpressionError) as caught:
        parse(expression)
    assert (caught.value.position, told in str(caught.value)) == (position, True), str(caught.value)


@pytest.mark.parametrize(
    "expression",
    ["(" * 60 + "1" + ")" * 60, " && ".join(["a"] * 400), "a" + ".b" * 400, "!" * 80 + "a", "'x" + "x" * 22_000],
)
def test_expressions_beyond_all_measure_are_refused(expression: str) -> None:
    """Too deep, too many, too long: an error and no crash."""
    with pytest.raises(ExpressionError):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("gitub.ref", "did you mean 'github'"),
        ("contain('a', 'b')", "did you mean 'contains'"),
        ("fromJSON('{')", "fromJSON() cannot read '{'"),
        ("fromJSON('NaN')", "NaN is no JSON"),
        ("fromJSON(deep)", "fromJSON() cannot read"),
        ("format('{1}', 'a')", "no value for '{1}'"),
        ("format('{a}', 'a')", "a brace is doubled"),
    ],
)
def test_what_cannot_be_evaluated(expression: str, told: str) -> None:
    """Errors name the function or the context, and the nearest known one."""
    with pytest.raises(ExpressionError) as caught:
        value(expression)
    assert told in str(caught.value)


def test_json_goes_round() -> None:
    """ToJSON and fromJSON are inverse on what JSON can say."""
    assert json.loads(value("toJSON(vegetables)")) == value("fromJSON(toJSON(vegetables))") == CONTEXTS["vegetables"]
