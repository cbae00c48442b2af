"""Quick tests of the code, without training: ``python -m unittest test_checks``."""

import unittest
from pathlib import Path

import checks
import data
import yaml

BOUNDS = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["checks"]


class Checks(unittest.TestCase):
    def test_the_data_are_fine(self) -> None:
        self.assertEqual([], checks.data(data.load(), BOUNDS))

    def test_a_change_of_units_is_seen(self) -> None:
        rows = data.load()
        rows["mean_radius"] *= 10
        self.assertIn("mean_radius", checks.data(rows, BOUNDS)[0])

    def test_missing_values_are_seen(self) -> None:
        rows = data.load()
        rows.loc[3, "mean_area"] = None
        self.assertEqual(["mean_area: 1 values are missing"], checks.data(rows, BOUNDS))

    def test_rows_on_both_sides_are_seen(self) -> None:
        train, _ = data.split(data.load(), 0.3, 7)
        self.assertIn("on both sides", checks.parts(train, train, BOUNDS)[0])

    def test_a_figure_that_is_no_number_is_seen(self) -> None:
        figures = {"roc_auc": float("nan"), "accuracy": 0.9, "log_loss": 0.1}
        self.assertIn("no number", checks.model({"test": figures, "train": figures}, 0.6, BOUNDS)[0])


if __name__ == "__main__":
    unittest.main()
