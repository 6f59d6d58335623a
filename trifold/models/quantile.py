"""Contacts on [0, 1] by their 99.9 % quantile, the scale of VEHiCLE's maps (Highsmith & Cheng 2021)."""

from torch import Tensor

from trifold.models import blocks

# Read by trifold.architectures from the source: `when` of a network with the option.
BY_QUANTILE = {"normalisation": {"quantile": {"target": "counts"}}}


def quantiles(normalisation: str, statistics: dict) -> dict[str, float] | None:
    """{"low", "deep"}: contacts that "quantile" makes 1; None for "observed"."""
    if normalisation == "observed":
        return None
    return {depth: blocks.contacts_statistic(statistics, f"{depth}_q999") for depth in ("low", "deep")}


def clipped(contacts: Tensor, quantile: float) -> Tensor:
    """Contacts on [0, 1]: cut at the quantile and divided by it."""
    return contacts.clamp(max=quantile) / quantile
