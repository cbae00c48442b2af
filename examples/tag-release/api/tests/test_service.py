"""What the API promises, asked over HTTP of the package that is pinned."""

import json
import sys
import threading
import unittest
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

API = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(API))

import service  # noqa: E402 - from the folder above

WINE = [14.23, 1.71, 2.43, 15.6, 127.0, 2.8, 3.06, 0.28, 2.29, 5.64, 1.04, 3.92, 1065.0]


class TheService(unittest.TestCase):
    """One server for all questions."""

    @classmethod
    def setUpClass(cls) -> None:
        """Serve on a free port."""
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), service.Handler)
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

    def test_the_package_is_the_pinned_one(self) -> None:
        """What is tested here is what ``package.txt`` names, not a package of that name from elsewhere."""
        pinned = (API / "package.txt").read_text(encoding="utf-8").split()[0]
        self.assertEqual(pinned, f"acme-wine=={self.ask('/health')[1]['package']}")
        self.assertTrue(Path(service.acme_wine.__file__).is_relative_to(API / "vendor"))

    def test_a_wine(self) -> None:
        """Cultivar and probability."""
        status, said = self.ask("/predict", {"wine": WINE})
        self.assertEqual((status, said["cultivar"]), (200, 0))
        self.assertTrue(0.5 < said["probability"] <= 1)

    def test_nonsense(self) -> None:
        """Is the caller's mistake, and told."""
        for body in ({"wine": WINE[1:]}, {"wine": "red"}, {}):
            self.assertEqual(self.ask("/predict", body)[0], 400)
        self.assertEqual(self.ask("/nowhere")[0], 404)


if __name__ == "__main__":
    unittest.main()
