"""What has to hold of a model before it is released."""

import json
import unittest

from acme_wine import HERE, predict
from sklearn.datasets import load_wine

WINE = [float(value) for value in load_wine().data[0]]


class ThePackage(unittest.TestCase):
    """The model that was trained, by way of the package's own function."""

    def test_it_is_good_enough(self) -> None:
        """A model below this is not worth a version."""
        metrics = json.loads((HERE / "metrics.json").read_text(encoding="utf-8"))
        self.assertGreaterEqual(metrics["accuracy"], 0.93)

    def test_it_knows_a_wine(self) -> None:
        """The first wine of the data is of the first cultivar."""
        answer = predict(WINE)
        self.assertEqual(answer["cultivar"], 0)
        self.assertGreater(answer["probability"], 0.9)

    def test_what_is_no_wine_is_refused(self) -> None:
        """A measurement too few says so."""
        with self.assertRaisesRegex(ValueError, "12 measurements"):  # noqa: PT027 - the standard library's own
            predict(WINE[1:])


if __name__ == "__main__":
    unittest.main()
