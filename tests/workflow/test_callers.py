"""Programs that call loops, in environments of their own, on a small simulated map with planted loops."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import cooler
import numpy as np
import pandas as pd
import pytest

from trifold import loops, programs
from trifold.architectures import ARCHITECTURES
from trifold.data.balance import balance

BIN_BP, PLANTED = 5000, 50
CHROMS = ("chr1", "chr2")


def plant(folder: Path, n_bins: int) -> pd.DataFrame:
    """map.cool, balanced, of two chromosomes whose contacts fall with the distance, and loops.bedpe: chrom, x, y.

    A third chromosome is short and has no contact, as there are in maps of others.
    """
    rng, rows, places = np.random.default_rng(0), [], []
    i, j = np.mgrid[:n_bins, :n_bins]
    for number, chrom in enumerate(CHROMS):
        mean = 60 / (1 + np.abs(i - j)) ** 0.75
        x = rng.choice(np.arange(15, n_bins - 75), PLANTED, replace=False)
        y = x + rng.integers(20, 60, PLANTED)
        for a, b in zip(x, y):
            about = np.s_[a - 6 : a + 7, b - 6 : b + 7]
            mean[about] *= 1 + 4 * np.exp(-((i[about] - a) ** 2 + (j[about] - b) ** 2) / 2)
        bias = rng.uniform(0.8, 1.25, n_bins)
        counts = np.triu(rng.poisson(np.triu(mean * bias[:, None] * bias)))
        row, column = np.nonzero(counts)
        ids = {"bin1_id": row + number * n_bins, "bin2_id": column + number * n_bins}
        rows.append(pd.DataFrame({**ids, "count": counts[row, column]}))
        places.append(pd.DataFrame({"chrom": chrom, "x": x, "y": y}))
    path = str(folder / "map.cool")
    sizes = {**dict.fromkeys(CHROMS, n_bins * BIN_BP), "chrM": 3 * BIN_BP}
    bins = cooler.binnify(pd.Series(sizes), BIN_BP)
    cooler.create_cooler(path, bins, pd.concat(rows))
    balance(path, {"mad_max": 0, "min_nnz": 0})
    table = pd.concat(places, ignore_index=True)
    with open(folder / "loops.bedpe", "w") as out:
        for chrom, a, b in table.itertuples(index=False):
            ends = [(k * BIN_BP, (k + 1) * BIN_BP) for k in (a, b)]
            print(chrom, *ends[0], chrom, *ends[1], sep="\t", file=out)
    return table


# Peakachu draws negatives as far as 5 Mb: its chromosomes must be longer.
@pytest.mark.parametrize(
    ("name", "options", "n_bins", "least_found", "least_right"),
    [
        ("cooltools-dots", {"max_bp": 500_000}, 300, 0.6, 0.8),
        ("mustache", {"fdr": 0.05}, 300, 0.6, 0.8),
        ("peakachu-command", {"threshold": 0.6, "upper": 100}, 1060, 0.5, 0.5),
    ],
)
def test_planted_loops_are_found(repository, tmp_path, name, options, n_bins, least_found, least_right):
    """A share of them, two bins to either side; and of what is called so much is planted."""
    known = plant(tmp_path, n_bins)
    program, out = ARCHITECTURES[name].at("loop"), tmp_path / "called.bedpe"
    environment = tmp_path / "environment"
    requirements = repository / program.folder / program.requirements
    programs.install(environment, requirements, environment, program.complete)
    programs.run(
        program.command,
        program=repository / program.folder,
        environment=environment,
        map_path=tmp_path / "map.cool",
        out=out,
        options={**program.options, **options},
        bin_bp=BIN_BP,
        threads=1,
        loops=[tmp_path / "loops.bedpe"],
    )
    called = loops._read_called(out, BIN_BP)
    assert np.isfinite(called["score"]).all() and called["score"].nunique() > 5
    seen = {chrom: of_chrom[["x", "y"]].to_numpy() for chrom, of_chrom in known.groupby("chrom")}
    last = loops.validate(called.sort_values("score", ascending=False, ignore_index=True), seen, 2).iloc[-1]
    assert last["recall"] >= least_found and last["precision"] >= least_right, last.to_dict()


# ---------------------------------------------------------------- HiCExplorer, which pip does not have


def hicexplorer(repository):
    spec = importlib.util.spec_from_file_location("call", repository / "programs/hicexplorer/call.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_hicexplorer_writes_is_read_as_loops(repository, tmp_path):
    """A file as hicDetectLoops writes it; nothing of one that is not there."""
    call = hicexplorer(repository)
    (made := tmp_path / "loops.bedgraph").write_text(
        "chr1\t500000\t505000\tchr1\t700000\t705000\t0.001\n\nchr2\t10000\t15000\tchr2\t90000\t95000\t0.0\n"
    )
    lines = call.bedpe(made)
    (tmp_path / "out.bedpe").write_text("".join(line + "\n" for line in lines))
    table = loops._read_called(tmp_path / "out.bedpe", 5000)
    assert table[["chrom", "x", "y"]].values.tolist() == [["chr1", 100, 140], ["chr2", 2, 18]]
    np.testing.assert_allclose(table["score"], [3, 300])
    assert call.bedpe(tmp_path / "none") == []
    made.write_text("chr1\t500000\t505000\n")
    with pytest.raises(SystemExit, match="a line of 3 columns, and seven are wanted"):
        call.bedpe(made)


def test_hicexplorer_without_conda_says_what_to_do(repository, tmp_path):
    """And calls whatever hicDetectLoops there is: here one that writes what it was asked."""
    words = [sys.executable, str(repository / "programs/hicexplorer/call.py"), "map.cool", str(tmp_path / "out.bedpe")]
    settings = {"max-bp": 2000000, "window": 5, "peak": 2, "preselection": 0.1, "p-value": 0.025, "least": 0.0001}
    settings |= {"over-expected": 1.5, "environment": "loops", "threads": 1}
    words += [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    (empty := tmp_path / "bin").mkdir()
    done = subprocess.run(words, env={**os.environ, "PATH": str(empty)}, capture_output=True, text=True)
    assert done.returncode and "conda env create -n loops -f programs/hicexplorer/environment.yaml" in done.stderr
    fake = f"#!{sys.executable}\nimport sys\nwords = sys.argv\n"
    fake += f"open({str(tmp_path / 'said')!r}, 'w').write(' '.join(words))\n"
    fake += "out = words[words.index('--outFileName') + 1]\n"
    fake += "open(out, 'w').write('chr1\\t0\\t5\\tchr1\\t50\\t55\\t0.01\\n')\n"
    (empty / "hicDetectLoops").write_text(fake)
    (empty / "hicDetectLoops").chmod(0o755)
    subprocess.run(words, env={**os.environ, "PATH": str(empty)}, check=True)
    assert (tmp_path / "out.bedpe").read_text() == "chr1\t0\t5\tchr1\t50\t55\t.\t2.0\n"
    said = Path(tmp_path / "said").read_text()
    assert (
        "--matrix map.cool" in said and "--peakInteractionsThreshold 0.0001 --obsExpThreshold 1.5 --threads 1" in said
    )
