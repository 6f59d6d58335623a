"""Windows about pairs of bins (x, y) of a map, and the tracks of both: is the pair a loop, or what is the window's map.

loop    binary cross-entropy against the loops of an experiment (ChIA-PET); the best epoch has the largest AUROC. Rows
        without a model: the centre of the window over its corner, the distance alone, the nearest loop of training.
window  mean square against the window of the map, about transcription start sites; the best epoch has the largest
        correlation over all pixels. The row without a model is the mean by distance.

An interval is over stretches of the genome: a pair, or a window about one, is of the stretch that holds its middle.
"""

from trifold.tasks.task import Task


def learner(loss: str, predicts: bool) -> tuple[str, str]:
    """The network brings its loss: Yang et al. 2025 train every task by one."""
    return "trifold.training.multimodal", "Multimodal"


LOOP = Task(
    name="loop",
    source="pairs",
    data="trifold.data.pair_dataset",
    learner=learner,
    scoring="trifold.score_pairs",
    criterion=("validation_auroc", 1),
    unit="pair",
    needs=("loops",),
    searched=True,
    # The released loop script leaves noise in its maps.
    settings={"published": {"noise": True}},
)
WINDOW = Task(
    name="window",
    source="pairs",
    data="trifold.data.pair_dataset",
    learner=learner,
    scoring="trifold.score_pairs",
    criterion=("validation_pearson", 1),
    unit="window",
    needs=("loops", "tss"),
)
