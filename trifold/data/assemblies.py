"""Which assembly a map is of, guessed from the lengths of its chromosomes."""

from collections.abc import Mapping

# Lengths in bp of chromosomes that tell the assemblies apart (UCSC's names, without "chr").
LENGTHS_BP: dict[str, dict[str, int]] = {
    "hg19": {"1": 249250621, "2": 243199373, "21": 48129895, "22": 51304566, "X": 155270560},
    "hg38": {"1": 248956422, "2": 242193529, "21": 46709983, "22": 50818468, "X": 156040895},
    "mm9": {"1": 197195432, "2": 181748087, "19": 61342430, "X": 166650296},
    "mm10": {"1": 195471971, "2": 182113224, "19": 61431566, "X": 171031299},
    "mm39": {"1": 195154279, "2": 181755017, "19": 61420004, "X": 169476592},
    "dm3": {"2L": 23011544, "2R": 21146708, "3L": 24543557, "3R": 27905053, "X": 22422827},
    "dm6": {"2L": 23513712, "2R": 25286936, "3L": 28110227, "3R": 32079331, "X": 23542271},
    "sacCer3": {"I": 230218, "II": 813184, "IV": 1531933, "VII": 1090940, "XVI": 948066},
    "ce10": {"I": 15072423, "II": 15279345, "III": 13783700, "IV": 17493793, "V": 20924149, "X": 17718866},
    "ce11": {"I": 15072434, "II": 15279421, "III": 13783801, "IV": 17493829, "V": 20924180, "X": 17718942},
    "danRer11": {"1": 59578282, "2": 59640629, "3": 62628489, "25": 37502051},
}


def guess(chromsizes: Mapping[str, int]) -> str | None:
    """Name of the assembly with chromosomes of these names (with or without "chr") and lengths; None if unknown."""
    lengths = {name.removeprefix("chr"): length_bp for name, length_bp in chromsizes.items()}
    for assembly, known in LENGTHS_BP.items():
        shared = known.keys() & lengths.keys()
        if shared and all(known[name] == lengths[name] for name in shared):
            return assembly
    return None
