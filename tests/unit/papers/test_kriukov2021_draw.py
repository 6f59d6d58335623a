"""The figures of Kriukov et al. 2021 from files: the windows that are kept of models, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from trifold.errors import InputError
from trifold.models import vehicle
from trifold.papers.kriukov2021 import figures

SIZE = 20


def write(path, crop_bins, parts=(), seed=0, windows=1):
    """A windows.npz of maps (SIZE - 2 crop)²; returns its arrays."""
    rng = np.random.default_rng(seed)
    names = ("target", "prediction", *(f"without_{part}" for part in parts))
    side = SIZE - 2 * crop_bins
    arrays = {name: rng.random((windows, side, side)) for name in names}
    start_bp = np.arange(windows) * 1000
    np.savez(path, **arrays, chrom=["chr1"] * windows, start_bp=start_bp, end_bp=start_bp + 1000, crop_bins=crop_bins)
    return arrays


def test_maps_are_cropped_as_the_generators_are():
    assert figures.CROP_BINS == vehicle.CROP_BINS


@pytest.mark.parametrize(("crop_bins", "margin", "off"), [(0, 6, 6), (6, 6, 0), (2, None, 0), (2, 5, 3)])
def test_a_margin_is_counted_from_the_window(tmp_path, crop_bins, margin, off):
    arrays = write(tmp_path / "windows.npz", crop_bins, ("image",), windows=2)
    maps = figures.read(tmp_path / "windows.npz", margin)
    inner = slice(off, arrays["target"].shape[1] - off)
    for found, name in (
        (maps.target, "target"),
        (maps.prediction, "prediction"),
        (maps.without["image"], "without_image"),
    ):
        np.testing.assert_array_equal(found, arrays[name][:, inner, inner])
    assert [str(region) for region in maps.regions] == ["chr1:0-1,000", "chr1:1,000-2,000"]


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What `draw` gives the figures to draw, by the figure's number."""
    files = {name: tmp_path / f"{name}.npz" for name in ("sequence", "identity", "image", "hybrid")}
    arrays = {
        "sequence": write(files["sequence"], 2, windows=3),
        "identity": write(files["identity"], 0, seed=1),
        "image": write(files["image"], 6, seed=2),
        "hybrid": write(files["hybrid"], 6, ("sequence", "image"), seed=3),
    }
    given = {}
    for number in (5, 6, 7, 8):
        monkeypatch.setattr(figures, f"figure{number}", lambda *shown, number=number: given.update({number: shown}))
    monkeypatch.setattr(figures.figures, "save", lambda figure, path: None)
    pd.DataFrame({"epoch": [0, 1], "validation_loss": [2.0, 1.0]}).to_csv(tmp_path / "history.csv", index=False)

    def drawn(zeroed=("hybrid",)):
        figures.draw(
            tmp_path,
            windows=files,
            settings={},
            chosen={
                "sequence": ["sequence"],
                "maps": ["identity", "image"],
                "zeroed": list(zeroed),
                "preheated": ["hybrid", "joint"],
            },
            histories=[{"arm": "hybrid", "seed": 1, "path": tmp_path / "history.csv"}],
            clip=1.5,
        )
        return given, arrays

    return drawn


def test_every_figure_shows_what_was_kept(shown):
    given, arrays = shown()
    targets, predictions, labels, clip = given[5]
    np.testing.assert_array_equal(targets, arrays["sequence"]["target"])
    np.testing.assert_array_equal(predictions["sequence"], arrays["sequence"]["prediction"])
    assert len(labels) == 3 and clip == 1.5
    maps, zoom = given[6]
    assert list(maps) == ["target", "identity", "image"] and zoom == (slice(2, 4), slice(2, 4))
    np.testing.assert_array_equal(maps["target"], arrays["identity"]["target"][0, 6:-6, 6:-6])
    np.testing.assert_array_equal(maps["image"], arrays["image"]["prediction"][0])
    own = given[7][0]["hybrid"]
    names = {"target": "target", "both backbones": "prediction"}
    names |= {"sequence zeroed": "without_sequence", "image zeroed": "without_image"}
    assert list(own) == list(names)
    for name, kept in names.items():
        np.testing.assert_array_equal(own[name], arrays["hybrid"][kept][0])
    assert given[8][0]["arm"].tolist() == ["hybrid", "hybrid"] and given[8][2] == ("hybrid", "joint")


def test_figure_7_is_of_hybrids(shown):
    with pytest.raises(InputError, match="kriukov2021/figures/zeroed: 'image' has no backbone 'sequence'; name a hyb"):
        shown(zeroed=["image"])
