"""Names of architectures and how one is built; their options stand in `trifold.architectures`."""

import torch

from trifold.architectures import OPTIONS, check_options
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


KINDS: dict[str, type[Architecture]] = {
    "identity": Identity,
    "gaussian": Gaussian,
    "bicubic": Bicubic,
    "akita": Akita,
    "akita-graph": AkitaGraph,
    "aligned": Aligned,
    "aligned-bias": AlignedBias,
    "vehicle": Generator,
    "vae": VAE,
    "hybrid": Hybrid,
    "hicplus": HiCPlus,
    "deephic": DeepHiC,
    "vgg16": VGG16Features,
    "hicsr": HiCSR,
    "hicsr-dae": DenoisingAutoEncoder,
    "hicfoundation": HiCFoundation,
    "hicfoundation-seq": HiCFoundationSequence,
    "hicfoundation-mae": MaskedAutoencoder,
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
    if architecture not in KINDS:
        _refuse("architecture", architecture, KINDS)
    if protocol not in PROTOCOLS:
        _refuse("protocol", protocol, PROTOCOLS)
    check_options(architecture, options, "options")
    kind = KINDS[architecture]
    given = {"statistics": statistics, "backbones": backbones, "protocol": protocol}
    model = kind(geometry, **{name: given[name] for name in kind.context}, **{**OPTIONS[architecture], **options})
    # Small 2-D convolutions are a third faster on a CPU with channels last.
    return model.to(memory_format=torch.channels_last)
