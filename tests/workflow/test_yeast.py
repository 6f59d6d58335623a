"""Real yeast through the whole workflow: the experiment of experiments/yeast.yaml with small models and one epoch."""

import pandas as pd
import pytest

SHORT = """
arms_used: [identity-coarsened, identity-thinned, gaussian-thinned, sequence, image-coarsened, hybrid-coarsened]
arms:
  sequence:
    options: {channels: 8, bottleneck: 8, head_channels: 8, trunk_blocks: 1, head_blocks: 1}
    training: {epochs: 1}
  image-coarsened: {options: {channels: 4, residual_blocks: 1}, training: {epochs: 1}}
  hybrid-coarsened: {training: {epochs: 1, head_epochs: 1}}
evaluate: {comparison: {reference_arms: [identity-coarsened]}}
geometry: {stride_bins: {train: 32}}
report: {gallery_windows: 1}
"""


@pytest.fixture(scope="module")
def results(make_workspace, mirror, tmp_path_factory):
    workspace = make_workspace(tmp_path_factory.mktemp("yeast") / "trifold")
    workspace.overlay("short.yaml", SHORT)
    workspace.run("--configfile", "experiments/yeast.yaml", "short.yaml", configfile=None, TRIFOLD_MIRROR=str(mirror))
    return workspace.folder / "results" / "yeast"


def test_real_data_take_the_whole_way(results):
    scores = pd.read_csv(results / "tables/scores.tsv", sep="\t")
    assert set(scores["degradation"]) == {"coarsened", "thinned"}
    assert set(scores["reference"]) == {"deep"}, "nobody knows the truth of real data"
    mse = scores.query("scale == 'observed' and metric == 'mse'").set_index("arm")["mean"]
    # What a filter must do to a map of which seven eighths of the contacts are gone.
    assert mse["gaussian-thinned"] < mse["identity-thinned"]
    pearson = scores.query("scale == 'oe' and metric == 'pearson'")["mean"]
    assert pearson.between(-1, 1).all()
    regions = pd.read_csv(results / "tables/regions.tsv", sep="\t")
    assert set(regions["chrom"]) == {"chrIV", "chrXV"}


def test_the_page_says_where_the_data_come_from(results):
    text = (results / "report/index.html").read_text()
    assert "SRR8769554" in text
    assert "chrIV" in text
