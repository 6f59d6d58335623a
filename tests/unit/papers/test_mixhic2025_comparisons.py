"""Whether one run of MIX-HIC beats another: differences, verdicts, renderings."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from trifold.errors import InputError
from trifold.papers import paper
from trifold.papers.mixhic2025 import comparisons as mixhic2025_comparisons
from trifold.papers.mixhic2025 import tables as mixhic2025

N, WINDOW_BINS, STEP = 60, 50, 100  # windows side by side
QUESTION = {"comparison": "Good, or noise", "protocol": "corrected", "sample": "alpha"}


@pytest.fixture
def predictions(tmp_path):
    """Loops: a good run of two seeds, and one without any skill; maps: near the truth, and likewise without."""
    rng = np.random.default_rng(5)
    keys = {"chrom": np.repeat("chr6", N), "x": STEP * np.arange(N), "y": STEP * np.arange(N) + 30}
    label = (np.arange(N) % 2).astype(np.float32)
    target = rng.random((N, 50, 50), np.float32)
    parts = {
        ("good", 1): {"label": label, "prediction": 0.5 * label + 0.6 * rng.random(N)},
        ("good", 2): {"label": label, "prediction": 0.5 * label + 0.8 * rng.random(N)},
        ("noise", 1): {"label": label, "prediction": rng.random(N)},
        ("seen", 1): {"target": target, "prediction": target + rng.normal(0, 0.1, target.shape)},
        ("guess", 0): {"target": target, "prediction": rng.random(target.shape)},
    }
    stored = {}
    for (run, seed), own in parts.items():
        path = tmp_path / f"{run}-{seed}.npz"
        arrays = {name: values.astype(np.float32) for name, values in own.items()}
        threshold = {"threshold": np.float64(0.5)} if "label" in own else {}
        np.savez(path, **keys, **arrays, **threshold, window_bins=WINDOW_BINS)
        stored.setdefault((run, "alpha"), []).append({"fold": "a", "seed": seed, "path": path})
    return stored


def asked(run, against, task="loop", comparison=QUESTION["comparison"]):
    return {**QUESTION, "comparison": comparison, "task": task, "run": run, "against": against}


def aurocs(predictions):
    stored = [np.load(prediction["path"]) for prediction in predictions]
    return [roc_auc_score(arrays["label"], arrays["prediction"]) for arrays in stored]


def test_differences_are_of_the_means_over_seeds_and_verdicts_of_their_intervals(predictions):
    questions = [asked("good", "noise"), asked("noise", "good"), asked("good", "good", comparison="Itself")]
    frame = mixhic2025_comparisons.make(questions, predictions)
    assert list(frame) == mixhic2025_comparisons.COLUMNS
    auroc = frame[frame["metric"] == "auroc"].reset_index(drop=True)
    gain = np.mean(aurocs(predictions["good", "alpha"])) - aurocs(predictions["noise", "alpha"])[0]
    assert auroc["difference"].to_list() == pytest.approx([gain, -gain, 0], abs=1e-6)
    assert auroc["better"].to_list() == ["run", "against", "undecided"]
    assert auroc.loc[0, "ci_low"] < gain < auroc.loc[0, "ci_high"] and auroc.loc[0, "ci_low"] > 0
    assert (auroc["n_seeds"].to_list(), auroc["n_seeds_against"].to_list()) == ([2, 1, 2], [1, 2, 2])
    assert (auroc["n_windows"] == N).all()


def test_a_task_is_a_table_with_a_verdict_beside_every_difference(predictions, tmp_path):
    questions = [asked("seen", "guess", "window", "Seen | guessed"), asked("good", "noise"), asked("noise", "good")]
    frame = mixhic2025_comparisons.make(questions, predictions)
    paths = mixhic2025_comparisons.write(frame, tmp_path)
    again = mixhic2025_comparisons.read(paths[0])
    pd.testing.assert_frame_equal(again, frame, rtol=1e-6, check_dtype=False)
    loops, maps = (table for table, _ in mixhic2025_comparisons.parts(again))
    assert loops.title == "Whether one run beats another: loops, alpha" and maps.title.endswith(": maps, alpha")
    verdicts = [[cell.value for cell in cells[1::2]] for _, cells in loops.rows]
    assert verdicts == [["better", "better", "better"], ["worse", "worse", "worse"]]
    (names, cells), gain = maps.rows[0], frame.query("metric == 'pearson'")["difference"].item()
    assert names == ["Seen | guessed", "seen", "guess"]
    assert cells[0].value == f"+{gain:.4f}" and cells[1].value == "better"
    stretches = f"over {N} independent stretches of the genome"
    assert f"{stretches} ({N} windows)" in maps.note and f"{stretches} ({N} pairs)" in loops.note
    assert "(each 1–2)" in loops.note and "Holm's p over all 12 comparisons of the table" in loops.note
    text = paths[1].read_text()
    assert r"| Seen \| guessed | seen | guess | +" in text
    assert paths[2].read_text().count(r"\toprule") == 2
    section = mixhic2025.section([], [loops, maps])
    assert section.subject == "comparisons of runs" and paper.markdown(section.tables) == text


def test_protocols_and_samples_have_tables_of_their_own(predictions):
    questions = [asked("good", "noise"), asked("noise", "good") | {"protocol": "published"}]
    tables = [table for table, _ in mixhic2025_comparisons.parts(mixhic2025_comparisons.make(questions, predictions))]
    assert [table.note.split(".")[0] for table in tables] == ["Corrected runs", "Published runs"]
    assert [len(table.rows) for table in tables] == [1, 1]


def test_a_score_that_is_not_defined_has_no_verdict(predictions):
    frame = mixhic2025_comparisons.make([asked("good", "noise")], predictions)
    frame.loc[frame["metric"] == "f1", ["difference", "ci_low", "ci_high"]] = np.nan
    ((table, _),) = mixhic2025_comparisons.parts(frame)
    assert [cell.value for cell in table.rows[0][1]][3:] == ["better", "–", "–"]


def test_nothing_asked_is_an_empty_table(tmp_path):
    paths = mixhic2025_comparisons.write(mixhic2025_comparisons.make([], {}), tmp_path)
    assert mixhic2025_comparisons.parts(mixhic2025_comparisons.read(paths[0])) == []


def test_runs_with_other_targets_are_refused(predictions):
    path = predictions["noise", "alpha"][0]["path"]
    with np.load(path) as stored:
        parts = dict(stored)
    np.savez(path, **{**parts, "label": 1 - parts["label"]})
    with pytest.raises(InputError, match="its targets are not those of"):
        mixhic2025_comparisons.make([asked("good", "noise")], predictions)
