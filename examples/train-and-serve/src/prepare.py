"""Split scikit-learn's handwritten digits into what the model learns from and what it is judged by."""

from pathlib import Path

import numpy as np
import yaml
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def main() -> None:
    """Write ``data/digits.npz``."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["prepare"]
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        pixels / 16, digits, test_size=params["test_size"], random_state=params["seed"], stratify=digits
    )
    Path("data").mkdir(exist_ok=True)
    np.savez("data/digits.npz", train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)
    print(f"{len(train_y)} digits to learn from, {len(test_y)} to be judged by")


if __name__ == "__main__":
    main()
