"""Scores of windows about pairs: predictions in the order of the tables, whatever the order they are made in."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.metrics import f1_score, recall_score, roc_auc_score
from small import resolved
from torch.utils.data import Dataset
from track_files import write_track

from trifold import plan, score_pairs
from trifold.data import pair_dataset
from trifold.data.bands import CountStore
from trifold.data.given import Given
from trifold.errors import InputError
from trifold.io.cool import Band
from trifold.models import stored, weights
from trifold.training import job

REST = {"stride_bins": {}, "max_bad_bins": 0.25, "max_n_bins": 0}

TARGETS = {"loop": "label", "window": "map", "cage": "cage"}


class Doubled:
    """Predicts so many times the target."""

    def __init__(self, task: str, factor: float = 2):
        self.target, self.factor = TARGETS[task], factor

    def __call__(self, batch: dict) -> torch.Tensor:
        return self.factor * batch[self.target]


class Samples(Dataset):
    """Items of one task; what it predicts is what is there."""

    collate = None  # the DataLoader's own

    def __init__(self, task: str, shape: tuple[int, ...], count: int = 7):
        self.task = task
        self.values = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {TARGETS[self.task]: self.values[index], "index": index}


@pytest.mark.parametrize(
    ("task", "shape", "expected"), [("loop", (1,), ()), ("window", (1, 50, 50), (50, 50)), ("cage", (100,), (100,))]
)
def test_predictions_and_targets_of_a_task(task, shape, expected):
    data = Samples(task, shape)
    predicted, found = score_pairs.predict(Doubled(task), data, 3, "cpu", workers=0)
    assert predicted.shape == found.shape == (7, *expected)
    np.testing.assert_array_equal(found.ravel(), data.values.numpy().ravel())
    np.testing.assert_array_equal(predicted, 2 * found)


def test_predictions_that_are_not_numbers_are_refused():
    with pytest.raises(InputError, match="predicts values that are not numbers"):
        score_pairs.predict(Doubled("cage", np.inf), Samples("cage", (100,)), 3, "cpu", workers=0)


def test_numbers_of_what_is_scored():
    """Pairs, pixels, bins; a bin with a TSS counts in its own window alone."""
    rng = np.random.default_rng(0)
    pairs = np.array([(60, 60), (90, 90), (100, 100)])
    loops = score_pairs.measure("loop", rng.random(3), np.array([0.0, 1, 1]), pairs, 1000)
    assert set(loops["n"]) == {3} and loops["distance_bp"].isna().all()
    target = rng.random((3, 100))
    cage = score_pairs.measure("cage", target + 1, target, pairs, 1000).set_index("metric")
    assert cage.loc["pearson", "n"] == 300 and cage.loc["pearson_tss", "n"] == 3
    assert cage.loc["pearson", "value"] == pytest.approx(1) and cage.loc["r2", "value"] < 0
    moved = target.copy()
    moved[:, np.arange(100) != 25] = rng.random((3, 99))
    other = score_pairs.measure("cage", moved, target, pairs, 1000).set_index("metric")
    assert other.loc["pearson_tss", "value"] == pytest.approx(1) and other.loc["pearson", "value"] < 0.5
    maps = score_pairs.measure("window", rng.random((3, 50, 50)), rng.random((3, 50, 50)), pairs, 1000)
    assert maps[maps["distance_bp"] == 2000].set_index("metric").loc["pearson", "n"] == 3 * 2 * 48
    assert list(maps.columns) == ["metric", "distance_bp", "n", "value"] and isinstance(maps, pd.DataFrame)


# ---------------------------------------------------------------- of an arm


@pytest.fixture
def alpha(tmp_path):
    """A sample of one chromosome of 90 bins with five test pairs and one that trains; what its band holds."""
    for name in ("bands", "pairs", "out"):
        (tmp_path / name).mkdir()
    counts = np.random.default_rng(3).integers(1, 90, (90, 60)).astype(float)
    for d in range(60):
        counts[90 - d :, d] = 0
    CountStore.keep(tmp_path / "bands/chr1.npy", Band("chr1", 1000, counts, np.ones(90)))
    (tmp_path / "bands/chromosomes.tsv").write_text("name\tn_bins\tn_diagonals\nchr1\t90\t60\n")
    x = np.array([20, 25, 30, 35, 40, 45])
    table = pd.DataFrame(
        {"chrom": "chr1", "x": x, "y": x + 9, "label": [1, 0, 1, 0, 1, 0], "role": ["train"] + ["test"] * 5}
    )
    table.to_csv(tmp_path / "pairs/pairs.tsv", sep="\t", index=False)
    matched = pd.DataFrame({"chrom": "chr1", "x": [28, 33], "y": [37, 42], "label": 0, "role": "test"})
    matched.to_csv(tmp_path / "pairs/matched.tsv", sep="\t", index=False)
    given = Given(("alpha",), pairs=(tmp_path / "pairs",), bands=(tmp_path / "bands",))
    return tmp_path / "out", given, CountStore(tmp_path / "bands/chr1.npy", 60, 24)


def read(out):
    table = pd.read_csv(out / "scores.tsv", sep="\t", keep_default_na=False)
    with np.load(out / "predictions.npz") as arrays:
        return table, dict(arrays)


def test_a_row_without_a_model_is_scored_on_the_test_pairs(alpha):
    """The corner row on windows of 24 bins: predictions in the order of the table, whatever order they are read in."""
    out, given, store = alpha
    arm = resolved(corner={"architecture": "corner", "window_bins": 24})["corner"]
    assert (arm.task, arm.dataset, arm.seeds) == ("loop", "corrected-w24", (0,))
    settings = {"geometry": {"bin_bp": 1000, "window_bins": 32, **REST}, "seed": 5, "device": "cpu", "workers": 0}
    score_pairs.score(out, arm=arm, model=None, given=given, threads=1, **settings)
    table, found = read(out)
    x = np.array([25, 30, 35, 40, 45])
    windows = store.windows(np.stack([x, x + 9], axis=1))
    centre, corner = windows[:, 12, 12], windows[:, -13:, :13].mean(axis=(1, 2))
    np.testing.assert_allclose(found["prediction"], centre / (centre + corner), rtol=1e-5)
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_array_equal(found["label"], [0, 1, 0, 1, 0])
    assert found["chrom"].tolist() == ["chr1"] * 5
    assert list(table) == score_pairs.COLUMNS
    labels = {"run": "corner", "task": "loop", "mode": "corner", "protocol": "corrected", "train_samples": "alpha"}
    assert {name: set(table[name]) for name in labels} == {name: {value} for name, value in labels.items()}
    auroc = table.set_index("metric").loc["auroc"]
    assert (
        float(auroc["value"]) == pytest.approx(roc_auc_score(found["label"], found["prediction"])) and auroc["n"] == 5
    )
    # The same loops beside negatives that are as far apart.
    matched = store.windows(np.array([(28, 37), (33, 42)]))
    centre, corner = matched[:, 12, 12], matched[:, -13:, :13].mean(axis=(1, 2))
    beside = np.concatenate([found["prediction"][found["label"] == 1], centre / (centre + corner)])
    auroc = table.set_index("metric").loc["auroc_matched"]
    expected = roc_auc_score([1, 1, 0, 0], beside)
    assert float(auroc["value"]) == pytest.approx(expected) and auroc["n"] == 4


def test_the_threshold_is_chosen_on_validation_pairs_alone(alpha, tmp_path):
    """It is stored with the predictions; what the test labels are does not move it, and it stands in the scores."""
    out, given, store = alpha
    path = tmp_path / "pairs/pairs.tsv"
    table = pd.read_csv(path, sep="\t")
    rows = [["chr1", x, x + 9, label, "validation"] for x, label in ((21, 1), (27, 0), (33, 1), (38, 0), (44, 1))]
    table = pd.concat([table, pd.DataFrame(rows, columns=table.columns)], ignore_index=True)
    arm = resolved(corner={"architecture": "corner", "window_bins": 24})["corner"]
    settings = {"geometry": {"bin_bp": 1000, **REST}, "seed": 5, "device": "cpu", "workers": 0, "threads": 1}
    thresholds = []
    for flipped in (False, True):
        is_test = table["role"] == "test"
        table.assign(label=table["label"].where(~(is_test & flipped), 1 - table["label"])).to_csv(
            path, sep="\t", index=False
        )
        score_pairs.score(out, arm=arm, model=None, given=given, **settings)
        scored, found = read(out)
        thresholds.append(found["threshold"].item())
        values = scored.set_index("metric")
        numbers = pd.to_numeric(values["value"], errors="coerce")
        called = found["prediction"] > thresholds[-1]
        assert numbers["f1_chosen"] == pytest.approx(f1_score(found["label"], called), abs=1e-8)
        assert numbers["recall_chosen"] == pytest.approx(recall_score(found["label"], called), abs=1e-8)
        assert numbers["threshold_chosen"] == pytest.approx(thresholds[-1], rel=1e-8)
        assert (values["n"]["threshold_chosen"], values["n"]["f1_chosen"], values["n"]["auroc"]) == (5, 5, 5)
    assert thresholds[0] == thresholds[1]
    # By hand: the corner scores of the validation pairs, every cut between two of them.
    pairs = np.array([[x, y] for _, x, y, *_ in rows])
    windows = store.windows(pairs).astype(np.float64)
    centre, corner = windows[:, 12, 12], windows[:, -13:, :13].mean(axis=(1, 2))
    ratio, label = centre / (centre + corner), np.array([row[3] for row in rows])
    cuts = [-np.inf, *(np.sort(ratio)[1:] + np.sort(ratio)[:-1]) / 2]
    of_cuts = [f1_score(label, ratio > cut) for cut in cuts]
    best = max(cut for cut, value in zip(cuts, of_cuts) if value == max(of_cuts))
    assert thresholds[0] == pytest.approx(best, rel=1e-5)


def test_without_validation_pairs_there_is_no_threshold(alpha):
    out, given, _ = alpha
    arm = resolved(corner={"architecture": "corner", "window_bins": 24})["corner"]
    settings = {"geometry": {"bin_bp": 1000, **REST}, "seed": 5, "device": "cpu", "workers": 0, "threads": 1}
    score_pairs.score(out, arm=arm, model=None, given=given, **settings)
    table, found = read(out)
    values = table.set_index("metric")
    assert np.isnan(found["threshold"]) and values["n"]["threshold_chosen"] == 0
    assert (values["value"][["threshold_chosen", "precision_chosen", "recall_chosen", "f1_chosen"]] == "").all()
    assert float(values["value"]["auroc"]) > 0


def test_y5_distance_alone_is_fitted_scored_and_blind_to_matched_negatives(alpha, tmp_path):
    """From training pairs to scores, by the functions of the workflow's jobs."""
    out, given, _ = alpha
    table = pd.read_csv(tmp_path / "pairs/pairs.tsv", sep="\t")
    table.loc[table["label"] == 0, "y"] += 6  # the drawn negatives are farther apart
    table.loc[len(table)] = ["chr1", 45, 54, 1, "validation"]
    table.to_csv(tmp_path / "pairs/pairs.tsv", sep="\t", index=False)
    arms = {name: {"architecture": name, "window_bins": 24} for name in ("distance", "nearest-loop")}
    expected = {"distance": (1.0, 0.5, 1.0), "nearest-loop": (5 / 6, 1 / 4, 0.0)}
    for name, arm in resolved(**arms).items():
        job.train(
            tmp_path / name,
            arm=asdict(arm),
            parts=plan.parts_of(arm),
            geometry={"bin_bp": 1000, **REST},
            seed=0,
            given=given.as_settings(),
            backbones={},
            loss_networks={},
            pretrained=None,
            checkpoints=tmp_path,
            version="v",
            where={"accelerator": "cpu", "workers": 0, "devices": 1, "nodes": 1},
            threads=1,
        )
        settings = {"geometry": {"bin_bp": 1000}, "seed": 0, "device": "cpu", "workers": 0, "threads": 1}
        score_pairs.score(out, arm=arm, model=tmp_path / name, given=given, **settings)
        values = pd.to_numeric(read(out)[0].set_index("metric")["value"], errors="coerce")
        auroc, matched, f1 = expected[name]
        assert values["auroc"] == pytest.approx(auroc) and values["auroc_matched"] == pytest.approx(matched)
        assert values["f1"] == pytest.approx(f1)
    frozen = yaml.safe_load((tmp_path / "distance/config.yaml").read_text())
    assert frozen["chosen"] == {"longest_bins": 9}


