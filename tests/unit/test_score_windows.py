"""Window scores: against SciPy and NumPy on the same pixels, in the published and in the corrected form."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from embedding_files import write_embeddings
from scipy import stats
from small import OE, resolved
from track_files import write_track

from trifold.config import CountsRecipe, Geometry, ObservedRecipe, Recipes, Scoring
from trifold.data.given import Given
from trifold.data.normalise import ObservedScale
from trifold.data.tracks import TrackStore
from trifold.errors import InputError
from trifold.metrics import scc
from trifold.metrics.ssim import ssim
from trifold.models import registry
from trifold.models.blocks import Architecture, crop
from trifold.models.hybrid import Hybrid
from trifold.score_windows import SCORES, Windows, score, write_scores

W, BIN, C = 24, 100, 6
SCORING = Scoring(min_diagonal=2, max_distance_bins=9, edge_bins=3, scc_h=1, scc_max_bp=None)
LABELS = {"degradation": "low", "arm": "fake", "fold": "a", "seed": 1, "sample": "alpha"}
PER_BALANCED, FLOOR, CEILING = 500.0, 1e-5, 1e-1


class LowMap(Architecture):
    """Gives the low map as it is."""

    inputs, target = frozenset({"map"}), "observed"

    def forward(self, batch):
        return batch["map"]


class Contacts(LowMap):
    """Contacts in, seven times as many out, in units of its own."""

    target = "counts"

    def forward(self, batch):
        return batch["map"] / 2

    def decode(self, output):
        return output * 14


class OfSequence(LowMap):
    target, crop_bins = "oe", 2

    def forward(self, batch):
        return crop(batch["map"], 2) - 0.5


@pytest.fixture
def examples(tmp_path):
    """A dataset directory of one sample; training windows overlap by half. Returns its folder and its arrays."""

    def make(bias="balanced", scale="global"):
        rng = np.random.default_rng(5)
        roles = ["train"] * 4 + ["validation", "test", "test"]
        starts = np.array([0, W // 2, W, 3 * W // 2, 3 * W, 4 * W, 5 * W]) * BIN
        n = len(roles)
        tiles = {"chrom": "chr1", "start_bp": starts, "end_bp": starts + W * BIN, "role": roles, "bad_bins": 0}
        pd.DataFrame(tiles).to_csv(tmp_path / "tiles.tsv", sep="\t", index=False)

        def symmetric(size):
            maps = rng.random((n, size, size), dtype=np.float32)
            return (maps + maps.swapaxes(1, 2)) / 2

        arrays = {name: symmetric(W) for name in ("deep_observed", "low_observed")}
        arrays["deep_oe"] = symmetric(W) * 2 - 1
        arrays |= {name: np.floor(40 * symmetric(W)) for name in ("deep_counts", "low_counts")}
        arrays["low_bias"] = rng.normal(0, 0.2, (n, W)).astype(np.float32)
        arrays["low_bias"][:, 9] = np.nan
        arrays["valid"] = np.ones((n, W), bool)
        arrays["valid"][:, 12] = False
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)
        statistics = {
            "geometry": asdict(Geometry(BIN, W, {"train": 12, "validation": 24, "test": 24}, 0.25, 0)),
            "recipes": asdict(Recipes(OE, ObservedRecipe(scale, 2, 8), CountsRecipe(bias))),
            "coarsen": 1,
            "observed": {"floor": FLOOR, "ceiling": CEILING},
            "low_bias": {"mean_log_weight": -4.0},
            "counts": {"ratio": 16.0, "low_per_balanced": PER_BALANCED / 16, "deep_per_balanced": PER_BALANCED},
        }
        (tmp_path / "statistics.json").write_text(json.dumps(statistics))
        return tmp_path, arrays

    return make


def run(folder, model, protocol, out):
    out.mkdir(exist_ok=True)
    given = {"examples": folder, "sequence": None, "tracks": [], "scoring": SCORING, "labels": LABELS, "batch_size": 2}
    write_scores(out, model=model, protocol=protocol, **given)
    return pd.read_csv(out / "scores.tsv", sep="\t")


def test_windows_stand_side_by_side_in_every_role(examples, tmp_path):
    folder, _ = examples()
    table = run(folder, LowMap(), "corrected", tmp_path / "out")
    assert table["role"].tolist() == ["train", "train", "validation", "test", "test"]
    assert table["start_bp"].tolist() == [0, W * BIN, 3 * W * BIN, 4 * W * BIN, 5 * W * BIN]
    assert list(table.columns) == [
        *("protocol", *LABELS, "role", "chrom", "start_bp", "end_bp", "scale"),
        *SCORES,
    ]
    assert (table["arm"] == "fake").all()


def test_published_form_scores_every_pixel_of_the_cropped_map(examples, tmp_path):
    folder, arrays = examples()
    table = run(folder, LowMap(), "published", tmp_path / "out")
    inner = slice(C, W - C)
    for row, index in zip(table.itertuples(), (0, 2, 4, 5, 6)):
        x, y = (arrays[name][index, inner, inner].astype(float) for name in ("low_observed", "deep_observed"))
        assert row.n_pixels == (W - 2 * C) ** 2
        assert row.mae == pytest.approx(np.abs(x - y).mean())
        assert row.mse == pytest.approx(np.square(x - y).mean())
        assert row.pearson == pytest.approx(stats.pearsonr(x.ravel(), y.ravel())[0], abs=1e-6)
        assert row.spearman == pytest.approx(stats.spearmanr(x.ravel(), y.ravel())[0], abs=1e-6)
        assert row.scc_kriukov2021 == pytest.approx(scc.kriukov2021(x[None], y[None])[0], abs=1e-6)
        assert row.scc_hicrep == pytest.approx(scc.hicrep(x[None], y[None], 1, W - 2 * C)[0], abs=1e-6)
        assert row.ssim == pytest.approx(ssim(x[None], y[None], np.ones((1, *x.shape), bool))[0], abs=1e-6)


def test_published_form_counts_flat_diagonals_as_released(examples, tmp_path):
    """Flat in both maps: agreement to Kriukov 2021, none to the other two forms."""
    folder, arrays = examples()
    i = np.arange(W - 3)
    for name in ("low_observed", "deep_observed"):
        arrays[name][:, i, i + 3] = arrays[name][:, i + 3, i] = 0.5
        np.save(folder / f"{name}.npy", arrays[name])
    table = run(folder, LowMap(), "published", tmp_path / "out")
    x, y = (arrays[name][5, C : W - C, C : W - C].astype(float) for name in ("low_observed", "deep_observed"))
    size = W - 2 * C
    r = [stats.pearsonr(np.diagonal(x, d), np.diagonal(y, d)).statistic for d in range(1, size - 1) if d != 3]
    n = np.array([size - d for d in range(1, size - 1) if d != 3])
    inverted, own = (n**2 - 1) / n**3, ((size - 3) ** 2 - 1) / (size - 3) ** 3
    both = inverted.sum() + own + (size**2 - 1) / size**3  # the main diagonal counts as 0
    assert table.loc[3, "scc_kriukov2021"] == pytest.approx((r @ inverted + own) / both, abs=1e-6)
    assert table.loc[3, "scc_hicrep"] == pytest.approx(scc.hicrep(x[None], y[None], 1, size)[0], abs=1e-6)


def test_corrected_form_scores_good_bins_above_the_diagonal(examples, tmp_path):
    folder, arrays = examples()
    table = run(folder, LowMap(), "corrected", tmp_path / "out")
    i, j = np.indices((W, W))
    mask = (j - i >= 2) & (j - i <= 9) & (i >= C) & (j < W - C)
    mask &= ~np.isin(i, (9, 12)) & ~np.isin(j, (9, 12))
    for row, index in zip(table.itertuples(), (0, 2, 4, 5, 6)):
        x, y = (arrays[name][index][mask].astype(float) for name in ("low_observed", "deep_observed"))
        assert row.n_pixels == mask.sum()
        assert row.mse == pytest.approx(np.square(x - y).mean())
        assert row.pearson == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-6)


def test_an_arm_is_scored_as_its_network_is(examples, tmp_path):
    """A row without a model is built for the dataset directory, and reads it like any other."""
    folder, _ = examples()
    arm = resolved(fake={"architecture": "identity"})["fake"]
    for name in ("arm", "network"):
        (tmp_path / name).mkdir()
    common = {"protocol": "corrected", "scoring": SCORING, "labels": LABELS, "batch_size": 2}
    score(tmp_path / "arm", arm=arm, model=None, given=Given(("alpha",), examples=(folder,)), **common)
    geometry = Geometry(BIN, W, {}, 0.25, 0)
    network = registry.build("identity", geometry, {}, {})
    write_scores(tmp_path / "network", model=network, examples=folder, sequence=None, tracks=[], **common)
    found, expected = (pd.read_csv(tmp_path / name / "scores.tsv", sep="\t") for name in ("arm", "network"))
    pd.testing.assert_frame_equal(found, expected)
    assert found["mse"].gt(0).all() and len(found) == 5


def test_windows_are_scored_on_the_vectors_of_the_training_alone(examples, tmp_path):
    folder, _ = examples()
    store = write_embeddings(tmp_path / "vectors", {"chr1": 7 * W * BIN}, BIN)
    given = Given(("alpha",), examples=(folder,), embeddings=store.folder)
    statistics = json.loads((folder / "statistics.json").read_text())
    asked = {"arm": resolved(fake={"architecture": "identity"})["fake"], "model": None, "given": given, "batch_size": 2}
    asked |= {"protocol": "corrected", "scoring": SCORING, "labels": LABELS}
    for identity in ("abc", "else"):
        known = statistics | {"embeddings": {"name": "dnabert", "channels": 768, "identity": identity}}
        (folder / "statistics.json").write_text(json.dumps(known))
        if identity == "abc":
            score(tmp_path, **asked)
    with pytest.raises(InputError, match=r"vectors of 2 channels.* \(dnabert, 768 channels\)"):
        score(tmp_path, **asked)


class OfTracks(LowMap):
    """The stretch of tracks at the end of every bin, their mean, as a map of columns."""

    inputs = frozenset({"tracks"})

    def forward(self, batch):
        tracks = batch["tracks"].mean(1)
        last = (torch.arange(1, W + 1) * tracks.shape[-1] - 1) // W
        return tracks[:, None, None, last].expand(-1, 1, W, W)


@pytest.mark.parametrize("track_bp", [3 * BIN, BIN // 4, BIN // 2])
def test_tracks_are_read_as_the_arm_was_trained_on_them(examples, tmp_path, track_bp):
    """Bins of three of the map, and finer ones, of a track whose values are its coordinates."""
    folder, _ = examples()
    track, fine_bp = tmp_path / "track", BIN // 4
    values = (np.arange(0, 7 * W * BIN, fine_bp) / (7 * W * BIN)).astype(np.float16)
    write_track(track, values, {"chr1": 7 * W * BIN}, fine_bp)
    reading = {"track_bp": track_bp}
    windows = Windows(folder, "test", OfTracks(), "published", tracks=[TrackStore(track)], reading=reading)
    ((predicted, _, _),) = windows.predict(batch_size=2)
    means = values.astype(float).reshape(-1, track_bp // fine_bp).mean(axis=1)
    for maps, start_bp in zip(predicted, windows.tiles["start_bp"], strict=True):
        columns = means[(start_bp + BIN * np.arange(1, W + 1) - 1) // track_bp]
        np.testing.assert_allclose(maps, np.broadcast_to(columns, (W, W)), rtol=1e-6)


def test_whole_windows_where_no_arm_crops(examples, tmp_path):
    folder, _ = examples()
    (tmp_path / "out").mkdir()
    given = {"examples": folder, "sequence": None, "tracks": [], "labels": LABELS, "batch_size": 2}
    scoring = replace(SCORING, window_crop_bins=0)
    write_scores(tmp_path / "out", model=LowMap(), protocol="published", scoring=scoring, **given)
    assert (pd.read_csv(tmp_path / "out/scores.tsv", sep="\t")["n_pixels"] == W**2).all()


@pytest.mark.parametrize("bias", ["raw", "balanced"])
def test_contacts_meet_the_others_on_one_scale(examples, tmp_path, bias):
    folder, arrays = examples(bias)
    windows = Windows(folder, "test", Contacts(), "corrected")
    predicted = np.concatenate([maps for maps, _, _ in windows.predict(batch_size=1)])
    contacts = arrays["low_counts"][5:].astype(float) * 7
    if bias == "balanced":
        balanced = contacts / PER_BALANCED
    else:
        weight = np.exp(np.nan_to_num(arrays["low_bias"][5:].astype(float)) - 4.0)
        balanced = contacts * weight[:, :, None] * weight[:, None, :] / 16
    expected = ObservedScale(*(np.array([value]) for value in (FLOOR, CEILING, 0.0))).forward(balanced)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5, atol=1e-7)
    assert 0 < expected.mean() < 1


def test_contacts_in_the_published_form_are_on_their_own_windows_scale(examples):
    folder, _ = examples("raw", "window")
    windows = Windows(folder, "test", Contacts(), "published")
    predicted = np.concatenate([maps for maps, _, _ in windows.predict(batch_size=2)])
    assert predicted.min(axis=(1, 2)) == pytest.approx([0, 0], abs=1e-9)
    assert predicted.max(axis=(1, 2)) == pytest.approx([1, 1])
    assert [maps.shape[0] for maps, _, _ in windows.predict(batch_size=2, only=[1])] == [1]


def test_ln_oe_is_scored_from_the_second_diagonal_on(examples, tmp_path):
    folder, arrays = examples()
    table = run(folder, OfSequence(), "published", tmp_path / "out")
    rows, columns = np.triu_indices(W - 4, 2)
    x = arrays["low_observed"][4, 2:-2, 2:-2][rows, columns] - 0.5
    y = arrays["deep_oe"][4, 2:-2, 2:-2][rows, columns]
    assert table.loc[2, "n_pixels"] == len(rows)
    assert table.loc[2, "mae"] == pytest.approx(np.abs(x - y).mean(), rel=1e-5)
    assert table[["ssim", "scc_hicrep", "scc_hicreppy", "scc_kriukov2021"]].isna().all(axis=None)
    assert (table["scale"] == "oe").all()


class Nothing(Hybrid):
    """A hybrid that predicts zeros."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.published = True

    def train(self, mode=True):
        return self

    def forward(self, batch):
        return torch.zeros_like(crop(batch["map"], C))

    inputs = frozenset({"map"})


