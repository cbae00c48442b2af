"""Train a small neural network on the digits, epoch by epoch."""

import csv
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import yaml
from sklearn.neural_network import MLPClassifier

SERVING = ("joblib", "numpy", "scikit-learn")


def main() -> None:
    """Write ``models/digits.joblib``, ``serving/requirements.txt`` and the curve ``plots/training.csv``."""
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["train"]
    data = np.load("data/digits.npz")
    model = MLPClassifier(
        hidden_layer_sizes=(params["hidden"],),
        learning_rate_init=params["learning_rate"],
        batch_size=params["batch_size"],
        random_state=params["seed"],
    )
    curve = [epoch(model, data, number, params["epochs"]) for number in range(1, params["epochs"] + 1)]
    save(model, curve)


def epoch(model: MLPClassifier, data: np.lib.npyio.NpzFile, number: int, last: int) -> tuple[int, float, float]:
    """Show the network every digit once and say how it does."""
    model.partial_fit(data["train_x"], data["train_y"], classes=np.arange(10))
    accuracy = model.score(data["train_x"], data["train_y"])
    print(f"epoch {number:3d}/{last}  loss {model.loss_:.4f}  accuracy {accuracy:.4f}", flush=True)
    return number, round(model.loss_, 6), round(accuracy, 6)


def save(model: MLPClassifier, curve: list[tuple[int, float, float]]) -> None:
    """Keep the model, the versions that it is to be loaded with, and how it came about."""
    for folder in ("models", "plots", "serving"):
        Path(folder).mkdir(exist_ok=True)
    joblib.dump(model, "models/digits.joblib")
    pins = "".join(f"{name}=={version(name)}\n" for name in SERVING)
    Path("serving/requirements.txt").write_text(pins, encoding="utf-8")
    with Path("plots/training.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("epoch", "loss", "accuracy"), *curve])


if __name__ == "__main__":
    main()
