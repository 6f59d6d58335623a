from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from trifold import settings
from trifold.code import ROOT
from trifold.errors import InputError

min_version("9.25")


# Settings of config.yaml, arms of the papers, and the experiment that --configfile names (none: experiments/demo.yaml).
try:
    config = settings.complete(config, ROOT)
except InputError as error:
    raise WorkflowError(str(error)) from None


pathvars:
    results=f"results/{config['experiment']}",
    logs=f"logs/{config['experiment']}",
    benchmarks=f"logs/{config['experiment']}/benchmarks",


report: "resources/report/workflow.rst"


include: "rules/experiment.smk"
include: "rules/resources.smk"
include: "rules/data.smk"
include: "rules/inputs.smk"
include: "rules/everything.smk"
include: "rules/callers.smk"
include: "rules/resolve.smk"
include: "rules/fetch.smk"
include: "rules/simulate.smk"
include: "rules/sequence.smk"
include: "rules/contacts.smk"
include: "rules/tracks.smk"
include: "rules/embeddings.smk"
include: "rules/examples.smk"
include: "rules/pairs.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/programs.smk"
include: "rules/evaluate.smk"
include: "rules/structure.smk"
include: "rules/report.smk"
include: "rules/depth.smk"
include: "rules/verify.smk"


# All that belongs to one paper alone.
for paper in config["papers"]:

    include: f"papers/{paper}/rules.smk"


rule all:
    default_target: True
    input:
        "<results>/report/index.html",
        # What a person reads is asked for by name, so that a file that was lost is made again.
        collect("<results>/tables/{table}.tsv", table=["windows", "regions", "distance", "scores", "comparisons"]),
        "<results>/tables/summary.md",
        "<results>/figures",
        "<results>/manifest.json",
        "<results>/ro-crate-metadata.json",
        "<results>/manifest.artifact.json",
        get_all_scores,
    localrule: True


rule data:
    input:
        get_all_examples,
        get_all_tracks,
    localrule: True


rule models:
    input:
        get_all_models,
    localrule: True


rule enhance:
    input:
        collect("<results>/enhanced/{enhanced}/map.mcool", enhanced=config["enhance"]),
    localrule: True


include: "rules/quick.smk"
