"""Pre-training on windows about loops: no label, the map of a window and its tracks teach each other.

The network brings the terms of its loss. It is not scored: what it is worth, the arms say that start from it. As
released it trains on every chromosome, those of the tasks' tests too, and reads tracks that are not logarithms.
"""

from trifold.tasks.pairs import learner
from trifold.tasks.task import Task

PRETRAINING = Task(
    name="pretraining",
    source="pairs",
    data="trifold.data.pair_dataset",
    learner=learner,
    scoring=None,
    criterion=("validation_loss", -1),
    unit="pair",
    needs=("loops",),
    one_seed=True,
    settings={"published": {"log_tracks": False, "hold_out": False}},
)
