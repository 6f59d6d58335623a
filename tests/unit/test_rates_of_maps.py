"""A model of rates on maps: any bin width, how sure it is beside every pixel, the depths it was trained on."""

import json
from dataclasses import asdict

import cooler
import h5py
import numpy as np
import pytest
import torch
import yaml
from small import BIN_BP, GEOMETRY

import trifold
from trifold import api
from trifold.data import contacts
from trifold.data.rates import expected_of
from trifold.errors import InputError
from trifold.io.cool import write_cool
from trifold.metrics import calibration
from trifold.models import registry, weights
from trifold.models import trifold as rates


@pytest.fixture
def model(door):
    """Beside a shallow map: a model of rates that has learned nothing. Its maps are smoothed ones."""
    folder = door / "rates"
    folder.mkdir()
    statistics = json.loads((door / "model/statistics.json").read_text())
    statistics |= {"tracks": [], "drawn_contacts_per_bin": [1.0, 1e6]}
    options = {"channels": 8, "residual_blocks": 1}
    torch.manual_seed(0)
    network = registry.build("trifold", GEOMETRY, options, statistics, task="rates")
    arm = {"name": "rates", "architecture": "trifold", "task": "rates", "options": options, "protocol": "corrected"}
    arm |= {"backbones": {}}
    weights.save(folder / "weights.safetensors", network.state_dict(), arm=arm, version="v1")
    frozen = {"arm": {**arm, "geometry": asdict(GEOMETRY)}, "version": "v1"}
    (folder / "config.yaml").write_text(yaml.safe_dump(frozen))
    (folder / "statistics.json").write_text(json.dumps(statistics))
    return folder


def pixels_of(uri):
    return cooler.Cooler(uri).pixels()[:]


def test_every_pixel_says_how_sure_it_is(model):
    """In a .cool, and in the narrowest level of an .mcool. Who has learned nothing is equally sure of all."""
    trifold.enhance("shallow.cool", "rates", "out.cool", device="cpu")
    trifold.enhance("shallow.cool", "rates", "out.mcool", device="cpu")
    plain, zoomed = pixels_of("out.cool"), pixels_of(f"out.mcool::/resolutions/{BIN_BP}")
    assert list(plain) == list(zoomed) == ["bin1_id", "bin2_id", "count", "sd"]
    np.testing.assert_array_equal(plain["sd"], zoomed["sd"])
    assert plain["sd"].nunique() == 1 and 0 < plain["sd"][0] < 1 and len(plain) > 100


