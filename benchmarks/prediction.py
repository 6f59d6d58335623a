"""Prediction of a 100-Mb chromosome at 5 kb against the same model called tile by tile, at equal maps in one run; and
the files of a 20-Mb one against the network alone.

The map is the synthetic one of `benchmarks.scale`, the model a small generator on windows of 200 bins, 50 apart. The
reference fetches each window with cooler, normalises it with cooltools, calls the model on it alone and blends the
tiles diagonal by diagonal in NumPy; nearly half of its time is the model's own. Times are CPU seconds of a process with
one thread, NumPy's included: other load of the machine does not enter. Fails below the bound or where maps differ.

The network alone is the demo's image arm, called on the same number of windows, ready in memory. `predict` reads,
blends and writes map.cool and map.mcool beside it, so wall clock is compared, in turns: it needs a second core.

    python -m benchmarks.prediction
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import cooler
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks import elsewhere
from benchmarks.examples import (
    BIN_BP,
    COARSEN,
    RECIPES,
    WINDOW_BINS,
    build,
    make_inputs,
    plain_observed,
    prepare_maps,
    timed,
)
from trifold.config import Geometry
from trifold.data.normalise import low_factor
from trifold.inference import Predictor, Sources, predict
from trifold.models import registry
from trifold.models.blocks import Architecture

LENGTH_BP, STRIDE_BINS, BATCH = 100_000_000, 50, 4
GEOMETRY = Geometry(BIN_BP, WINDOW_BINS, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)
LEAST_RATIO = 1.5
ARM, ARM_BP, TURNS, LEAST_SHARE = {"channels": 16, "residual_blocks": 5}, 20_000_000, 7, 0.9


def make_model(options: dict) -> Architecture:
    """A generator of small width whose last layer does not start at zero."""
    torch.manual_seed(0)
    model = registry.build("vehicle", GEOMETRY, options, {}, protocol="corrected")
    torch.nn.init.normal_(model.final_block[-1].weight)
    return model.eval()


@torch.inference_mode()
def plain(model: torch.nn.Module, low_map: Path, statistics: dict, width_bins: int) -> np.ndarray:
    """(bins, width_bins): the blended band on the balanced scale, every tile on its own."""
    scale, factor = statistics["observed"], low_factor(RECIPES.observed, statistics)
    clr, crop = cooler.Cooler(str(low_map)), model.crop_bins
    bins, size = LENGTH_BP // BIN_BP, WINDOW_BINS - 2 * crop
    taper = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    total, weight = np.zeros((2, bins, width_bins))
    for start in range(0, bins - WINDOW_BINS + 1, STRIDE_BINS):
        region = ("chr1", start * BIN_BP, (start + WINDOW_BINS) * BIN_BP)
        balanced, counts = (clr.matrix(balance=balance).fetch(region) for balance in (True, False))
        low = torch.from_numpy(plain_observed(balanced, counts, scale, factor).astype(np.float32))[None, None]
        x = F.interpolate(low, scale_factor=COARSEN, mode="bilinear")
        output = model({"map": x})[0, 0].double().numpy()
        tile = scale["floor"] * (scale["ceiling"] / scale["floor"]) ** ((output + output.T) / 2)
        for d in range(width_bins):
            rows = slice(start + crop, start + crop + size - d)
            share = taper[: size - d] * taper[d:]
            total[rows, d] += share * np.diagonal(tile, d)
            weight[rows, d] += share
    with np.errstate(invalid="ignore"):
        return total / weight


def whole_band(predictor: Predictor) -> np.ndarray:
    _, blocks = predictor.chromosome(predictor.inputs("chr1", LENGTH_BP))
    return np.concatenate([band for _, band, _ in blocks])


def against_the_network() -> dict:
    """Windows per second of `predict`, files and all, against the network alone; the median of turns."""
    torch.set_num_threads(1)
    model, shares, windows = make_model(ARM), [], 1 + (ARM_BP // BIN_BP - WINDOW_BINS) // STRIDE_BINS
    batch = {"map": torch.rand(BATCH, 1, WINDOW_BINS, WINDOW_BINS)}
    batch |= {"map_coarse": torch.rand(BATCH, 1, WINDOW_BINS // COARSEN, WINDOW_BINS // COARSEN)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, ARM_BP)
        prepare_maps(folder)
        settings = {"chromsizes": {"chr1": ARM_BP}, "chromosomes": ["chr1"], "geometry": GEOMETRY, "recipes": RECIPES}
        settings |= {"statistics": build(folder, 1_000), "low_map": folder / "low.cool", "coarsen": COARSEN}
        for _ in range(1 + TURNS):
            start = time.perf_counter()
            with torch.inference_mode():
                for _ in range(-(-windows // BATCH)):
                    model.decode(model(batch))
            between = time.perf_counter()
            predict(model, folder, stride_bins=STRIDE_BINS, batch_size=BATCH, device="cpu", threads=1, **settings)
            shares.append((between - start) / (time.perf_counter() - between))
    return {"windows": windows, "share_of_the_network": round(median(shares[1:]), 2)}


def measure() -> dict:
    """One row. Raises AssertionError where maps differ."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, LENGTH_BP)
        prepare_maps(folder)
        statistics, model = build(folder, 1_000), make_model({"channels": 4, "residual_blocks": 1})
        sources = Sources(GEOMETRY, RECIPES, statistics, folder / "low.cool", COARSEN)
        predictor = Predictor(model, sources, STRIDE_BINS, BATCH, "cpu", "32-true")
        ours, our_s = timed(whole_band, predictor)
        theirs, their_s = timed(plain, model, folder / "low.cool", statistics, ours.shape[1])
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=0)
    windows = 1 + (LENGTH_BP // BIN_BP - WINDOW_BINS) // STRIDE_BINS
    return {
        "windows": windows,
        "package_per_s": round(windows / our_s, 1),
        "plain_per_s": round(windows / their_s, 1),
        "times_faster": round(their_s / our_s, 1),
    }


def main() -> None:
    row = measure()
    print(json.dumps(row), flush=True)
    if row["times_faster"] < LEAST_RATIO:
        raise SystemExit(f"less than {LEAST_RATIO} times the speed")
    # In a process of its own, as predictions are made: what was done before in a process slows its threads' memory.
    row = {"share_of_the_network": elsewhere("prediction", "network")}
    print(json.dumps(row))
    if row["share_of_the_network"] < LEAST_SHARE:
        raise SystemExit(f"less than {LEAST_SHARE} of the network's windows per second")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(against_the_network()["share_of_the_network"])
    else:
        main()
