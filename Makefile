# Every target makes its own set-up: a fresh machine needs Python >= 3.11 and make, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
# OMP_NUM_THREADS, which `nproc` follows, is of the threads in a job.
CORES ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
VENV := .venv
BIN := $(VENV)/bin
# Small real data sets, where they lie beside the checkout; a folder or URL prefix of one's own takes their place.
export TRIFOLD_MIRROR ?= $(wildcard ../shared/mirror)
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: help setup embed demo test test-browser test-slurm test-crate test-downstream chaos lint bench mouse yeast fly gm12878 models simulated clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z0-9 -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(VENV)/.installed: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "trifold needs Python >= 3.11; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -r requirements.txt -c constraints.txt
	touch $@

setup: $(VENV)/.installed ## make .venv with every version pinned

demo: setup ## the whole workflow on the simulated genome, minutes
	$(RUN) snakemake --cores $(CORES)
	@echo "The report: $(CURDIR)/results/demo/report/index.html"

simulated: setup ## the simulated genome with three seeds, tables and figures of the three papers; hours
	$(RUN) snakemake --cores $(CORES) --configfile experiments/simulated.yaml -- all \
		kriukov2021_tables kriukov2021_figures lau2025_tables lau2025_figures mixhic2025_tables mixhic2025_figures
	@echo "The report: $(CURDIR)/results/simulated/report/index.html"

# GM12878's maps are enhanced by the fly's model too.
gm12878: fly

yeast fly gm12878: setup ## real data: yeast (fly, gm12878 likewise)
	$(RUN) snakemake --cores $(CORES) --configfile experiments/$@.yaml
	@echo "The report: $(CURDIR)/results/$@/report/index.html"

# The data sets of three experiments, then the training on all of them and without one organism each.
models: fly ## the ready-made model of resources/models, trained again; an hour or two
	$(RUN) snakemake --cores $(CORES) --configfile experiments/yeast.yaml -- \
		results/yeast/examples/corrected/thinned/G1/fold-a/artifact.json
	$(RUN) snakemake --cores $(CORES) --configfile experiments/gm12878.yaml -- \
		results/gm12878/examples/corrected/low/GM12878/fold-{a,b}/artifact.json
	$(RUN) snakemake --cores $(CORES) --configfile experiments/models.yaml
	$(RUN) python -m trifold.models.ready_made results/models/models/trifold/fold-a/seed-1 resources/models/trifold

embed: $(VENV)/embed/.installed ## what runs language models of DNA (docs/embeddings.md); some 20 MB to download

# In a folder of its own: where Lightning finds transformers, every training starts eight seconds later.
$(VENV)/embed/.installed: requirements-embed.txt $(VENV)/.installed
	$(BIN)/pip install --quiet --no-deps --upgrade --target $(VENV)/embed -r requirements-embed.txt
	touch $@

# Whole workflows first: they take longest, and what is short fills the room they leave.
test: setup embed ## the whole suite
	$(RUN) OMP_NUM_THREADS=1 python -m pytest tests/workflow tests/package tests/models tests/unit \
		-m "not chaos" -n $(CORES) --dist loadfile --no-loadscope-reorder

test-browser: setup ## the report in a real browser (needs chromium)
	$(RUN) python -m pytest tests/browser

test-slurm: setup ## the workflow on a SLURM of its own on this machine (root or sudo; installs slurm-wlm and munge)
	$(RUN) OMP_NUM_THREADS=1 python -m pytest tests/slurm

# rocrate-validator asks for an older rich than the workflow has; of rocrate only the context file is used.
$(VENV)-crate/.installed: tests/crate/requirements.txt
	$(PYTHON) -m venv $(VENV)-crate
	$(VENV)-crate/bin/pip install --quiet -r $<
	$(VENV)-crate/bin/pip install --quiet --no-deps rocrate==0.14.0
	touch $@

test-crate: setup $(VENV)-crate/.installed ## the RO-Crate of a smoke run against its profiles
	$(RUN) OMP_NUM_THREADS=1 python tests/crate/check.py

$(VENV)-downstream/.installed: tests/downstream/requirements.txt
	$(PYTHON) -m venv $(VENV)-downstream
	$(VENV)-downstream/bin/pip install --quiet -r $<
	touch $@

test-downstream: setup $(VENV)-downstream/.installed ## cooltools, chromosight, HiGlass's tiles and hictk on a run's maps
	$(RUN) OMP_NUM_THREADS=1 python tests/downstream/check.py

chaos: setup ## kills, a full disk and damaged files: at chosen and at random moments of a smoke run
	$(RUN) OMP_NUM_THREADS=1 python -m pytest tests/workflow -m chaos
	$(RUN) OMP_NUM_THREADS=1 python tests/chaos/faults.py

lint: setup ## ruff, snakefmt, pyright, snakemake --lint
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile rules papers
	$(RUN) pyright
	$(RUN) snakemake --lint

bench: setup ## every figure of speed and memory, as ratios measured in one run
	$(RUN) python -m benchmarks

mouse: setup ## a mouse's map end to end, 25 to 400 Mb: time, memory and growth of every step
	$(RUN) python -m benchmarks.mouse

clean: ## remove results and logs (not the downloads)
	rm -rf results logs
