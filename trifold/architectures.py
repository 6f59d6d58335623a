"""What the workflow must know of every architecture without importing torch: what it reads and predicts, its options
and the smallest window it can work on. `trifold.models.registry` builds the networks (a test compares the two).
"""

from difflib import get_close_matches
from typing import NamedTuple

from trifold.errors import InputError

_MAP, _SEQUENCE = frozenset({"map"}), frozenset({"sequence"})


class Traits(NamedTuple):
    inputs: frozenset[str]  # of "sequence", "map", "tracks", "bias"
    target: str  # "oe", "observed" or "counts"
    learned: bool
    predicts: bool = True  # False: a network of a loss, trained but never scored
    crop_bins: int = 0  # border of a window that convolutions crop
    least_window_bins: int = 8  # smaller windows leave nothing of it
    # Roles of the trained arms it stands on: (needed, allowed).
    backbones: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


ARCHITECTURES = {
    "identity": Traits(_MAP, "observed", learned=False),
    "gaussian": Traits(_MAP, "observed", learned=False),
    "bicubic": Traits(_MAP, "observed", learned=False),
    "akita": Traits(_SEQUENCE, "oe", learned=True),
    "akita-graph": Traits(_SEQUENCE, "oe", learned=True),
    "aligned": Traits(_MAP | _SEQUENCE, "observed", learned=True, crop_bins=6, backbones=((), ("sequence",))),
    "aligned-bias": Traits(_MAP | frozenset({"bias"}), "observed", learned=True, crop_bins=6),
    "vehicle": Traits(_MAP, "observed", learned=True, crop_bins=6),
    "vae": Traits(frozenset(), "observed", learned=True, predicts=False, least_window_bins=17),
    "hybrid": Traits(
        _MAP | _SEQUENCE,
        "observed",
        learned=True,
        crop_bins=6,
        backbones=(("sequence", "image"), ("sequence", "image")),
    ),
    "hicplus": Traits(_MAP, "counts", learned=True, crop_bins=6),
    "deephic": Traits(_MAP, "counts", learned=True, crop_bins=6),
    "vgg16": Traits(frozenset(), "counts", learned=True, predicts=False),
    "hicsr": Traits(_MAP, "counts", learned=True, crop_bins=6),
    "hicsr-dae": Traits(frozenset(), "counts", learned=True, predicts=False, crop_bins=6, least_window_bins=14),
    "hicfoundation": Traits(_MAP, "observed", learned=True),
    "hicfoundation-seq": Traits(_MAP | _SEQUENCE, "observed", learned=True),
    "hicfoundation-mae": Traits(frozenset(), "observed", learned=True, predicts=False),
}

# ---------------------------------------------------------------- options

# Akita's trunk, which reads the sequence.
_TRUNK = {"channels": 96, "bottleneck": 64, "trunk_blocks": 8, "trunk_dropout": 0.4}
_SEQUENCE_HEAD = {"bn_eps": None, "clip": 2.0, "crop_bins": None, "targets": 1}
# The same image network for sequence and for its control.
_ALIGNED_IMAGE = {"pair_channels": 16, "distance_channels": 8, "image_channels": 64, "residual_blocks": 15}
# ViT-L/16 and HiCFoundation's decoder, in pre-training and in both fine-tuning arms.
_VIT = {
    "patch_size": 16,
    "width": 1024,
    "depth": 24,
    "heads": 16,
    "decoder_width": 512,
    "decoder_depth": 8,
    "decoder_heads": 16,
    "gradient_checkpointing": False,
}
# Architecture -> hyper-parameter -> default, as published; None: the protocol decides.
OPTIONS: dict[str, dict] = {
    "identity": {},
    "gaussian": {"sigma_bins": 1.0},
    "bicubic": {},
    "akita": {**_TRUNK, "head_channels": 48, "head_blocks": 6, "head_dropout": 0.1, **_SEQUENCE_HEAD},
    "akita-graph": {
        **_TRUNK,
        "graph_blocks": 4,
        "heads": 2,
        "head_width": 64,
        "edge_features": 8,
        "graph_dropout": 0.3,
        "head_dropout": 0.1,
        "pixel_channels": 48,
        "symmetric": True,
        **_SEQUENCE_HEAD,
    },
    "aligned": {**_TRUNK, "control": "none", **_ALIGNED_IMAGE},
    "aligned-bias": {"bias_features": 64, **_ALIGNED_IMAGE},
    "vehicle": {
        "channels": 64,
        "residual_blocks": 15,
        "final_channels": None,
        "activation": "sigmoid",
        "residual": None,
        "normalisation": "observed",
    },
    "vae": {"channels": None, "latent": 200, "crop_bins": 6, "kl_weight": 1e-6, "normalisation": "observed"},
    "hybrid": {"head_channels": 16},
    "hicplus": {"depth_factor": None, "low_clip": None, "deep_clip": None, "scaled": None},
    "deephic": {"channels": 64, "residual_blocks": 5, "low_clip": None, "deep_clip": None, "tile_bins": 40},
    "vgg16": {},
    "hicsr": {"channels": 64, "residual_blocks": 15, "final_channels": None, "tile_bins": 40},
    "hicsr-dae": {"channels": 64, "noise": 0.1},
    "hicfoundation": {"freeze_encoder": None, **_VIT},
    "hicfoundation-seq": {
        "freeze_encoder": None,
        "sequence_channels": [64, 128, 256],
        "sequence_bp": 131072,
        "sequence_pool": 4,
        "control": "none",
        **_VIT,
    },
    "hicfoundation-mae": {"mask_ratio": 0.75, "alpha": 1.0, **_VIT},
}
# What an option whose default is None takes besides; `vae` alone has a list of channels.
_KIND_WITHOUT_DEFAULT = {
    "bn_eps": float,
    "crop_bins": int,
    "channels": list,
    "final_channels": int,
    "residual": bool,
    "depth_factor": float,
    "low_clip": float,
    "deep_clip": float,
    "scaled": bool,
    "freeze_encoder": bool,
}
_CHOICES = {
    "control": ("none", "shuffled"),
    "normalisation": ("observed", "quantile"),
    "activation": ("sigmoid", "tanh"),
}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", list: "a list of numbers"}


