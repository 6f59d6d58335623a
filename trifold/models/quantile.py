"""Contacts on [0, 1] by their 99.9 % quantile, the scale of VEHiCLE's maps (Highsmith & Cheng 2021)."""

from torch import Tensor

from trifold.models import blocks

# Scale of the maps a network reads and predicts, by its normalisation.
TARGETS = {"observed": "observed", "quantile": "counts"}


def quantiles(normalisation: str, statistics: dict) -> dict[str, float] | None:
    """{"low", "deep"}: contacts that "quantile" makes 1; None for "observed"."""
    if normalisation == "observed":
        return None
    return {depth: blocks.contacts_statistic(statistics, f"{depth}_q999") for depth in ("low", "deep")}


def clipped(contacts: Tensor, quantile: float) -> Tensor:
    """Contacts on [0, 1]: cut at the quantile and divided by it."""
    return contacts.clamp(max=quantile) / quantile
