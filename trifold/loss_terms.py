"""What the terms of the adversarial losses weigh, and the trained networks they look through; known without torch.

The weight of a term is the published one unless the arm sets another (`training/loss_weights`); 0 leaves the term out.
Published and corrected weights differ as `trifold.training.losses` says.
"""

from collections.abc import Collection

from trifold.errors import InputError

_VEHICLE = {"pixel": 1.0, "insulation": 1.0, "vae": 0.001, "adversarial": 0.0025}
_DEEPHIC = {"pixel": 1.0, "adversarial": 0.001, "perceptual": 0.006, "variation": 2e-8}
_HICSR = {"pixel": 1.0, "adversarial": 0.0025, "feature": 1.0}
_HICGAN = {"pixel": 1.0, "adversarial": 0.1}
# loss -> protocol -> term -> weight
WEIGHTS = {
    "vehicle": {"published": _VEHICLE, "corrected": {**_VEHICLE, "vae": 0.01}},
    "deephic": {"published": _DEEPHIC, "corrected": _DEEPHIC},
    "hicsr": {"published": _HICSR, "corrected": _HICSR},
    # Its released code computes the pixel term and leaves it out of the sum.
    "hicgan": {"published": {**_HICGAN, "pixel": 0.0}, "corrected": _HICGAN},
}
# loss -> module whose `Discriminator` is the adversary.
DISCRIMINATOR = {
    "vehicle": "trifold.models.vehicle",
    "deephic": "trifold.models.deephic",
    "hicsr": "trifold.models.hicsr",
    "hicgan": "trifold.models.hicgan",
}
# loss -> least side, bins, of the predicted maps that its discriminator reads, where there is one.
LEAST_BINS = {"hicgan": 40}
# term -> role of the trained network it compares maps with.
NETWORK = {"vae": "vae", "perceptual": "vgg", "feature": "dae"}


def term_weights(loss: str, protocol: str, given: dict[str, float], networks: Collection[str], arm: str) -> dict:
    """Weights of the terms of `loss` that count (those above 0): the protocol's, `given` in place of some.

    networks: roles of the arm's loss networks. Raises InputError for a term the loss does not have, and for a network
    that a term needs and that is not given, or the other way round. VGG weights cannot always be had: without "vgg"
    the perceptual term is left out, unless its weight was asked for.
    """
    known = WEIGHTS[loss][protocol]
    if unknown := sorted(set(given) - set(known)):
        raise InputError(
            f"arm {arm!r}: training/loss_weights: loss {loss!r} has no term {', '.join(unknown)}; it has "
            f"{', '.join(known)}"
        )
    weights = {**known, **given}
    if "perceptual" in weights and "perceptual" not in given and "vgg" not in networks:
        weights["perceptual"] = 0.0
    weights = {term: float(weight) for term, weight in weights.items() if weight > 0}
    if not weights:
        raise InputError(f"arm {arm!r}: training/loss_weights leaves loss {loss!r} no term; give one a weight above 0")
    needed = {NETWORK[term]: term for term in weights if term in NETWORK}
    for role, term in needed.items():
        if role not in networks:
            raise InputError(
                f"arm {arm!r}: the {term} term of loss {loss!r} needs a trained network: name its arm under the arm's "
                f"`loss_networks` ({{{role}: <arm>}}), or set training/loss_weights/{term} to 0"
            )
    if unused := sorted(set(networks) - set(needed)):
        raise InputError(
            f"arm {arm!r}: loss {loss!r} has no use for loss_networks {', '.join(unused)}; it takes "
            f"{', '.join(sorted(needed)) or 'none'}: remove them, or give their term a weight"
        )
    return weights


def learning(loss: str, predicts: bool) -> tuple[str, str]:
    """Module and class that train an arm: by an adversarial loss, by pixels or, where it predicts no map, by a loss of
    the network."""
    if loss in WEIGHTS and predicts:
        return "trifold.training.adversarial", "Adversarial"
    if predicts:
        return "trifold.training.regression", "Regression"
    return "trifold.training.autoencoder", "Autoencoder"


def check(
    loss: str, protocol: str, given: dict[str, float], networks: Collection[str], arm: str, predicts: bool
) -> None:
    """Raise InputError for terms and networks that a loss has no use for, or needs and does not have.

    predicts: whether the arm predicts maps; a network that serves a loss has a loss of its own.
    """
    if loss in WEIGHTS and predicts:
        term_weights(loss, protocol, given, networks, arm)
    elif loss in WEIGHTS or networks or given:
        raise InputError(
            f"arm {arm!r}: training/loss {loss}, training/loss_weights and loss_networks "
            f"({', '.join(networks) or 'none'} given) are for models that predict maps with an adversarial loss "
            f"({', '.join(WEIGHTS)}); for any other arm set loss: mse, l1 or mse_ssim and remove the other two"
        )
