"""Names of architectures, their hyper-parameters and how one is built."""

from typing import NamedTuple

import torch

from trifold.config import Geometry
from trifold.errors import InputError
from trifold.models.akita import Akita
from trifold.models.akita_graph import AkitaGraph
from trifold.models.aligned import Aligned, AlignedBias
from trifold.models.baselines import Bicubic, Gaussian, Identity
from trifold.models.blocks import Architecture
from trifold.models.deephic import Generator as DeepHiC
from trifold.models.deephic import VGG16Features
from trifold.models.hicfoundation import HiCFoundation, MaskedAutoencoder
from trifold.models.hicplus import HiCPlus
from trifold.models.hicsr import DenoisingAutoEncoder
from trifold.models.hicsr import Generator as HiCSR
from trifold.models.hybrid import Hybrid
from trifold.models.lau import HiCFoundationSequence
from trifold.models.vae import VAE
from trifold.models.vehicle import Generator

PROTOCOLS = ("published", "corrected")


class Entry(NamedTuple):
    kind: type[Architecture]
    options: dict  # hyper-parameter -> default, as published


# The same image network for sequence and for its control.
ALIGNED_IMAGE = {"pair_channels": 16, "distance_channels": 8, "image_channels": 64, "residual_blocks": 15}
# ViT-L/16 and HiCFoundation's decoder, in pre-training and in both fine-tuning arms.
VIT = {
    "patch_size": 16,
    "width": 1024,
    "depth": 24,
    "heads": 16,
    "decoder_width": 512,
    "decoder_depth": 8,
    "decoder_heads": 16,
    "gradient_checkpointing": False,
}
ARCHITECTURES: dict[str, Entry] = {
    "identity": Entry(Identity, {}),
    "gaussian": Entry(Gaussian, {"sigma_bins": 1.0}),
    "bicubic": Entry(Bicubic, {}),
    "akita": Entry(
        Akita,
        {
            "channels": 96,
            "bottleneck": 64,
            "head_channels": 48,
            "trunk_blocks": 8,
            "head_blocks": 6,
            "trunk_dropout": 0.4,
            "head_dropout": 0.1,
            "bn_eps": None,
            "clip": 2.0,
            "crop_bins": None,
            "targets": 1,
        },
    ),
    "akita-graph": Entry(
        AkitaGraph,
        {
            "channels": 96,
            "bottleneck": 64,
            "trunk_blocks": 8,
            "trunk_dropout": 0.4,
            "graph_blocks": 4,
            "heads": 2,
            "head_width": 64,
            "edge_features": 8,
            "graph_dropout": 0.3,
            "head_dropout": 0.1,
            "pixel_channels": 48,
            "symmetric": True,
            "bn_eps": None,
            "clip": 2.0,
            "crop_bins": None,
            "targets": 1,
        },
    ),
    "aligned": Entry(
        Aligned,
        {
            "channels": 96,
            "bottleneck": 64,
            "trunk_blocks": 8,
            "trunk_dropout": 0.4,
            "control": "none",
            **ALIGNED_IMAGE,
        },
    ),
    "aligned-bias": Entry(AlignedBias, {"bias_features": 64, **ALIGNED_IMAGE}),
    "vehicle": Entry(
        Generator,
        {
            "channels": 64,
            "residual_blocks": 15,
            "final_channels": None,
            "activation": "sigmoid",
            "residual": None,
            "normalisation": "observed",
        },
    ),
    "vae": Entry(
        VAE,
        {"channels": None, "latent": 200, "crop_bins": 6, "kl_weight": 1e-6, "normalisation": "observed"},
    ),
    "hybrid": Entry(Hybrid, {"head_channels": 16}),
    "hicplus": Entry(HiCPlus, {"depth_factor": None, "low_clip": None, "deep_clip": None, "scaled": None}),
    "deephic": Entry(
        DeepHiC, {"channels": 64, "residual_blocks": 5, "low_clip": None, "deep_clip": None, "tile_bins": 40}
    ),
    "vgg16": Entry(VGG16Features, {}),
    "hicsr": Entry(HiCSR, {"channels": 64, "residual_blocks": 15, "final_channels": None, "tile_bins": 40}),
    "hicsr-dae": Entry(DenoisingAutoEncoder, {"channels": 64, "noise": 0.1}),
    "hicfoundation": Entry(HiCFoundation, {"freeze_encoder": None, **VIT}),
    "hicfoundation-seq": Entry(
        HiCFoundationSequence,
        {
            "freeze_encoder": None,
            "sequence_channels": [64, 128, 256],
            "sequence_bp": 131072,
            "sequence_pool": 4,
            "control": "none",
            **VIT,
        },
    ),
    "hicfoundation-mae": Entry(MaskedAutoencoder, {"mask_ratio": 0.75, "alpha": 1.0, **VIT}),
}


def _refuse(what: str, value, known) -> None:
    raise InputError(f"{what} {value!r} is not known; choose from {sorted(known)}")


def build(
    architecture: str,
    geometry: Geometry,
    options: dict,
    statistics: dict,
    backbones: dict[str, Architecture] | None = None,
    protocol: str = "corrected",
) -> Architecture:
    """A freshly initialised model of the architecture; `options` override its defaults.

    statistics: the data set's statistics.json; backbones: role -> model, hybrid only.
    Raises InputError for a name or an option that does not exist, listing those that do.
    """
    if architecture not in ARCHITECTURES:
        _refuse("architecture", architecture, ARCHITECTURES)
    if protocol not in PROTOCOLS:
        _refuse("protocol", protocol, PROTOCOLS)
    kind, defaults = ARCHITECTURES[architecture]
    for option in options:
        if option not in defaults:
            _refuse(f"option of architecture {architecture!r}", option, defaults)
    given = {"statistics": statistics, "backbones": backbones, "protocol": protocol}
    model = kind(geometry, **{name: given[name] for name in kind.context}, **{**defaults, **options})
    # Small 2-D convolutions are a third faster on a CPU with channels last.
    return model.to(memory_format=torch.channels_last)