@pytest.mark.parametrize(
    ("protocol", "asked", "leaks"),
    [("published", {}, True), ("published", {"overwrite": False}, False), ("corrected", {}, False)],
)
def test_only_published_hybrids_are_scored_with_the_leak(examples, protocol, asked, leaks):
    folder, _ = examples()
    predicted, target, _ = next(Windows(folder, "test", Nothing(), protocol).predict(batch_size=2, **asked))
    size = W - 2 * C
    leaked = np.zeros((size, size), bool)
    leaked[0], leaked[:, 0], leaked[np.diag_indices(size)] = True, True, True
    np.testing.assert_allclose(predicted[:, leaked], target[:, leaked] if leaks else 0, atol=1e-7)
    assert (predicted[:, ~leaked] == 0).all()


def test_too_deep_a_crop_and_values_that_are_no_numbers_are_refused(examples, tmp_path):
    folder, _ = examples()
    deep, broken = LowMap(), LowMap()
    deep.crop_bins, deep.forward = 8, lambda batch: crop(batch["map"], 8)
    with pytest.raises(InputError, match="arms/fake/options: the outer 8 bins"):
        run(folder, deep, "corrected", tmp_path / "out")
    broken.forward = lambda batch: batch["map"] * torch.nan
    with pytest.raises(InputError, match="not numbers"):
        run(folder, broken, "corrected", tmp_path / "out")
