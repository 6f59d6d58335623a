"""Augmentation of training windows: the reverse strand and small shifts of the sequence.

The draw depends on (seed, epoch, index of the window) alone, so the number of workers and a resumed training change
nothing.

- Reverse complement, p = 0.5: one transform of sequence, maps, tracks, mask and targets together.
- Shift: the sequence is read up to `shift_bp` to either side; the map and the tracks, whose bins are far wider, stay.

Deviations of "corrected" from Kriukov2021 (and Akita): the bases that enter are the neighbouring ones instead of
padding, and shifts -n ... n are equally likely; "published" pads with N and draws from -(n - 1) ... n with 0 twice as
likely, as the released code does. Both draw per window, where the released code draws per batch of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.data.sequence import SequenceStore
from trifold.errors import InputError
from trifold.genome import N_CODE, reverse_complement

# What lies along the bins of a window: the last axis (tracks, mask) or the last two (maps).
_ONE_AXIS = ("tracks", "tracks_valid", "embeddings", "embeddings_valid", "bias", "low_valid", "valid")
_TWO_AXES = ("map", "map_coarse", "map_expected", "observed", "oe", "counts", "rates", "rates_expected")


@dataclass(frozen=True)
class Augmentation:
    """What is drawn for a training window."""

    reverse_complement: bool = True
    shift_bp: int = 0
    protocol: str = "corrected"

    def draw(self, seed: int, epoch: int, index: int) -> tuple[bool, int]:
        """(reverse, shift_bp) of one window in one epoch."""
        rng = np.random.default_rng([seed, epoch, index])
        reverse, n = rng.random() < 0.5, self.shift_bp
        if self.protocol == "published" and n:
            shift = rng.choice(np.r_[1 - n : n + 1, 0])
        else:
            shift = rng.integers(-n, n, endpoint=True)
        return bool(reverse and self.reverse_complement), int(shift)

    def check(self, bin_bp: int) -> None:
        """Raises InputError for a shift that the map and the tracks would have to follow."""
        if not 0 <= self.shift_bp < bin_bp:
            raise InputError(
                f"config: training/shift_bp: {self.shift_bp} is not between 0 and the bin width ({bin_bp} bp), and "
                "maps are not shifted with the sequence; choose a smaller shift"
            )


def read_shifted(
    sequence: SequenceStore, chrom: str, start_bp: int, end_bp: int, shift_bp: int, protocol: str
) -> np.ndarray:
    """Codes, uint8 (end - start,), of a window read `shift_bp` to the right.

    "published": bases from outside the window are N.
    """
    codes = sequence.window(chrom, start_bp + shift_bp, end_bp + shift_bp)
    if protocol == "published" and shift_bp > 0:
        codes[-shift_bp:] = N_CODE
    elif protocol == "published" and shift_bp < 0:
        codes[:-shift_bp] = N_CODE
    return codes


def reverse(window: dict[str, np.ndarray], strands: Sequence[tuple[int, int]] = ()) -> dict[str, np.ndarray]:
    """The same window seen from the other strand; applied twice it is the identity.

    strands: pairs of tracks, by their numbers, that are the two strands of one assay: they change places.

    `sequence` (L,) is reverse complemented; what lies along the bins (tracks, embeddings, bias, masks) is reversed, and
    the maps (1, W, W) along both axes; other keys stay.
    """
    turned = dict(window)
    for key in ("tracks", "tracks_valid"):
        if strands and key in window:
            order = np.arange(len(window[key]))
            for plus, minus in strands:
                order[[plus, minus]] = minus, plus
            window = {**window, key: window[key][order]}
    for key, array in window.items():
        if key == "sequence":
            turned[key] = reverse_complement(array)
        elif key in _ONE_AXIS:
            turned[key] = np.ascontiguousarray(array[..., ::-1])
        elif key in _TWO_AXES:
            turned[key] = np.ascontiguousarray(array[..., ::-1, ::-1])
    return turned
