"""Whole maps as rates: a low map of any depth -> how many contacts each pixel has, relative to its distance.

Samples are windows on the diagonal whose reads are drawn anew every epoch; the loss is the likelihood of the reads that
the low map does not have. Predictions are whole maps like others, and have the same scores and rows without a model.
"""

from trifold.tasks.task import Task

RATES = Task(
    name="rates",
    source="examples",
    data="trifold.data.draws",
    learner=lambda loss, predicts: ("trifold.training.rates", "Rates"),
    scoring=None,
    criterion=("validation_loss", -1),
    unit="window",
    draws=True,
)
