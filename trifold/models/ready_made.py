"""Models that come with the package, trained by `experiments/models.yaml`: folders of `resources/models`, with a card.

Each serves maps of any bin width, and needs nothing but the map.
"""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "ready_made", PACKAGE.parent / "resources" / "models")  # as pip installs it; in a checkout
DEFAULT = "trifold"  # what `trifold enhance` takes where no model is named


def folders() -> dict[str, Path]:
    """name -> folder of every model that comes with the package."""
    return {path.parent.name: path.parent for place in PLACES for path in sorted(place.glob("*/weights.safetensors"))}
