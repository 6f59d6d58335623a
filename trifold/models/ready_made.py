"""Models that come with the package, trained by `experiments/models.yaml`: folders of `resources/models`, with a card.

Each serves maps of any bin width, and needs nothing but the map.

    python -m trifold.models.ready_made results/models/models/trifold/fold-a/seed-1 resources/models/trifold
"""

import shutil
import sys
from pathlib import Path

from trifold import provenance

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "ready_made", PACKAGE.parent / "resources" / "models")  # as pip installs it; in a checkout
KEPT = ("config.yaml", "history.csv", "statistics.json", "weights.safetensors")
DEFAULT = "trifold"  # what `trifold enhance` takes where no model is named


def folders() -> dict[str, Path]:
    """name -> folder of every model that comes with the package."""
    return {path.parent.name: path.parent for place in PLACES for path in sorted(place.glob("*/weights.safetensors"))}


def keep(trained: Path, folder: Path) -> None:
    """Keep a trained model as one of the package: an artifact of what it needs and how it was trained, without the
    last weights and what TensorBoard reads. A card that lies in the folder stays."""
    record = provenance.read_record(trained / provenance.RECORD)
    facts = {"parameters": record["parameters"], "code": record["code"], "seed": record["seed"]}
    with provenance.artifact(
        folder, "model", inputs=[trained / provenance.RECORD], where=record.get("where"), **facts
    ) as made:
        for name in KEPT:
            shutil.copyfile(trained / name, made / name)


if __name__ == "__main__":
    keep(Path(sys.argv[1]), Path(sys.argv[2]))
