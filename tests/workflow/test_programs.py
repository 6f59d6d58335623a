"""Programs of others as arms: a folder, and no line elsewhere."""

import json

import cooler
import numpy as np
import pandas as pd
import pytest

# Shares every pixel of the low map among the finer ones, and forgets half of the contacts if it is told so.
MAP = """
import sys

import cooler
import numpy as np
import pandas as pd
from fine import fine_pixels

low, out, bin_bp, share = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
clr = cooler.Cooler(low)
factor, rows, offset = clr.binsize // bin_bp, [], 0
for chrom, size in clr.chromsizes.items():
    n = -(-size // bin_bp)
    values = np.nan_to_num(clr.matrix(balance=True).fetch(chrom))
    fine = fine_pixels(values, factor)[:n, :n] * share
    i, j = np.nonzero(np.triu(fine))
    rows.append(pd.DataFrame({"bin1_id": offset + i, "bin2_id": offset + j, "count": fine[i, j]}))
    offset += n
bins = cooler.binnify(clr.chromsizes, bin_bp)
bins["weight"] = 1.0
cooler.create_cooler(out, bins, pd.concat(rows), dtypes={"count": float})
"""
# Imported by the other, so that Python leaves its bytecode in the folder.
FINE = """
import numpy as np


def fine_pixels(values, factor):
    return np.kron(values, np.ones((factor, factor))) / factor
"""
# Told of loops that were seen, it must be able to read them.
LOOPS = """
import os
import sys

import cooler
import numpy as np

clr, step = cooler.Cooler(sys.argv[1]), int(sys.argv[3])
for path in sys.argv[4].split(os.pathsep):
    assert open(path).readline().startswith("chr")
with open(sys.argv[2], "w") as out:
    for chrom in clr.chromnames:
        values = np.nan_to_num(np.diagonal(clr.matrix(balance=True).fetch(chrom), step))
        for i in np.argsort(-values)[:20]:
            ends = [i * clr.binsize, (i + 1) * clr.binsize, (i + step) * clr.binsize, (i + step + 1) * clr.binsize]
            print(chrom, ends[0], ends[1], chrom, ends[2], ends[3], ".", values[i], sep="\\t", file=out)
"""
PROGRAMS = {
    "share/program.yaml": """
task: maps
command: python {folder}/share.py {map} {out} {bin_bp} {share}
options: {share: 1.0}
""",
    "share/share.py": MAP,
    "share/fine.py": FINE,
    "lag/program.yaml": """
task: loop
command: python {folder}/lag.py {map} {out} {step} {loops}
options: {step: 8}
requirements: none.txt
complete: true
""",
    "lag/lag.py": LOOPS,
    "lag/none.txt": "# Nothing: an environment of its own with what the system has.\n",
}
ARMS = """
genome: {tss: simulated/promoters.bed}
samples: {alpha: {loops: [simulated/alpha.chiapet.bedpe, simulated/alpha.chiapet.bedpe]}}
pairs: {max_loop_bins: 100, band_bins: 200, search: {min_bins: 6, tolerance_bins: 2}}
arms:
  shared-out: {architecture: share}
"""


@pytest.fixture
def workspace(copy_of_finished):
    for name, text in PROGRAMS.items():
        path = copy_of_finished.folder / "programs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    copy_of_finished.overlay("programs.yaml", ARMS)
    return copy_of_finished


def test_a_map_of_a_program_is_scored_as_any_other(workspace):
    assert workspace.jobs() == {}, "a program that no arm names re-runs nothing"
    named = ("--configfile", "smoke.yaml", "programs.yaml")
    new = {"run_program": 1, "evaluate": 1, "tables": 1, "report": 1, "manifest": 1}
    assert workspace.jobs(*named, configfile=None) == new
    workspace.run("results/smoke/tables/scores.tsv", *named, configfile=None)
    results = workspace.folder / "results/smoke"
    scores = pd.read_csv(results / "tables/scores.tsv", sep="\t")
    assert "shared-out" in set(scores["arm"])
    made = cooler.Cooler(str(results / "predictions/shared-out/fold-a/seed-0/alpha/map.cool"))
    low = cooler.Cooler(str(results / "contacts/alpha/low/map.cool"))
    assert (made.binsize, low.binsize) == (256, 512)
    ours, theirs = (clr.matrix(balance=True).fetch("chr6") for clr in (made, low))
    np.testing.assert_allclose(np.nansum(ours[:64, :64]), 2 * np.nansum(theirs[:32, :32]), rtol=1e-6)
    assert (workspace.folder / "programs/share/__pycache__").is_dir()
    (workspace.folder / "programs/share/.share.py.swp").touch()
    assert workspace.jobs(*named, configfile=None) == {"report": 1, "manifest": 1}
    # Editing the program runs it anew, and what reads its map.
    workspace.edit("programs/share/share.py", "import sys", "import sys  # once more")
    assert workspace.jobs(*named, configfile=None) == new


def test_loops_of_a_program_are_held_against_those_seen(workspace):
    workspace.edit(
        "programs.yaml", "shared-out: {architecture: share}", "lagging: {architecture: lag, options: {step: 9}}"
    )
    named = ("--configfile", "smoke.yaml", "programs.yaml")
    assert workspace.jobs(*named, configfile=None) == {
        "install_program": 1,
        "call_loops": 1,
        "report": 1,
        "manifest": 1,
    }
    folder = "results/smoke/loops/lagging/fold-a/seed-0/alpha"
    # The environment has none of what the program imports.
    text = workspace.run(*named, "--", f"{folder}/validation.tsv", configfile=None, check=False).text
    assert "programs/lag/program.yaml" in text and "ended with code 1" in text and "No module named" in text
    record = workspace.folder / "resources/environments/lag/artifact.json"
    assert json.loads(record.read_text())["parameters"] == {"complete": True}
    workspace.edit("programs/lag/program.yaml", "requirements: none.txt\ncomplete: true\n", "")
    workspace.run("--configfile", "smoke.yaml", "programs.yaml", "--", f"{folder}/validation.tsv", configfile=None)
    loops = pd.read_csv(workspace.folder / folder / "loops.bedpe", sep="\t")
    assert set(loops["#chrom1"]) == {"chr6"} and len(loops) == 20
    assert (loops["start2"] - loops["start1"] == 9 * 256).all() and loops["score"].is_monotonic_decreasing
    table = pd.read_csv(workspace.folder / folder / "validation.tsv", sep="\t")
    assert table["loops"].iloc[-1] == 20 and 0 <= table["precision"].iloc[-1] <= 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{map} {out}", "{low} {out}", "programs/share/program.yaml: command: 'low' is not known; it may name {map}"),
        ("python {folder}", "pythia {folder}", "programs/share/program.yaml: command: pythia cannot be started"),
        ("share.py {map} {out}", "share.py {map} {out}.other", "wrote no {out}"),
    ],
)
def test_a_command_that_cannot_work_is_one_error(workspace, old, new, message):
    workspace.edit("programs/share/program.yaml", old, new)
    target = "results/smoke/predictions/shared-out/fold-a/seed-0/alpha/map.cool"
    done = workspace.run("--configfile", "smoke.yaml", "programs.yaml", "--", target, configfile=None, check=False)
    assert done.returncode and message in done.text
    assert not (workspace.folder / target).exists()
