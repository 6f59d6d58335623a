"""Checkpoints of trainings under way: one folder per version of a model, `training.json` in it says of which model.

A training whose version has changed cannot go on from the checkpoints of before: its log says what changed.
"""

import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from trifold import provenance

logger = logging.getLogger(__name__)

FACTS = "training.json"
# Of the parameters that differ, as many as one can read in a line.
SHOWN = 5


def _flat(value, name: str = "") -> Iterator[tuple[str, object]]:
    """Leaves of nested settings: ("arm/training/epochs", 3)."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _flat(child, f"{name}/{key}".lstrip("/"))
    else:
        yield name, value


def differences(before: dict, now: dict) -> str:
    """What of `provenance.Made`, as JSON holds it, is no longer the same, in words."""
    old, new = dict(_flat(before["parameters"])), dict(_flat(now["parameters"]))
    changed = [
        f"{name} {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name, "absent") != new.get(name, "absent")
    ]
    changed = [*changed[:SHOWN], f"{len(changed) - SHOWN} more"] if len(changed) > SHOWN else changed
    changes = [f"the parameters ({', '.join(changed)})"] if changed else []
    if before["code"] != now["code"]:
        changes.append(f"the code ({before['code']} -> {now['code']})")
    if sorted(before["inputs"].values()) != sorted(now["inputs"].values()):
        names = [path for path, version in now["inputs"].items() if before["inputs"].get(path) != version]
        gone = [path for path in before["inputs"] if path not in now["inputs"]]
        changes.append(f"the inputs ({', '.join(names + gone)})")
    return ", ".join(changes) or "the schema of the records"


def _of(root: Path, model: str) -> list[tuple[Path, dict]]:
    """Folders of a model's checkpoints, of any version, and what they are of; those without facts are nobody's."""
    folders = []
    for path in sorted(root.glob(f"*/{FACTS}")):
        try:
            facts = json.loads(path.read_text())
            if facts["model"] == model:
                folders.append((path.parent, facts["made"]))
        except (KeyError, OSError, TypeError, ValueError):
            continue
    return folders


def begin(root: str | os.PathLike, model: str | os.PathLike, partial: provenance.Folder) -> Path:
    """The folder for the checkpoints of the model that is made in `partial`; `model` is where it will lie.

    The log says why it starts from the beginning where a training of another version was begun.
    """
    folder = Path(root) / partial.version
    now = json.loads(json.dumps(partial.made._asdict(), default=str))
    if not (folder / "last.ckpt").exists():
        for other, before in _of(Path(root), str(model)):
            if other != folder:
                logger.info(
                    "training starts from epoch 1: the checkpoints in %s are of another version of this model, what "
                    "differs: %s",
                    other,
                    differences(before, now),
                )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).write_text(json.dumps({"model": str(model), "made": now}, indent=1, sort_keys=True) + "\n")
    return folder


def end(root: str | os.PathLike, model: str | os.PathLike) -> None:
    """Remove the checkpoints of a model that is trained, those of its earlier versions too; others' stay."""
    for folder, _ in _of(Path(root), str(model)):
        shutil.rmtree(folder)
