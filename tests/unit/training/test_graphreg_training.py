"""GraphReg's networks in the training of windows about pairs: batches of one window, and which epoch is kept."""

from dataclasses import asdict, replace

import pytest
import torch
from fitted import fit_model
from scipy.stats import pearsonr
from test_mixhic_training import GEOMETRY, SETTINGS, STATISTICS, Pairs, history, load

from trifold.models import registry

SMALL = {"channels": 8, "head_channels": 4}


@pytest.mark.parametrize("name", ["epi-cnn", "epi-graph"])
@pytest.mark.parametrize(("protocol", "batch_size"), [("published", 1), ("corrected", 3)])
def test_the_kept_epoch_has_the_largest_correlation_over_all_values(tmp_path, name, protocol, batch_size):
    torch.manual_seed(0)
    model = registry.build(name, GEOMETRY, SMALL, STATISTICS, {}, protocol, "cage")
    arm = {"name": name, "architecture": name, "task": "cage", "protocol": protocol, "options": SMALL, "backbones": {}}
    settings = replace(SETTINGS, batch_size=batch_size, optimiser="adam")
    out = fit_model(model, Pairs(6, 1), Pairs(5, 2), settings, tmp_path, arm={**arm, "geometry": asdict(GEOMETRY)})
    rows = history(out)
    kept, frozen = load(out)
    assert frozen["best_epoch"] == max(range(3), key=lambda epoch: rows[epoch]["validation_pearson"])
    items = list(Pairs(5, 2))
    batch = {key: torch.stack([torch.as_tensor(item[key]) for item in items]) for key in ("map", "tracks", "cage")}
    with torch.no_grad():
        predicted = kept(batch)
    expected = pearsonr(predicted.flatten().double(), batch["cage"].flatten().double()).statistic
    assert rows[frozen["best_epoch"]]["validation_pearson"] == pytest.approx(expected, abs=1e-4)
