"""Expression (CAGE) of the bins of windows about transcription start sites, from the tracks and the map of the window.

The loss is the mean square of log2(x + 1); the best epoch has the largest correlation over all bins; an interval is
over stretches of the genome, since windows overlap. The row without a model: least squares on the tracks of the bin
itself.
"""

from trifold.tasks.pairs import learner
from trifold.tasks.task import Task

CAGE = Task(
    name="cage",
    source="pairs",
    data="trifold.data.pair_dataset",
    learner=learner,
    scoring="trifold.score_pairs",
    criterion=("validation_pearson", 1),
    unit="window",
    needs=("loops", "tss", "expression"),
)
