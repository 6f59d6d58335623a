"""A user's own map through a trained arm, and a model trained elsewhere: the same numbers as in the experiment."""

import shutil

import cooler
import numpy as np

RESULTS = "results/smoke"


def pixels(path, chrom="chr6"):
    return cooler.Cooler(str(path)).matrix(balance=True).fetch(chrom)


def test_ones_own_map_is_enhanced_by_a_trained_arm(copy_of_finished):
    """Given the experiment's low map as a file of one's own, `enhance` writes what `predict` wrote, genome-wide."""
    folder = copy_of_finished.folder
    shutil.copy(folder / RESULTS / "contacts/alpha/low/map.cool", folder / "mine.cool")
    overlay = copy_of_finished.overlay(
        "own.yaml", "enhance: {mine: {contacts: mine.cool, arm: image, fold: a, seed: 1}}"
    )
    copy_of_finished.run("enhance", "--configfile", "smoke.yaml", overlay, configfile=None)
    enhanced = folder / RESULTS / "enhanced/mine"
    predicted = folder / RESULTS / "predictions/image/fold-a/seed-1/alpha/map.cool"
    np.testing.assert_allclose(pixels(enhanced / "map.cool"), pixels(predicted), rtol=1e-4)
    assert np.isfinite(pixels(enhanced / "map.cool", "chr1")).any(), "every chromosome is enhanced"
    assert len(cooler.fileops.list_coolers(str(enhanced / "map.mcool"))) > 1


def test_a_model_trained_elsewhere_predicts_the_same(copy_of_finished):
    folder = copy_of_finished.folder
    shutil.copytree(folder / RESULTS / "models/image/fold-a/seed-1", folder / "model")
    overlay = copy_of_finished.overlay("own.yaml", "arms: {other: {architecture: vehicle, weights: model}}")
    target = f"{RESULTS}/predictions/other/fold-a/seed-0/alpha/map.cool"
    copy_of_finished.run(target, "--configfile", "smoke.yaml", overlay, configfile=None)
    before = folder / RESULTS / "predictions/image/fold-a/seed-1/alpha/map.cool"
    np.testing.assert_array_equal(pixels(folder / target), pixels(before))
