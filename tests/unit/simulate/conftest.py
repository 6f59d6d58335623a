"""One small simulated genome for the whole folder: two chromosomes, two cell types, deep enough to compare values."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from trifold import config
from trifold.simulate import folding, genome
from trifold.simulate.simulate import simulate

SETTINGS = {
    "seed": 3,
    "bin_bp": 1024,
    "resolutions": 2,
    "chromosomes": {"chrI": 1_000_123, "chrII": 800_000},
    "cells": ["alpha", "beta"],
    "without_loops": ["flat"],
    "contacts": 12_000_000,
    "band_bp": 131_072,
    "background": 0.03,
    "domain_bp": 25_000,
    "barrier_strong": 0.8,
    "barrier_weak": 0.4,
    "switch_share": 0.25,
    "processivity_bp": 80_000,
    "stall_bp": 80_000,
    "cohesin_bp": 8_000,
    "compartment_bp": 56_000,
    "compartment_strength": 0.6,
    "gc": [0.38, 0.52],
    "bias_sd": 0.2,
    "gaps": 1,
    "gap_bp": 8_000,
    "masked_share": 0.3,
    "promoter_bp": 30_000,
    "reads": {"atac": 8_000, "dnase": 12_000, "cage": 6_000, "chiapet": 4_000},
}


@dataclass
class World:
    folder: Path
    settings: genome.Settings
    chromosomes: list[genome.Chromosome]
    maps: dict  # cell type -> one expected band per chromosome
    biases: list


@pytest.fixture(scope="session")
def settings() -> dict:
    return SETTINGS


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    """The files `simulate` writes, and what they were drawn from."""
    folder = tmp_path_factory.mktemp("simulated")
    simulate(folder, SETTINGS)
    frozen = config.from_dict(genome.Settings, SETTINGS)
    chromosomes = [genome.make_chromosome(name, frozen) for name in frozen.chromosomes]
    maps = {
        cell: [folding.expected_map(c, folding.loops(c, cell, frozen)[0], frozen) for c in chromosomes]
        for cell in frozen.cells
    }
    return World(folder, frozen, chromosomes, maps, [folding.bias(c, frozen) for c in chromosomes])
