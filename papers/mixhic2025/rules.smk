# MIX-HIC (docs/mixhic2025.md).


include: "inputs.smk"
include: "tables.smk"
