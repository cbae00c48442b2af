"""What the service promises, asked over HTTP of the model that is here."""

import json
import sys
import threading
import unittest
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import serve


class TheService(unittest.TestCase):
    """One server for all questions."""

    @classmethod
    def setUpClass(cls) -> None:
        """Serve on a free port."""
        serve.load()
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), serve.Handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls) -> None:
        """Stop serving."""
        cls.server.shutdown()
        cls.server.server_close()

    def ask(self, path: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Give the status and what was said."""
        url = f"http://127.0.0.1:{self.server.server_address[1]}{path}"
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def test_the_model_gets_the_versions_it_was_made_with(self) -> None:
        """``serving/requirements.txt`` is the training's own, and what is installed here is what it says."""
        self.assertEqual(serve.others(), [])

    def test_digits(self) -> None:
        """Most of what it has seen it knows, and every answer has its label."""
        pixels, digits = load_digits(return_X_y=True)
        answers = [self.ask("/predict", {"pixels": list(each)}) for each in pixels[:20]]
        self.assertEqual({status for status, _ in answers}, {200})
        self.assertGreaterEqual(
            sum(said["digit"] == digit for (_, said), digit in zip(answers, digits[:20], strict=True)), 14
        )
        self.assertEqual([said["label"] for _, said in answers], [serve.LABELS[said["digit"]] for _, said in answers])

    def test_nonsense(self) -> None:
        """Is the caller's mistake, and told."""
        for body in ({"pixels": [0] * 63}, {"pixels": [17] * 64}, {}):
            self.assertEqual(self.ask("/predict", body)[0], 400)
        self.assertEqual(self.ask("/nowhere")[0], 404)


if __name__ == "__main__":
    unittest.main()
