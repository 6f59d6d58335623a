# What Snakemake asks at every job, answered once: no other job, parameter or version comes of it, and a dry run of 5,000
# jobs takes a third less (benchmarks/jobs.py).

import gc
from functools import cache
from inspect import isfunction, signature

import smart_open

# Not as `script`: rules call a function of that name.
from snakemake import jobs as messages, script as scripts
from snakemake.common import overwrite_function_params
from snakemake.resources import Resource

# Which arguments a function takes: of those in rules, and of the one through which Snakemake calls those of resources.
for rule in workflow.rules:
    # Snakemake has no public name for a resource's function; a version without this one is only slower.
    resources = [getattr(resource, "_value", None) for resource in rule.resources.values()]
    for function in filter(isfunction, [*rule.input, *rule.params, *resources]):
        overwrite_function_params(function, signature(function).parameters)
overwrite_function_params(Resource.evaluate, signature(Resource("threads", 1).evaluate).parameters)

# A job's script is looked for and read at every job. Where its name holds no wildcard, once for each script is enough.
smart_open.parse_uri = cache(smart_open.parse_uri)
get_any_source = scripts.get_source
get_fixed_source = cache(get_any_source)
scripts.get_source = lambda path, sourcecache, basedir=None, wildcards=None, params=None: (
    get_any_source(path, sourcecache, basedir, wildcards, params)
    if "{" in str(path)
    else get_fixed_source(path, sourcecache, basedir)
)

# How a file is named in messages: six flags are looked up for every file of every job, of which nearly none has any.
format_flagged_file = messages.fmt_iofile
messages.fmt_iofile = lambda file, as_input=False, as_output=False: (
    format_flagged_file(file, as_input, as_output) if getattr(file, "flags", None) else f"{file}"
)

# What is made for a job is needed until the end: looking often for what nobody needs any more finds nothing.
gc.freeze()
gc.set_threshold(200_000, 20, 50)
