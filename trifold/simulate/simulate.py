"""The simulated genome, whole: sequence, annotation, and per cell type maps, reads and loops."""

import logging
from pathlib import Path

from trifold import config
from trifold.simulate import assays, folding, genome

logger = logging.getLogger(__name__)


def simulate(out: Path, fields: dict) -> None:
    """Write a simulated genome and its assays into the folder `out`, in the formats a portal would deliver.

    `given`: exactly the fields of `genome.Settings`. Writes ``genome.fa.gz``, ``ctcf.bed``, ``promoters.bed``,
    ``compartments.bed`` and per cell type ``.mcool``, ``.truth.cool``, ``.atac.bam`` (unsorted), ``.dnase.bam``,
    ``.cage.bam``, ``.chiapet.bedpe``, ``.planted.bedpe`` and ``.planted.bed``; of a name in `without_loops` the maps
    and the planted files, which are empty. The seed fixes every value; all but the HDF5 files are the same bytes.
    Raises InputError on settings that cannot be simulated.
    """
    settings: genome.Settings = config.from_dict(genome.Settings, fields)
    out = Path(out)
    chromosomes = [genome.make_chromosome(name, settings) for name in settings.chromosomes]
    genome.write_fasta(out / "genome.fa.gz", chromosomes)
    genome.write_annotation(out, chromosomes, settings.cells)
    logger.info("sequence: %d chromosomes, %d bp", len(chromosomes), sum(c.length_bp for c in chromosomes))

    bins = folding.bin_table(chromosomes)
    resolutions = [settings.bin_bp << level for level in range(settings.resolutions)]
    biases = [folding.bias(chromosome, settings) for chromosome in chromosomes]
    used = [chromosome.mappable > 0 for chromosome in chromosomes]
    for name in (*settings.cells, *settings.without_loops):
        cell = name if name in settings.cells else None
        bands = [folding.loops(chromosome, cell, settings) for chromosome in chromosomes]
        maps = [
            folding.expected_map(chromosome, occupancy, settings)
            for chromosome, (occupancy, _) in zip(chromosomes, bands)
        ]
        folding.write_truth(out / f"{name}.truth.cool", bins, maps, used, settings.background)
        rng = genome.stream(settings.seed, "contacts", name)
        pixels = folding.draw_counts(rng, maps, biases, settings.contacts, settings.background)
        folding.write_mcool(out / f"{name}.mcool", bins, pixels, resolutions)
        logger.info("%s: %d contacts in %d pixels", name, pixels["count"].sum(), len(pixels))
        assays.write_planted(out, name, chromosomes, bands, cell)
        if cell is None:
            continue
        for assay in ("atac", "dnase", "cage"):
            assays.write_reads(out / f"{cell}.{assay}.bam", chromosomes, cell, assay, settings)
        anchored = [held for _, held in bands]
        assays.write_loops(out / f"{cell}.chiapet.bedpe", chromosomes, anchored, cell, settings)
