"""Terms of the adversarial losses: VEHiCLE's, DeepHiC's, HiCSR's and hicGAN's, as pure functions.

A term compares predictions with targets in the units of the model's output. `trifold.loss_terms` says what each weighs.

Deviations, by protocol:

- "published" is the code released with VEHiCLE and Kriukov et al. 2021, DeepHiC, HiCSR and hicGAN, the last without its
  pixel term, which the code leaves out; its text, and "corrected", have it.
- "corrected" is the text of Kriukov et al. for VEHiCLE: a variational term of 0.01 (the code has 0.001), and absolute
  differences of insulation vectors and latent means (eqs. 5 and 6; the code squares them). The pixel term is called a
  mean square error there, printed |.| (eq. 4) and an absolute difference in the code: that is taken, in both. DeepHiC
  and HiCSR have one form, hicGAN's terms too.
- Both keep the insulation of an empty box finite (`insulation_vector`), where the released code gives infinity.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from trifold.errors import InputError

# loss -> difference of pixels.
PIXEL = {"vehicle": "l1", "deephic": "mse", "hicsr": "l1", "hicgan": "mse"}
# protocol -> difference of VEHiCLE's insulation vectors and latent means.
DIFFERENCE = {"published": F.mse_loss, "corrected": F.l1_loss}

# Insulation: side of the box slid along the diagonal, and length of the two means whose difference is the derivative.
BOX_BINS, DERIVATIVE_BINS = 10, 10
# Least mean of a box. Predictions behind a sigmoid stay above it; targets on [0, 1] may be 0 in a whole box.
LEAST_MEAN = 1e-6


# ---------------------------------------------------------------- topology


def insulation_vector(maps: Tensor) -> Tensor:
    """Slope of the insulation along the diagonal: (N, 1, S, S) -> (N, 1, S - 28) (188 -> 160), in log2 per 10 bins.

    Mean of a 10 × 10 box on the diagonal, log2, mean of 10 boxes minus that of the 10 before. The released code first
    divides by the mean over the whole batch, which cancels in the difference. A box with a mean below 1e-6, an empty
    one, counts as 1e-6 and passes no gradient; above, the values are the released ones.
    """
    boxes = F.avg_pool2d(maps, BOX_BINS, stride=1).diagonal(dim1=-2, dim2=-1)  # (N, 1, S - 9)
    means = F.avg_pool1d(boxes.clamp(min=LEAST_MEAN).log2(), DERIVATIVE_BINS, stride=1)  # (N, 1, S - 18)
    return means[..., DERIVATIVE_BINS:] - means[..., :-DERIVATIVE_BINS]


def insulation(prediction: Tensor, target: Tensor, protocol: str) -> Tensor:
    """Difference of two maps' insulation vectors, mean square ("published") or absolute ("corrected"); scalar.

    Raises InputError for maps too small to hold a vector, and for targets below 0, which have no logarithm.
    """
    least = BOX_BINS + 2 * DERIVATIVE_BINS - 1
    if target.shape[-1] < least:
        raise InputError(
            f"the insulation term needs maps of at least {least} bins and got {target.shape[-1]}; raise "
            "geometry/window_bins, or set training/loss_weights/insulation to 0"
        )
    if (target < 0).any():
        raise InputError(
            "the insulation term takes logarithms and the target holds values below 0: it is for models whose output "
            "lies on [0, 1]; set training/loss_weights/insulation to 0"
        )
    return DIFFERENCE[protocol](insulation_vector(prediction), insulation_vector(target))


def total_variation(maps: Tensor) -> Tensor:
    """Twice the mean squares of the steps down and across, summed (DeepHiC); (N, 1, S, S) -> scalar."""
    return 2 * (maps.diff(dim=-2).square().mean() + maps.diff(dim=-1).square().mean())


# ---------------------------------------------------------------- adversary


def logits_loss(logits: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of logits against one label, mean over windows and, where they are maps, pixels."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def probability_loss(probabilities: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of probabilities (DeepHiC's discriminator ends in a sigmoid) against one label."""
    with torch.autocast(probabilities.device.type, enabled=False):  # torch refuses it in half precision
        return F.binary_cross_entropy(probabilities, torch.full_like(probabilities, float(real)))


def discriminator_loss(real: Tensor, fake: Tensor, loss: str) -> Tensor:
    """What a discriminator minimises, from its outputs for deep and for predicted maps; not weighted."""
    difference = probability_loss if loss == "deephic" else logits_loss
    return difference(real, True) + difference(fake, False)


def adversarial(fake: Tensor, loss: str) -> Tensor:
    """What the generator minimises: the discriminator's doubt; DeepHiC's is mean(1 - D)."""
    return (1 - fake).mean() if loss == "deephic" else logits_loss(fake, True)


def features(prediction: list[Tensor], target: list[Tensor]) -> Tensor:
    """Sum over layers of the mean square differences of two maps' features."""
    return torch.stack([F.mse_loss(ours, theirs) for ours, theirs in zip(prediction, target, strict=True)]).sum()
