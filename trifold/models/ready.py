"""A model with all that is needed to enhance a map: what it reads, how that is prepared, and what depth it was taught.

It comes from the folder of a trained model, from an arm without weights (bicubic, identity), or from a published file.
A published file says what it was trained on (`published.checkpoints`), and nothing of the map at hand: the scale of
its contacts is measured on the low map, and the deep one is taken to have `depth` times as many.
"""

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pandas as pd

from trifold.architectures import ARCHITECTURES
from trifold.config import CountsRecipe, Geometry, ObservedRecipe, OERecipe, Recipes, from_dict
from trifold.data import examples
from trifold.errors import InputError
from trifold.genome import n_bins
from trifold.io.cool import bin_width, chromsizes_of, open_map
from trifold.models import published, stored
from trifold.models.blocks import Architecture
from trifold.tasks import DEFAULT, TASKS

# How windows are normalised where nothing else is said: the defaults of the schema's recipes/corrected.
CORRECTED = Recipes(
    OERecipe("akita", cutoff=2, max_levels=8, clip=2.0, sigma_bins=0.8, expected="local"),
    ObservedRecipe("global", cutoff=2, max_levels=8, low_scale="fitted"),
    CountsRecipe("balanced"),
)
# A published network sees windows of several of its own sides: overlapping windows then hide the borders of its tiles.
SIDES = 6
LENGTH_SHARE = 0.99  # of the genome that a window may not be too long for


@dataclass(frozen=True)
class Ready:
    """A network in eval mode, and how what it reads is prepared.

    contacts_per_bin  of the low maps it was trained on (`data.summary`); None where it was not trained
    depths            the same of the shallowest and of the deepest, where it was trained on several
    facts             what a file it writes says of it: arm, architecture, version, what was assumed
    track_bp          bin of the tracks it reads, bp; None: that of the map
    """

    network: Architecture
    geometry: Geometry
    recipes: Recipes
    coarsen: int
    statistics: dict
    contacts_per_bin: float | None = None
    facts: dict = field(default_factory=dict)
    track_bp: int | None = None
    depths: tuple[float, float] | None = None

    @property
    def low_bin_bp(self) -> int:
        """Bin width of the maps it reads, bp."""
        return self.geometry.bin_bp * self.coarsen

    @property
    def name(self) -> str:
        """What it is called."""
        return self.facts["arm"]

    @property
    def reads(self) -> frozenset[str]:
        """Of "map", "sequence", "tracks", "embeddings", "bias"."""
        return self.network.inputs

    @property
    def any_bins(self) -> bool:
        """Whether it serves maps of any bin width."""
        return ARCHITECTURES[self.facts["architecture"]].any_bins

    def for_map(self, low_map: str | os.PathLike) -> "Ready":
        """Itself: it knows its scales; one that serves any bins takes those of the map."""
        if not self.any_bins:
            return self
        return replace(self, geometry=replace(self.geometry, bin_bp=bin_width(open_map(low_map))))

    def trained_at(self, contacts_per_bin: float) -> float | None:
        """Contacts per bin of the maps it was trained on, of several depths the nearest; None where it was not."""
        if self.depths is None:
            return self.contacts_per_bin
        return min(max(contacts_per_bin, self.depths[0]), self.depths[1])

    def unadvised(self) -> "Ready":
        """Itself, which says nothing of the depth of a map: for halves, whose depth nobody chose."""
        return replace(self, contacts_per_bin=None, depths=None)

    def check_bins(self, bin_bp: int) -> None:
        """Raises InputError where deep maps of an experiment have other bins than those the model predicts."""
        if self.geometry.bin_bp != bin_bp:
            raise InputError(
                f"config: arms/{self.name}: its model predicts bins of {self.geometry.bin_bp} bp, and geometry/bin_bp "
                f"is {bin_bp}; give the arm a model of that bin width, or the experiment its bins"
            )


