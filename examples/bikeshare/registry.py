"""The registry of models: MLflow's, with its artifacts on S3.

``MLFLOW_TRACKING_URI`` says where it is, ``ARTIFACTS`` (``s3://BUCKET/PREFIX``) where models go. Which model serves is
said by an alias; MLflow's stages are deprecated since 2.9.
"""

from __future__ import annotations

import os
from typing import Any

import mlflow
import mlflow.sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

NAME = "bikeshare"
CHALLENGER = "challenger"
CHAMPION = "champion"
NEEDED = ["scikit-learn>=1.9", "pandas>=3.1"]


def register(model: Any, example: Any, params: dict[str, Any], measured: dict[str, float]) -> str:  # noqa: ANN401 - any model
    """Log a run with its fitted model, register the model as the challenger, and give its version."""
    with mlflow.start_run(experiment_id=_experiment()):
        mlflow.log_params({"c": params["model"]["c"], "columns": ",".join(params["columns"])})
        mlflow.log_metrics(measured)
        mlflow.set_tags({"commit": os.environ.get("GITHUB_SHA", ""), "run": os.environ.get("GITHUB_RUN_ID", "")})
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(example, model.predict_proba(example)),
            pip_requirements=NEEDED,
            registered_model_name=NAME,
            serialization_format="cloudpickle",
        )
    version = str(logged.registered_model_version)
    MlflowClient().set_registered_model_alias(NAME, CHALLENGER, version)
    return version


def _experiment() -> str:
    client = MlflowClient()
    found = client.get_experiment_by_name(NAME)
    if found is None:
        return str(client.create_experiment(NAME, artifact_location=os.environ["ARTIFACTS"]))
    return str(found.experiment_id)


def champion() -> str | None:
    """Give the version that serves; None before the first."""
    return version_of(CHAMPION)


def version_of(alias: str) -> str | None:
    """Give the version that an alias names, or None."""
    try:
        return str(MlflowClient().get_model_version_by_alias(NAME, alias).version)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def crown(version: str) -> None:
    """Let a version serve; the one before it is kept as ``previous``, to go back to."""
    client, before = MlflowClient(), champion()
    if before not in {None, version}:
        client.set_registered_model_alias(NAME, "previous", before)
    client.set_registered_model_alias(NAME, CHAMPION, version)


def load(version: str) -> Any:  # noqa: ANN401 - a scikit-learn classifier
    """Fetch a version and make it ready to predict."""
    return mlflow.sklearn.load_model(f"models:/{NAME}/{version}")