def test_the_map_is_expected_times_what_the_network_says(model):
    """Where a network mixes smoothed maps and adds nothing, so does the file, on the balanced scale of the low map."""
    trifold.enhance("shallow.cool", "rates", "out.cool", device="cpu")
    contacts.prepare("shallow.cool", "low.cool", BIN_BP)
    side = GEOMETRY.window_bins
    expected = expected_of("low.cool", side)
    found = cooler.Cooler("out.cool").matrix(balance=True)[:]
    low = cooler.Cooler("low.cool")
    counts, weight = low.matrix(balance=False)[:side, :side], low.bins()["weight"][:side].to_numpy()
    inverse = np.where(np.isfinite(weight), 1 / weight, 0)
    distance = np.abs(np.subtract.outer(np.arange(side), np.arange(side)))
    wanted = expected[distance] * np.outer(inverse, inverse)
    maps = [
        torch.tensor(np.where(wanted > 0, values, 0), dtype=torch.float32)[None, None] for values in (counts, wanted)
    ]
    log_oe = rates.map_features(*maps)[0, :3].mean(dim=0).numpy()
    # The first rows lie in the first tile alone.
    inside = np.isfinite(found[0, : side // 2])
    np.testing.assert_allclose(
        found[0, : side // 2][inside], (np.exp(log_oe) * expected[distance])[0, : side // 2][inside], rtol=1e-4
    )


def test_it_serves_any_bin_width(model):
    trifold.enhance("shallow.cool", "rates", "wide.cool", resolution=2 * BIN_BP, device="cpu")
    assert cooler.Cooler("wide.cool").binsize == 2 * BIN_BP
    with pytest.raises(InputError, match=f"has bins of {BIN_BP:,} bp, none of which make"):
        trifold.enhance("shallow.cool", "rates", "out.cool", resolution=BIN_BP + 1, device="cpu")


def test_the_bin_width_that_is_chosen_has_contacts_enough(tmp_path):
    counts = np.triu(np.full((64, 64), 1))
    i, j = np.nonzero(counts)
    write_cool(tmp_path / "a.cool", {"chr1": 64_000}, 1000, [{"bin1_id": i, "bin2_id": j, "count": counts[i, j]}])
    cooler.zoomify_cooler(str(tmp_path / "a.cool"), str(tmp_path / "a.mcool"), [1000, 4000, 16000], chunksize=10_000)
    per_bin = {width: api.info(tmp_path / "a.mcool", width)["contacts_per_bin"] for width in (1000, 4000, 16000)}
    assert per_bin[1000] < per_bin[4000] < api.LEAST_CONTACTS < per_bin[16000]
    assert api._any_bin_bp(tmp_path / "a.mcool", [1000, 4000, 16000], None) == 16000
    assert api._any_bin_bp(tmp_path / "a.mcool", [1000, 4000], None) == 4000, "the widest, where none has enough"


def test_depths_are_those_of_its_training(model, caplog):
    trifold.enhance("shallow.cool", "rates", "out.cool", device="cpu")
    facts = api.made_by("out.cool")
    assert facts["contacts_per_bin"] == facts["trained_contacts_per_bin"] and not caplog.text
    statistics = json.loads((model / "statistics.json").read_text())
    statistics["drawn_contacts_per_bin"] = [10 * facts["contacts_per_bin"], 1e6]
    (model / "statistics.json").write_text(json.dumps(statistics))
    trifold.enhance("shallow.cool", "rates", "other.cool", device="cpu")
    assert "times as many" in caplog.text


def test_a_score_says_whether_the_model_is_as_sure_as_it_may_be(model):
    """Counts drawn anew from the very rates and doubt of a prediction lie where it says; of a tenth of the doubt do
    not. Who says nothing of its doubt gets no such table, nor is there one against a map of no counts."""
    trifold.enhance("shallow.cool", "rates", "out.cool", device="cpu")
    pixels, rng = pixels_of("out.cool"), np.random.default_rng(5)
    shape = 1 / calibration.dispersion(pixels["sd"].to_numpy())
    mean = 2_000 * pixels["count"] * rng.gamma(shape, 1 / shape)
    drawn = {"bin1_id": pixels["bin1_id"], "bin2_id": pixels["bin2_id"], "count": rng.poisson(mean)}
    write_cool("drawn.cool", {"chr1": 120 * BIN_BP}, BIN_BP, [drawn])
    table = trifold.score("out.cool", "drawn.cool")["calibration"].set_index("from_bp")
    assert list(table.index[:-1]) == [step * BIN_BP for step in (2, 4, 8, 16)] and table.index.isna()[-1]
    assert table["inside"].iloc[-1] == pytest.approx(0.9, abs=0.03)
    assert table["spread"].iloc[-1] == pytest.approx(1, abs=0.1)
    shown = api.summary_of_scores(trifold.score("out.cool", "drawn.cool"))
    assert any("90 % interval" in title for title in shown)
    with h5py.File("out.cool", "r+") as file:
        file["pixels/sd"][:] = file["pixels/sd"][:] / 10
    assert trifold.score("out.cool", "drawn.cool")["calibration"]["inside"].iloc[-1] < 0.8
    assert "calibration" not in trifold.score("shallow.cool", "deep.cool")
    assert "calibration" not in trifold.score("out.cool", "out.cool")
