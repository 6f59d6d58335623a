"""Whole maps: a low map, a sequence, tracks or several of these -> the deep map of the same bins.

Samples are windows on the diagonal. The loss is that of `training/loss`, a network of a loss has a loss of its own.
Whole maps are scored by `trifold.evaluate`, windows of a data set by `trifold.score_windows`; an interval is over
stretches of the genome, which windows side by side are. Rows without a model: the low map as it is, under Gaussians
whose width is given or chosen on the validation windows, coarse-grained, under bicubic interpolation; the mean by
distance; GC content.
"""

from trifold import loss_terms
from trifold.tasks.task import Task

MAPS = Task(
    name="maps",
    source="examples",
    data="trifold.data.dataset",
    learner=loss_terms.learning,
    scoring="trifold.score_windows",
    criterion=("validation_loss", -1),
    unit="window",
)