def test_a_model_is_scored_from_its_folder(alpha, tmp_path):
    """What it was made for, its folder says: the windows, the width; the table says so too."""
    out, given, store = alpha
    options = {"mode": "map", "embed_dim": 8, "heads": 2, "depth": 1}
    loops = {"architecture": "mixhic", "task": "loop", "window_bins": 24, "options": options}
    arm = resolved(loops=loops)["loops"]
    statistics = pair_dataset.statistics_of(arm, {"bin_bp": 1000, **REST}, given)
    assert statistics["tracks"] == [] and statistics["n_diagonals"] == 60
    torch.manual_seed(1)
    statistics |= {"tracks": ["atac"], "track_bp": 250}
    model = stored.build_arm(arm.model(), statistics["geometry"], statistics).eval()
    (folder := tmp_path / "model").mkdir()
    frozen = {**arm.model(), "name": "loops", "geometry": statistics["geometry"]}
    weights.save(folder / "weights.safetensors", model.state_dict(), arm=frozen, version="v")
    (folder / "config.yaml").write_text(json.dumps({"arm": frozen, "version": "v"}))
    (folder / "statistics.json").write_text(json.dumps(statistics))
    settings = {"geometry": {"bin_bp": 1000}, "seed": 5, "device": "cpu", "workers": 0, "threads": 1}
    score_pairs.score(out, arm=arm, model=folder, given=given, **settings)
    table, found = read(out)
    pairs = np.stack([found["x"], found["y"]], axis=1)
    with torch.inference_mode():
        expected = model({"map": torch.from_numpy(store.windows(pairs))[:, None]})[:, 0]
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-5)
    assert (set(table["dim"]), set(table["mode"]), set(table["seed"])) == ({8}, {"map"}, {5})
    with pytest.raises(
        InputError, match="model: a model of bins of 1000 bp, and geometry/bin_bp is 2000; give a model"
    ):
        score_pairs.score(out, arm=arm, model=folder, given=given, **settings | {"geometry": {"bin_bp": 2000}})
    track = write_track(tmp_path / "atac", np.ones(80), {"chr1": 40_000}, 500)
    tracked = replace(given, tracks=((track.folder,),))
    with pytest.raises(InputError, match=r"atac: bins of 500 bp, and the model .* reads tracks in bins of 250 bp"):
        score_pairs.score(out, arm=arm, model=folder, given=tracked, **settings)
