"""What many tests start from: a small map, the folder of a small model, settings, the arms of a small configuration."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import cooler
import numpy as np
import torch
import yaml

from trifold import plan
from trifold.arm import Arm
from trifold.config import Geometry, OERecipe
from trifold.io.cool import write_cool
from trifold.models import registry, weights
from trifold.models.ready import CORRECTED

BIN_BP, N_BINS = 10_000, 120
SIZES = {"chr1": N_BINS * BIN_BP}
GEOMETRY = Geometry(BIN_BP, 32, {"train": 8, "validation": 8, "test": 8}, 0.25, 0)
OPTIONS = {"channels": 4, "residual_blocks": 1}
OE = OERecipe("akita", cutoff=2, max_levels=8, clip=2.0, sigma_bins=0.8, expected="local")


def write_counts(path, counts, sizes=SIZES, bin_bp=BIN_BP, group=""):
    """A cooler of the upper triangle of a square map of all chromosomes."""
    row, column = np.nonzero(np.triu(counts))
    chunk = {"bin1_id": row, "bin2_id": column, "count": counts[row, column]}
    write_cool(path, sizes, bin_bp, [chunk])
    if group:
        os.rename(path, f"{path}.one")
        cooler.fileops.cp(f"{path}.one", f"{path}::{group}")
        os.remove(f"{path}.one")
    return path


def write_model(folder, contacts_per_bin, geometry=GEOMETRY, coarsen=1):
    """The folder of an image model that was initialised and never trained."""
    folder.mkdir(parents=True)
    statistics = {
        "geometry": asdict(geometry),
        "recipes": asdict(CORRECTED),
        "coarsen": coarsen,
        "low": {
            "bin_bp": geometry.bin_bp * coarsen,
            "coarsen": coarsen,
            "factor": float(coarsen),
            "contacts_per_bin": contacts_per_bin,
        },
        "observed": {"floor": 1e-4, "ceiling": 0.3},
    }
    torch.manual_seed(3)
    network = registry.build("vehicle", geometry, OPTIONS, statistics)
    arm = {"name": "image", "architecture": "vehicle", "options": OPTIONS, "protocol": "corrected", "backbones": {}}
    weights.save(folder / "weights.safetensors", network.state_dict(), arm=arm, version="v1")
    frozen = {"arm": {**arm, "geometry": asdict(geometry)}, "version": "v1"}
    (folder / "config.yaml").write_text(yaml.safe_dump(frozen))
    (folder / "statistics.json").write_text(json.dumps(statistics))
    return folder


def resolved(samples=("alpha",), strands=(), **arms) -> dict[str, Arm]:
    """Arms with all that they inherit, of an experiment with one fold, one degradation and two seeds."""
    config = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    config |= {
        "seeds": [1, 2],
        "samples": {name: {} for name in samples},
        "geometry": {"bin_bp": BIN_BP, "window_bins": 32},
        "degradations": {"low": {}},
        "splits": {"a": {}},
        "tracks": {"strands": [list(pair) for pair in strands]},
        "training": {**config["training"], "epochs": 1, "batch_size": 2},
        "shared": {},
        "arms": arms,
        "evaluate": {"samples": list(samples)},
    }
    return plan.resolve(config)
