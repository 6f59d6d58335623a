"""The command `peakachu`, as installed, with one repair and a seed: python run.py SEED WORD...

Its training draws from a set (`random.sample`), which Python has refused since 3.11; here the set is sorted first. What
it draws itself follows the seed; the forests that it tries in other processes (more than one thread) draw their own.
"""

import random
import runpy
import shutil
import sys

import numpy as np

sample = random.sample


def sample_of_any(population, k, **named):
    """`random.sample` of a set too."""
    return sample(sorted(population) if isinstance(population, set) else population, k, **named)


def main() -> None:
    random.sample = sample_of_any
    seed, *words = sys.argv[1:]
    random.seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002 - what the package draws from
    command = shutil.which("peakachu")
    if command is None:
        sys.exit("peakachu is not installed; name it in requirements.txt")
    sys.argv = [command, *words]
    runpy.run_path(command, run_name="__main__")


if __name__ == "__main__":
    main()
