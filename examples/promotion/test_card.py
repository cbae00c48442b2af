"""Does the card fit this code, and the model on S3 the card? ``python -m unittest test_card``; it reads the bucket."""

import json
import unittest
from pathlib import Path

import card
import data

FEATURES = data.schema(data.load())


class Card(unittest.TestCase):
    def test_a_card_of_other_features_is_seen(self) -> None:
        self.assertEqual(1, len(card.wrong({"metrics": {}, "features": []}, {}, FEATURES)))

    @unittest.skipUnless(card.CARD.exists(), "there is no model yet")
    def test_the_model_is_there_and_is_what_the_card_says(self) -> None:
        told = card.read()
        self.assertEqual([], card.wrong(told, json.loads(Path("metrics.json").read_text(encoding="utf-8")), FEATURES))
        card.fetch(told)


if __name__ == "__main__":
    unittest.main()
