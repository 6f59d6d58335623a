"""What must hold of every map that is made, checked while it is made: a failure is an error with both numbers."""

import os
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from trifold.data.balance import ROW_SUM_TOLERANCE
from trifold.errors import InputError
from trifold.io.cool import Pixels

SIGMAS = 6.0  # how far a thinned map may be from what thinning expects, in standard deviations
CIS_SHARES = 0.02  # difference of two maps' cis shares that is said


class LeftOut:
    """Counts the contacts of a stream of pixels that renumbering drops, by reason.

    new_ids  (n_bins,) as of `contacts.merge`: -1 where the bin is dropped
    """

    def __init__(self, new_ids: np.ndarray):
        self._dropped = new_ids < 0
        self.contacts = {"within excluded chromosomes": 0, "between excluded and other chromosomes": 0}

    def of(self, chunks: Iterable[Pixels]) -> Iterator[Pixels]:
        """The same pixels."""
        for chunk in chunks:
            ends = self._dropped[chunk["bin1_id"]].astype(np.int8) + self._dropped[chunk["bin2_id"]]
            within, between = (int(chunk["count"][ends == number].sum()) for number in (2, 1))
            self.contacts["within excluded chromosomes"] += within
            self.contacts["between excluded and other chromosomes"] += between
            yield chunk


class Total:
    """Counts the contacts of a stream of pixels."""

    def __init__(self):
        self.contacts = 0

    def of(self, chunks: Iterable[Pixels]) -> Iterator[Pixels]:
        """The same pixels."""
        for chunk in chunks:
            self.contacts += int(chunk["count"].sum(dtype=np.int64))
            yield chunk


def check_contacts(called: str | os.PathLike, read: int, left_out: Mapping[str, int], kept: int) -> None:
    """Raise InputError unless all contacts that were read are kept or left out for a reason."""
    if read != kept + sum(left_out.values()):
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in left_out.items())
        raise InputError(
            f"{called}: {read:,} contacts were read, and {kept:,} are kept ({reasons} left out): some are lost; the "
            "file may have changed while it was read: start again"
        )


def check_stored(called: str | os.PathLike, written: int, stored: float) -> None:
    """Raise InputError unless a file holds as many contacts as were written into it."""
    if written != stored:
        raise InputError(
            f"{called}: {written:,} contacts were written, and the file holds {stored:,}: the disk may be full or "
            "damaged; start again"
        )


def check_thinned(called: str | os.PathLike, deep: int, low: int, thin: float) -> None:
    """Raise InputError for a thinned map whose contacts are not binomial of the deep map's, or differ unthinned."""
    expected, sd = deep / thin, np.sqrt(deep / thin * (1 - 1 / thin))
    if abs(low - expected) > SIGMAS * sd:
        raise InputError(
            f"{called}: {low:,} contacts are left of {deep:,}, and 1/{thin:g} of them are {expected:,.0f} ± {sd:,.0f}; "
            "start again"
        )


def check_rows(called: str | os.PathLike, rows: Mapping[str, float]) -> None:
    """Raise InputError for a balanced map whose rows do not sum to 1. rows: mean and sd of the rows of good bins."""
    if not abs(rows["mean"] - 1) < ROW_SUM_TOLERANCE:
        raise InputError(
            f"{called}: rows of the balanced map sum to {rows['mean']:.4g} on average (sd {rows['sd']:.3g}), not to 1; "
            "leave out its chromosomes or bins with few contacts (genome/exclude, balance/min_nnz, balance/mad_max)"
        )


def cis_share(facts: Mapping) -> float:
    """Share of the contacts that lie within chromosomes, of a summary; NaN without a contact."""
    return facts["cis_contacts"] / facts["contacts"] if facts["contacts"] else float("nan")


def cis_advice(deep: Mapping, low: Mapping) -> str | None:
    """The warning for two maps (summaries) of different cis shares: balanced values are then on two scales.

    None where the shares are alike.
    """
    shares = cis_share(deep), cis_share(low)
    alone = [facts["cis_contacts"] == facts["contacts"] for facts in (deep, low)]
    if alone[0] == alone[1] and not abs(shares[0] - shares[1]) > CIS_SHARES:
        return None
    return (
        f"{shares[1]:.1%} of the low map's contacts lie within chromosomes, and {shares[0]:.1%} of the deep map's: "
        "balanced rows sum to 1 over all contacts, so the two are not on one scale; give both with, or both without, "
        "contacts between chromosomes"
    )
