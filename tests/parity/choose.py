"""Choose the reference outputs that lie in the repository from the whole of them.

    PYTHONPATH=tests python tests/parity/choose.py ../shared/parity

Weights that the recipe makes are not stored, nor an array twice, nor what `LEFT_OUT` names. The same input gives the
same bytes. `tests/unit/test_parity_subset.py` holds the result to the whole files.
"""

import hashlib
import io
import json
import sys
import zipfile
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from parity.subset import FOLDER, INDEX, KERAS, MULTIMODAL, digest, weight

# File -> prefix of its weights' names and their gain; None: it has none.
CHOSEN: dict[str, tuple[str, float | str | None] | None] = {
    "enhancement/akita_dl2021_akita_recipe": None,
    "enhancement/akita_dl2021_graph_head_small": ("A.", 1.0),
    "enhancement/akita_dl2021_graph_symm_head_small": ("A.", 1.0),
    "enhancement/akita_targets_and_dl2021_preprocessing": None,
    "enhancement/akita_tf_basenji_131kb": ("TF.", 0.2),
    "enhancement/deephic_discriminator": ("D.", None),
    "enhancement/deephic_generator": ("G.", None),
    "enhancement/hicfoundation_mae_tiny": ("MAE.", None),
    "enhancement/hicfoundation_ssim": None,
    "enhancement/hicfoundation_tiny_task0": ("HF.", None),
    "enhancement/hicfoundation_tiny_task3": ("HF.", None),
    "enhancement/hicplus": ("", None),
    "enhancement/hicsr_dae_recipe": None,
    "enhancement/hicsr_vehicle_discriminators_recipe": None,
    "enhancement/hicsr_vehicle_generator_1res": ("G.", 0.5),
    "enhancement/hybrid_head": ("H.", None),
    "enhancement/lau_mse_ssim_loss": None,
    "enhancement/lau_sequence_cnn_recipe": None,
    "enhancement/lau_tiny_seq_vit": ("LAU.", None),
    "enhancement/scc": None,
    "enhancement/vehicle_insulation": None,
    "enhancement/vehicle_preprocessing": None,
    "enhancement/vehicle_total_loss_recipe": None,
    "enhancement/vehicle_vae_dl2021_188_recipe": None,
    "multimodal/dloopcaller": ("", MULTIMODAL),
    "multimodal/dloopcaller_50": ("", MULTIMODAL),
    "multimodal/graphreg_epi_cnn_f2": ("", f"{KERAS}1.0"),
    "multimodal/graphreg_epi_graphreg_f2": ("", f"{KERAS}1.8"),
    "multimodal/mixhic_cage_d8": ("", MULTIMODAL),
    "multimodal/mixhic_loop_d8": ("", MULTIMODAL),
    "multimodal/mixhic_map_d8": ("", MULTIMODAL),
    "multimodal/mixhic_pretrain_d8": ("", MULTIMODAL),
    "multimodal/mixhic_windows": None,
    "multimodal/refhic_pool": None,
}
# What is large beside what it checks, and what no test reads.
LEFT_OUT = {
    "enhancement/deephic_generator": ["ssim_*"],
    "enhancement/scc": ["*/smooth_h1_a"],
    "multimodal/mixhic_cage_d8": ["*_norope/*/mid/seq_upsampleTrans", "*/infer_map/mid/seq_upsampleTrans"],
    "multimodal/mixhic_pretrain_d8": [
        "ref/mid/seq_input_projection",
        "ref/mid/patch_embedding",
        "ref/mid/map_downsampleTrans.encoderlayer_0",
    ],
    "multimodal/mixhic_windows": ["track_*", "nodes*"],
}
SHORT = 1024  # bytes; a reference takes as much room as an array of fewer
EPOCH = (1980, 1, 1, 0, 0, 0)


def made(array: np.ndarray, key: str, prefix: str, gain: float | str | None) -> list | None:
    """Arguments of `subset.weight` that give the array bit for bit; None where none do."""
    # HiCFoundation's head holds its patch embedding under two names; both have the tensors of the short one.
    for name in (key, key.replace("vit_backbone.patch_embed.", "patch_embed.")):
        asked = [prefix + name, gain, list(array.shape)]
        if identical(weight(*asked), array):
            return asked
    return None


def identical(first: np.ndarray, second: np.ndarray) -> bool:
    return (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes())


def write(path: Path, arrays: dict[str, np.ndarray], index: dict) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for key, array in sorted(arrays.items()):
            np.lib.format.write_array(buffer := io.BytesIO(), array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", EPOCH), buffer.getvalue(), zipfile.ZIP_LZMA)
        text = json.dumps(index, sort_keys=True, separators=(",", ":"))
        archive.writestr(zipfile.ZipInfo(INDEX, EPOCH), text, zipfile.ZIP_LZMA)


def main(shared: Path) -> None:
    places: dict[str, tuple[str, str]] = {}
    for name, weights in CHOSEN.items():
        whole, stored = np.load(shared / f"{name}.npz"), {}
        index: dict = {"made": {}, "same": {}, "left_out": []}
        for key in sorted(whole.files):
            array = whole[key]
            if any(fnmatchcase(key, pattern) for pattern in LEFT_OUT.get(name, [])):
                index["left_out"].append(key)
                continue
            if weights and key.startswith("sd/") and (asked := made(array, key.removeprefix("sd/"), *weights)):
                index["made"][key] = asked
                continue
            content = hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).hexdigest()
            if array.nbytes > SHORT and content in places:
                index["same"][key] = places[content]
                continue
            places[content] = name, key
            stored[key] = array
        index["weights"] = digest(whole, index["made"])
        write(FOLDER / f"{name}.npz", stored, index)
    sizes = {path: path.stat().st_size for path in sorted(FOLDER.rglob("*.npz"))}
    for path, size in sizes.items():
        print(f"{size:>9,}  {path.relative_to(FOLDER)}")
    print(f"{sum(sizes.values()):>9,}  in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
