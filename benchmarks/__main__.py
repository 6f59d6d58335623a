"""Every benchmark in turn: each measures its ratio in one run against the reference and fails below its bound."""

from benchmarks import examples, scale, scc, sequence

for benchmark in (scc, sequence, examples, scale):
    print(f"\n== {benchmark.__name__.removeprefix('benchmarks.')}: {benchmark.__doc__.splitlines()[0]}", flush=True)
    benchmark.main()
