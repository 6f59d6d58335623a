"""The settings the package works with, as frozen dataclasses. `resources/schemas/config.schema.yaml` gives the
defaults and describes every field; a test holds the two together. Nothing here reads a file."""

from dataclasses import dataclass, fields, is_dataclass
from typing import Literal


def from_dict(kind: type, settings: dict):
    """A frozen dataclass of `kind` from a mapping with exactly its fields; nested dataclasses from nested mappings."""
    known = {field.name: field for field in fields(kind)}
    if unknown := set(settings) - set(known):
        raise KeyError(f"{kind.__name__} has no setting {sorted(unknown)}; it has {sorted(known)}")
    return kind(**{name: _value(known[name].type, value) for name, value in settings.items()})


def _value(kind, value):
    if isinstance(kind, type) and is_dataclass(kind):
        return from_dict(kind, value)
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Geometry:
    """Windows on the diagonal of a map."""

    bin_bp: int
    window_bins: int
    stride_bins: dict  # role -> bins between the starts of neighbouring windows
    max_bad_bins: float  # share of a window's bins that may be missing in the deep map
    max_n_bins: int  # bins of a window that may hold an N (Kriukov2021: 0)

    @property
    def window_bp(self) -> int:
        return self.bin_bp * self.window_bins


@dataclass(frozen=True)
class Degradation:
    """How the low map is made from the deep one: coarsen x k, keep 1/thin of the contacts, or both."""

    coarsen: int = 1
    thin: float = 1.0
    seed: int = 1
    share_reads: bool = False  # arms are taught and scored by the whole deep map, the low map's reads among the others


@dataclass(frozen=True)
class OERecipe:
    """Observed-over-expected targets, natural log, clipped to +-clip.

    variant "akita": basenji's bin/akita_data_read.py; "kriukov2021": the released notebook.
    sigma_bins 0 means no smoothing; the published Kriukov kernel is 0.8 with 7 x 7 taps.
    """

    variant: str
    cutoff: int
    max_levels: int
    clip: float
    sigma_bins: float
    expected: str  # "local": on the window; "global": per diagonal over the training regions


@dataclass(frozen=True)
class ObservedRecipe:
    """Observed maps on [0, 1]: adaptive coarse-graining, log, min-max, interpolation.

    scale "window": each window's own minimum and maximum (as published);
    "global": one floor and one ceiling from the training regions, the same for low and deep (corrected).
    variant "lau2025": log10(x + 1) and min-max of each window alone, missing pixels 0; nothing is coarse-grained.
    low_scale "rows": balanced rows sum to 1 at each bin width, so values of bins k times as wide are taken as k times
    as large; "fitted": as large as the training regions say (`data.normalise.low_factor`).
    low_span "published": a low window has as many bins as the deep one and starts where it starts, so it covers k times
    its span, as Lau 2025's do.
    """

    scale: str
    cutoff: int
    max_levels: int
    variant: str = "kriukov2021"
    low_span: str = "window"
    low_scale: str = "rows"

    def low_bins(self, window_bins: int, coarsen: int) -> int:
        """Side of a low window, in its own bins."""
        return window_bins if self.low_span == "published" else window_bins // coarsen


@dataclass(frozen=True)
class CountsRecipe:
    """Contacts per pixel of the deep map's bins; a wider bin's contacts are shared among its pixels.

    bias "raw": as counted; "balanced": balanced values on the scale of the counts, so without the bins' biases.
    """

    bias: str


@dataclass(frozen=True)
class Recipes:
    """How windows are normalised, by the scale a model works on."""

    oe: OERecipe
    observed: ObservedRecipe
    counts: CountsRecipe


@dataclass(frozen=True)
class Training:
    """Optimisation of one arm."""

    epochs: int
    batch_size: int
    learning_rate: float
    schedule: str  # constant | cosine: warm-up, then down to 5 % | one-cycle: EPCOT's, warm-up, then constant
    weight_decay: float
    optimiser: str  # adam | adamw | sgd
    betas: tuple  # decay of adam's and adamw's means of the gradient (one-cycle has its own) and of its square
    layer_decay: float  # learning rate of a layer relative to the one after it; 1 = all alike
    loss: str  # mse | l1 of pixels; mse_ssim: Lau 2025's; adversarial, that paper's terms: `loss_terms.WEIGHTS`
    loss_weights: dict  # term -> weight, in place of the protocol's
    discriminator_learning_rate: float | None  # None = learning_rate
    accumulate: int  # batches per optimiser step
    clip_gradient_norm: float  # 0 = none
    early_stop_epochs: int  # epochs without a better validation loss; 0 = never
    precision: Literal["32-true", "bf16-mixed"]
    devices: int  # processes on a node, of a GPU each where there are GPUs
    nodes: int
    workers: int
    stride_bins: int | None  # only training windows that start at a multiple of it, bins; None = all
    reverse_complement: bool
    shift_bp: int
    head_epochs: int  # hybrid: epochs of the head alone before everything is tuned together


# Of a training: where it runs, not what it learns. No model's version and no model's folder holds them.
WHERE = ("workers", "devices", "nodes")


def placed(training: dict, where: dict) -> Training:
    """The settings of a training, and of where it runs the fields that `WHERE` names."""
    return from_dict(Training, {**training, **{name: where[name] for name in WHERE}})


# Rows of tables that are no arms: how good a score can be (`trifold.ceiling`).
CEILINGS = ("replicate", "noise-free")


@dataclass(frozen=True)
class Ceiling:
    """How often the target's reads are divided into halves, which say how good a score can be."""

    splits: int  # 0: no ceilings
    seed: int


@dataclass(frozen=True)
class Scoring:
    """How one predicted map is scored."""

    min_diagonal: int  # first diagonal scored
    max_distance_bins: int | None  # last diagonal scored; None = as far as the prediction reaches
    edge_bins: int  # bins at the ends of a chromosome left out; what the deepest crop of an arm cannot predict
    scc_h: int  # half-width of the SCC's mean filter, bins
    scc_max_bp: int | None  # largest distance of the SCC; None = the window
    window_crop_bins: int = 6  # border of a window on [0, 1] left out where single windows are scored
