"""What the workflow asks of a task."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Task:
    """A task, by the modules that hold its parts.

    name      as arms name it
    source    where its samples come from: "examples", windows on the diagonal; "pairs", windows about pairs of bins
    data      module of its data set: `statistics_of(arm, geometry, given)`, what a model keeps of its data, and
              `training_sets(arm, given, network, statistics, seed)`, its training and validation samples
    learner   (loss, predicts) -> module and class of the Lightning module that holds the loss
    scoring   module with `score(out, ...)`; None: it is not scored
    criterion column of the history by which an epoch is the best, and 1 where more of it is better, -1 where less
    unit      what its scores are of, "window" or "pair"; an interval is over the stretches of the genome that hold them
              (`trifold.metrics.intervals`)
    needs     what its samples must have: "loops", "tss" (start sites of the genome), "expression"
    searched  whether its arms look for loops on whole chromosomes
    one_seed  whether one training serves all seeds of the arms that start from it
    draws     whether its data set draws reads from the samples' deep maps
    settings  protocol -> settings of an arm that are not given
    """

    name: str
    source: str
    data: str
    learner: Callable[[str, bool], tuple[str, str]]
    scoring: str | None
    criterion: tuple[str, int]
    unit: str
    needs: tuple[str, ...] = ()
    searched: bool = False
    one_seed: bool = False
    draws: bool = False
    settings: Mapping[str, Mapping] = field(default_factory=dict)

    @property
    def whole_maps(self) -> bool:
        """Whether it predicts maps of whole chromosomes, which are scored and shown as such."""
        return self.source == "examples"
