"""The legs of a matrix, by GitHub's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from runnerkit.sandbox.workflows.matrix import MatrixInvalid, legs, suffix


def test_the_first_key_varies_slowest() -> None:
    """Every combination, in the order of the file."""
    found = legs({"version": [10, 12], "os": ["u", "w"]})
    assert found == [
        {"version": 10, "os": "u"},
        {"version": 10, "os": "w"},
        {"version": 12, "os": "u"},
        {"version": 12, "os": "w"},
    ]


def test_include_grows_legs_and_makes_new_ones() -> None:
    """The example of the documentation: original values are never overwritten, added ones may be."""
    found = legs(
        {
            "fruit": ["apple", "pear"],
            "animal": ["cat", "dog"],
            "include": [
                {"color": "green"},
                {"color": "pink", "animal": "cat"},
                {"fruit": "apple", "shape": "circle"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"},
            ],
        }
    )
    assert found == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


def test_include_alone_makes_legs() -> None:
    """Without lists each entry is a leg."""
    entries = [{"site": "prod", "dc": "a"}, {"site": "stage", "dc": "b"}]
    assert legs({"include": entries}) == entries


def test_exclude_needs_only_a_part_and_comes_before_include() -> None:
    """A partial match is enough; what include adds is not excluded."""
    found = legs(
        {
            "os": ["m", "w"],
            "version": [12, {"n": 14, "x": True}],
            "exclude": [{"os": "m", "version": 12}, {"os": "W", "version": {"n": "14"}}],
            "include": [{"os": "m", "version": 12}],
        }
    )
    assert found == [
        {"os": "m", "version": {"n": 14, "x": True}},
        {"os": "w", "version": 12},
        {"os": "m", "version": 12},
    ]


@pytest.mark.parametrize(
    ("matrix", "told"),
    [
        ({"a": []}, "matrix.a has no values"),
        ({"a": "x"}, "matrix.a is a list"),
        ({"a": [1], "exclude": [{"a": 1}]}, "no combination left"),
        ({"include": []}, "no combination left"),
        ({"include": {"a": 1}}, "matrix.include is a list of mappings"),
        ({"a": [1], "exclude": ["x"]}, "matrix.exclude is a list of mappings"),
        ({"a": list(range(16)), "b": list(range(17))}, "makes 272 jobs"),
        ({key: list(range(200)) for key in "abcdefgh"}, "far more than the 256"),
        ("x", "a mapping of names to lists"),
        (None, "a mapping of names to lists"),
    ],
)
def test_what_is_no_matrix(matrix: Any, told: str) -> None:  # noqa: ANN401 - values of every kind
    """Errors say which part is wrong."""
    with pytest.raises(MatrixInvalid) as caught:
        legs(matrix)
    assert told in str(caught.value)


def test_256_legs_are_allowed() -> None:
    """The limit itself is fine."""
    assert len(legs({"a": list(range(16)), "b": list(range(16))})) == 256


@pytest.mark.parametrize(
    ("leg", "expected"),
    [
        ({}, ""),
        ({"n": 3, "gpu": "t4"}, "(3, t4)"),
        ({"v": 3.10, "ok": True, "o": {"a": [1, {"b": 2}]}}, "(3.1, true, 1, 2)"),
        ({"v": "x" * 200}, "(" + "x" * 96 + "..."),
    ],
)
def test_legs_have_names(leg: dict[str, Any], expected: str) -> None:
    """All values, those within objects too; long names are cut."""
    assert suffix(leg) == expected
