"""An arm of an experiment: a network, what it is taught, what it reads, how it is trained."""

from dataclasses import asdict, dataclass, fields

from trifold.config import WHERE

# Settings that say when and on what an arm is trained and scored, not what it is.
_NOT_THE_MODEL = ("name", "folds", "seeds", "maps", "on_demand", "test_samples", "scores", "dataset")


@dataclass(frozen=True)
class Arm:
    """An arm with everything it inherits.

    architecture, task, protocol, options   the network; what it is taught; as published or corrected
    degradation                low map it reads; of whole maps
    samples, test_samples      samples it is trained on, and scored on
    also                       data sets of other experiments that it is trained on too
    tracks                     names of the tracks it reads, in order
    backbones, loss_networks   role -> arm
    pretrained                 arm whose weights it starts from; pretrained_parts: what of them
    weights                    published file or folder of a model; it is not trained here
    training                   settings of `config.Training`
    window_bins                side of its windows, bins
    dataset                    what its data sets are called: the protocol and, where it is its own, the window
    track_bp                   bin of the tracks it reads, bp; None: the bin of the map
    embeddings                 name of the vectors per bin that it reads (`embeddings` of the configuration)
    strands                    pairs of its tracks, by their numbers, that are the two strands of one assay
    fraction                   share of the training samples
    noise                      maps as the released loop script of MIX-HIC gives them
    log_tracks                 tracks as log2(x + 1)
    hold_out                   trained on training regions alone
    folds, seeds               what it is trained on, and how often
    maps, on_demand            whole maps are made; trained only when a paper's tables or figures ask for it
    scores                     scores.tsv of another system; nothing is trained
    """

    name: str
    architecture: str
    task: str
    protocol: str
    options: dict
    degradation: str
    samples: tuple[str, ...]
    test_samples: tuple[str, ...]
    also: tuple[str, ...]
    tracks: tuple[str, ...]
    backbones: dict[str, str]
    loss_networks: dict[str, str]
    pretrained: str | None
    pretrained_parts: str
    weights: str | None
    training: dict
    window_bins: int
    dataset: str
    track_bp: int | None
    strands: tuple[tuple[int, int], ...]
    fraction: float
    noise: bool
    log_tracks: bool
    hold_out: bool
    folds: tuple[str, ...]
    seeds: tuple[int, ...]
    maps: bool
    on_demand: bool
    scores: str | None
    embeddings: str | None = None

    def model(self) -> dict:
        """What a result of it depends on, as plain settings: neither where it is trained, nor what it is scored on."""
        kept = {key: value for key, value in asdict(self).items() if key not in _NOT_THE_MODEL}
        training = {key: value for key, value in self.training.items() if key not in WHERE}
        listed = {name: list(kept[name]) for name in ("samples", "also", "tracks")}
        strands = [list(pair) for pair in self.strands]
        known = {**kept, **listed, "strands": strands, "training": training}
        # What an arm does not have is no part of its version.
        return {key: value for key, value in known.items() if key not in ("also", "embeddings") or value}


def of_settings(settings: dict) -> Arm:
    """An arm from its fields as JSON holds them."""
    lists = [field.name for field in fields(Arm) if isinstance(settings[field.name], list)]
    strands = tuple(tuple(pair) for pair in settings["strands"])
    return Arm(**{**settings, **{name: tuple(settings[name]) for name in lists}, "strands": strands})