def _is_a(kind: type, value) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is list:
        return isinstance(value, list | tuple) and len(value) > 0 and all(_is_a(int, one) for one in value)
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def check_options(architecture: str, options: dict, place: str) -> None:
    """Raise InputError, naming the `place` of the options in the config, for one the architecture does not take."""
    known = OPTIONS[architecture]
    for name, value in options.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise InputError(
                f"{place}/{name}: the architecture {architecture!r} has no such option"
                + (f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known) or 'none'}")
            )
        default = known[name]
        kind = _KIND_WITHOUT_DEFAULT[name] if default is None else type(default)
        if value is None and default is None:
            continue
        if not _is_a(kind, value):
            raise InputError(f"{place}/{name}: {value!r} is not {_WORDS[kind]}; the default is {default}")
        above_zero = name == "sigma_bins" or (kind is int and name != "crop_bins")
        if kind in (int, float) and (value < 0 or (above_zero and value == 0)):
            raise InputError(f"{place}/{name}: {value} is too small; the default is {default}")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise InputError(f"{place}/{name}: {value!r} is not one of {', '.join(_CHOICES[name])}")


def windows_of(architecture: str, options: dict) -> tuple[int, int]:
    """Bins of the smallest window an architecture with these options works on, and what a window is a multiple of."""
    traits, step = ARCHITECTURES[architecture], 1
    least = max(traits.least_window_bins, 2 * traits.crop_bins + 1)
    settings = {**OPTIONS[architecture], **options}
    if architecture == "vae" and settings["channels"]:
        least = 2 * settings["crop_bins"] + 2 ** len(settings["channels"]) + 1  # two pixels after every halving
    elif architecture == "hicsr-dae":
        step = 2
    elif "patch_size" in settings:
        step = settings["patch_size"]
        # Of one patch alone nothing is left to see once it is masked.
        least = 2 * step if architecture == "hicfoundation-mae" else step
    return least, step


def crop_of(architecture: str, options: dict, window_bins: int) -> int:
    """Bins at the border of a window that an architecture with these options does not predict."""
    settings = {**OPTIONS[architecture], **options}
    if "crop_bins" not in settings:
        return ARCHITECTURES[architecture].crop_bins
    return window_bins // 20 if settings["crop_bins"] is None else settings["crop_bins"]


def check_window(architecture: str, options: dict, window_bins: int, place: str) -> None:
    """Raise InputError, naming the arm at `place`, for windows that the architecture cannot work on."""
    least, step = windows_of(architecture, options)
    if window_bins < least or window_bins % step:
        needed = f"at least {least}" + (f", a multiple of {step}" if step > 1 else "")
        raise InputError(
            f"config: geometry/window_bins: {window_bins} bins do not suit {place}: {architecture!r} needs {needed}; "
            "choose such a window, or leave the arm out"
        )