def _ready(network: Architecture, statistics: dict, source: str, track_bp: int | None = None, **facts) -> Ready:
    """From the statistics of examples. Raises InputError where they are of an earlier version, or damaged."""
    if lacking := [name for name in ("geometry", "recipes", "coarsen", "low") if name not in statistics]:
        raise InputError(
            f"{source}: lacks {', '.join(lacking)}: made by an earlier version, it does not say what maps the model "
            "reads; train the model again"
        )
    try:
        geometry, recipes = from_dict(Geometry, statistics["geometry"]), from_dict(Recipes, statistics["recipes"])
        depth = statistics["low"]["contacts_per_bin"]
        for name in _scales(network, recipes):
            part, _, field_name = name.partition("/")
            _ = statistics[part][field_name] if field_name else statistics[part]
    except (KeyError, TypeError, AttributeError) as error:
        raise stored.damaged(source, f"lacks or garbles what the model needs ({error})") from error
    # What is fitted at once is fitted to a depth too.
    trained_depth = depth if ARCHITECTURES[facts["architecture"]].fitted else None
    drawn = statistics.get("drawn_contacts_per_bin")
    return Ready(
        network.eval(),
        geometry,
        recipes,
        statistics["coarsen"],
        statistics,
        trained_depth,
        facts,
        track_bp,
        (drawn[0], drawn[1]) if drawn else None,
    )


def _scales(network: Architecture, recipes: Recipes) -> list[str]:
    """What `inference` takes from the statistics for a network, as part/field of statistics.json."""
    reads_map, balanced = "map" in network.inputs, ["counts/low_per_balanced", "counts/deep_per_balanced"]
    needed = ["low_bias/mean_log_weight"] if "bias" in network.inputs else []
    if network.target == "oe":
        needed.append("expected")
    if network.target == "rates":
        return needed
    if network.target == "counts":
        needed += balanced if recipes.counts.bias == "balanced" else ["counts/ratio"]
    elif (reads_map and recipes.observed.scale == "global") or (not reads_map and network.target == "observed"):
        needed += ["observed/floor", "observed/ceiling"]
    if reads_map and network.target == "observed" and recipes.observed.low_scale == "fitted":
        needed.append("low/factor")
    return needed


def of_folder(folder: str | os.PathLike, name: str | None = None) -> Ready:
    """The trained model of a folder; `name` in place of its own.

    Raises InputError where the folder is no model, or does not say what it reads.
    """
    arm = stored.read_config(folder)["arm"]
    if not TASKS[task := arm.get("task", DEFAULT)].whole_maps:
        raise InputError(f"{folder}: a model of the task {task}, which predicts no whole maps; give another model")
    network, frozen, statistics = stored.load_arm(folder)
    if not network.predicts:
        raise InputError(f"{folder}: {arm['architecture']} predicts no maps: it is part of a training")
    facts = {"arm": name or arm["name"], "architecture": arm["architecture"], "version": frozen.get("version")}
    facts |= {"chosen": frozen["chosen"]} if "chosen" in frozen else {}
    ready = _ready(network, statistics, f"{folder}/statistics.json", arm.get("track_bp"), **facts)
    imported = published.of_architecture(arm["architecture"]).get(arm.get("weights"))
    if imported:  # the statistics are not those of its training
        return replace(ready, contacts_per_bin=imported.expects.get("contacts_per_bin"))
    return ready


def of_arm(arm: dict, name: str, examples_folder: str | os.PathLike) -> Ready:
    """A resolved arm without weights, on the scales of a dataset directory."""
    statistics = stored.read_statistics(examples_folder)
    network = stored.build_arm(arm, statistics["geometry"], statistics)
    source = f"{examples_folder}/statistics.json"
    return _ready(network, statistics, source, arm.get("track_bp"), arm=name, architecture=arm["architecture"])


def window_bins(chromsizes: dict[str, int], bin_bp: int, side: int, most: int = SIDES) -> int:
    """The window of at most `most` sides that leaves out no more than 1 % of what one side can read."""
    bins = [n for length_bp in chromsizes.values() if (n := n_bins(length_bp, bin_bp)) >= side]
    for sides in range(most, 1, -1):
        if sum(n for n in bins if n >= sides * side) >= LENGTH_SHARE * sum(bins) > 0:
            return sides * side
    return side


