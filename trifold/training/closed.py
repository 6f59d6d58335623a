"""Arms that learn in closed form: a mean by distance, least squares."""

from pathlib import Path

import yaml

from trifold.data.samples import Samples
from trifold.models import weights
from trifold.models.blocks import Architecture


def fit(model: Architecture, train: Samples, out: Path, arm: dict, version: str) -> None:
    """Fit a model to its training samples; weights.safetensors and config.yaml into the folder `out`.

    arm: settings that are frozen beside the weights, with its `name`.
    """
    model.fit(train)
    out.mkdir(parents=True, exist_ok=True)
    weights.save(out / "weights.safetensors", model.state_dict(), arm=arm, version=version)
    (out / "config.yaml").write_text(yaml.safe_dump({"arm": arm, "version": version}, sort_keys=False))
