"""The script that calls loops with ChromoSight, beside a stand-in: what it is told, what becomes of its table."""

import os
import subprocess
import sys

import pytest

STAND_IN = """#!{python}
import sys

open({told!r}, "w").write("\\n".join(sys.argv[1:]))
print("100%|####| 5/5")
print("it says")
table = {table!r}
if table:
    open(sys.argv[-1] + ".tsv", "w").write(table)
sys.exit({status})
"""
# Columns as ChromoSight 1.6 writes them.
TABLE = """chrom1\tstart1\tend1\tchrom2\tstart2\tend2\tbin1\tbin2\tkernel_id\titeration\tscore\tpvalue\tqvalue
chr1\t30000\t40000\tchr1\t90000\t100000\t3\t9\t0\t0\t0.75\t0.01\t0.02
chr2\t0\t10000\tchr2\t50000\t60000\t30\t35\t0\t0\t0.5\t0.03\t0.04
"""


@pytest.fixture
def call(tmp_path, repository):
    """Run the script with a stand-in that writes a table and ends with a status; what it printed, and its status."""

    def run(table, status=0):
        stand_in, told = tmp_path / "chromosight", tmp_path / "told"
        stand_in.write_text(STAND_IN.format(python=sys.executable, told=str(told), table=table, status=status))
        stand_in.chmod(0o755)
        words = ["map.cool", tmp_path / "out.bedpe", "--min-bp", "8000", "--max-bp", "44000"]
        words += ["--pearson", "0.3", "--threads", "2"]
        script = repository / "programs/chromosight/call.py"
        environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run([sys.executable, script, *words], env=environment, capture_output=True, text=True)
        return done, told.read_text().split("\n")

    return run


def test_loops_are_a_bedpe_with_the_correlation_as_the_score(call, tmp_path):
    done, told = call(TABLE)
    assert done.returncode == 0 and done.stdout == "it says\n"
    assert told[:-1] == [
        *("detect", "--pattern", "loops", "--no-plotting", "--threads", "2"),
        *("--min-dist", "8000", "--max-dist", "44000", "--pearson", "0.3", "map.cool"),
    ]
    assert (tmp_path / "out.bedpe").read_text().splitlines() == [
        "chr1\t30000\t40000\tchr1\t90000\t100000\t.\t0.75",
        "chr2\t0\t10000\tchr2\t50000\t60000\t.\t0.5",
    ]


def test_without_a_loop_the_bedpe_is_empty_and_a_failure_is_one(call, tmp_path):
    assert call("")[0].returncode == 0 and (tmp_path / "out.bedpe").read_text() == ""
    (tmp_path / "out.bedpe").unlink()
    done, _ = call(TABLE, status=3)
    assert done.returncode == 3 and "it says" in done.stdout and not (tmp_path / "out.bedpe").exists()