@dataclass(frozen=True)
class PublishedFile:
    """A published checkpoint that reads a map and predicts contacts; `for_map` makes it ready for one."""

    name: str
    path: Path
    known: published.Checkpoint
    reads = frozenset({"map"})

    @property
    def low_bin_bp(self) -> int:
        """Bin width it was trained on, bp."""
        return self.known.expects["bin_bp"]

    def for_map(self, low_map: str | os.PathLike) -> Ready:
        """The network on the scales of a prepared map of its bin width. Raises InputError for a damaged file."""
        depth, bias = self.known.expects["depth"], self.known.expects["bias"] or "raw"
        chromsizes = chromsizes_of(low_map)
        side = window_bins(chromsizes, self.low_bin_bp, self.known.expects["window_bins"])
        geometry = Geometry(self.low_bin_bp, side, {}, max_bad_bins=1.0, max_n_bins=0)
        recipes = Recipes(CORRECTED.oe, CORRECTED.observed, CountsRecipe(bias))
        counts = contacts_facts(low_map, chromsizes, geometry, recipes, depth)
        statistics = {"counts": counts, "geometry": asdict(geometry), "recipes": asdict(recipes), "coarsen": 1}
        network = published.load(self.name, self.path, geometry, statistics)
        assumed = f"the deep map has {depth} times the contacts of this one; contacts {bias}"
        facts = {"arm": self.path.stem, "architecture": self.known.architecture, "weights": self.name}
        facts["assumed"] = assumed
        return Ready(network, geometry, recipes, 1, statistics, self.known.expects.get("contacts_per_bin"), facts)


def of_published(path: str | os.PathLike) -> PublishedFile:
    """A published file. Raises InputError for a name that is not known, and for one that cannot stand alone."""
    path = Path(path)
    known = published.checkpoint(path.name)
    if reason := cannot_enhance(known):
        raise InputError(f"{path}: {reason}; train it in an experiment, or choose one that `trifold models` says can")
    return PublishedFile(path.name, path, known)


def cannot_enhance(known: published.Checkpoint) -> str | None:
    """Why a published file alone does not enhance a map; None where it does."""
    if not ARCHITECTURES[known.architecture].predicts:
        return f"{known.architecture} is no model of deep maps but a part of a training"
    if known.expects.get("depth") is None:
        return f"{known.architecture}: its authors do not say how much deeper its deep maps were: no scale is known"
    return None


def contacts_facts(
    low_map: str | os.PathLike, chromsizes: dict[str, int], geometry: Geometry, recipes: Recipes, depth: float
) -> dict[str, float]:
    """statistics["counts"] from the low map alone: the deep one's scale is `depth` times its own."""
    size, bin_bp = geometry.window_bins, geometry.bin_bp
    starts = {chrom: range(0, n_bins(length_bp, bin_bp) - size + 1, size) for chrom, length_bp in chromsizes.items()}
    rows = [(chrom, start * bin_bp) for chrom, ours in starts.items() for start in ours]
    if not rows:
        longest = max(chromsizes.values())
        raise InputError(
            f"{low_map}: its longest chromosome has {longest:,} bp, and the weights read windows of {size} bins of "
            f"{bin_bp:,} bp; choose a model of narrower bins"
        )
    windows = pd.DataFrame(rows, columns=["chrom", "start_bp"])
    low = examples.Maps(low_map, bin_bp, size)
    try:
        counted = examples.count_contacts(low, low, windows, recipes.counts, 1)
    except InputError as error:
        raise InputError(f"{low_map}: no contact in windows of {size} bins; give a map with more contacts") from error
    of_low = {name: value for name, value in counted.items() if name.startswith("low_")}
    return {"ratio": depth} | of_low | {name.replace("low_", "deep_"): depth * value for name, value in of_low.items()}
