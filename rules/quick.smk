# What Snakemake asks at every job, answered once: no other job, parameter or version comes of it, and a dry run of 5,000
# jobs takes a third less (benchmarks/jobs.py).

import gc
from functools import cache
from inspect import isfunction, signature

import smart_open
from snakemake.common import overwrite_function_params
from snakemake.resources import Resource

# Which arguments a function takes: of those in rules, and of the one through which Snakemake calls those of resources.
for rule in workflow.rules:
    # Snakemake has no public name for a resource's function; a version without this one is only slower.
    resources = [getattr(resource, "_value", None) for resource in rule.resources.values()]
    for function in filter(isfunction, [*rule.input, *rule.params, *resources]):
        overwrite_function_params(function, signature(function).parameters)
overwrite_function_params(Resource.evaluate, signature(Resource("threads", 1).evaluate).parameters)

# Where a job's script lies: asked three times, with a new class made for every answer.
smart_open.parse_uri = cache(smart_open.parse_uri)

# What is made for a job is needed until the end: looking often for what nobody needs any more finds nothing.
gc.freeze()
gc.set_threshold(200_000, 20, 50)
