"""Settings as they are put together and refused: layers, types, order, and one line for every mistake."""

import copy
import re
import subprocess
import sys

import jsonschema
import pytest
import yaml

from trifold import plan, settings
from trifold.errors import InputError

MINE = """
experiment: mine
samples: {one: {contacts: one.mcool}}
geometry: {bin_bp: 5000, window_bins: 64, stride_bins: {train: 16, validation: 64, test: 64}}
degradations: {low: {thin: 16}}
splits: {a: {kind: chromosomes, validation: [chr1], test: [chr2]}}
arms: {identity: {architecture: identity}, image: {architecture: vehicle, training: {epochs: 2}}}
evaluate: {samples: [one]}
"""


def together(base, over):
    """As Snakemake merges one --configfile over another."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return {**base, **{key: together(base.get(key), own) for key, own in over.items()}}


@pytest.fixture
def complete(repository):
    """What becomes of the experiment `mine` with some YAML over it."""

    def made(over: str = "", base: str = MINE) -> dict:
        return settings.complete(together(yaml.safe_load(base), yaml.safe_load(over) or {}), repository)

    return made


@pytest.fixture
def refused(complete):
    """The one line that the experiment `mine` with some YAML over it is refused with."""

    def line(over: str, base: str = MINE) -> str:
        with pytest.raises(InputError) as caught:
            complete(over, base)
        text = str(caught.value)
        assert text.startswith("config: ") and "\n" not in text and len(text) < 400
        return text.removeprefix("config: ")

    return line


# ---------------------------------------------------------------- layers


def test_d2_an_experiment_has_what_it_names_and_nothing_else(complete):
    made = complete()
    assert list(made["samples"]) == ["one"] and list(made["arms"]) == ["identity", "image"]
    assert list(made["degradations"]) == ["low"] and list(made["splits"]) == ["a"]
    assert made["papers"] == [] and {"kriukov2021", "lau2025", "mixhic2025"}.isdisjoint(made)
    assert made["training"]["learning_rate"] == 0.001 and made["predict"]["stride_bins"] is None


def test_who_names_no_experiment_runs_the_demo(complete):
    made = complete("seeds: [4]\ntraining: {epochs: 3}", base="{}")
    assert made["experiment"] == "demo" and made["seeds"] == [4] and made["training"]["epochs"] == 3
    assert list(made["samples"]) == ["alpha", "beta"] and made["papers"] == ["kriukov2021", "lau2025", "mixhic2025"]


def test_a_user_changes_config_yaml_below_everything(repository, tmp_path):
    for name in ("resources/schemas", "papers", "experiments"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(repository / name)
    text = (repository / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("epochs: 10 ", "epochs: 77 "))
    made = settings.complete(yaml.safe_load(MINE), tmp_path)
    assert made["training"]["epochs"] == 77 and made["arms"]["image"]["training"] == {"epochs": 2}


def test_a_papers_arms_come_behind_the_experiments_own_and_below_what_it_says(complete):
    made = complete(
        "papers: [kriukov2021]\nsize: demo\narms: {mine: {architecture: bicubic}, vae: {training: {epochs: 9}}}"
    )
    names = list(made["arms"])
    assert names[:4] == ["identity", "image", "mine", "graph"] and "vehicle-published" in names
    assert made["arms"]["vae"]["training"] == {"epochs": 9, "batch_size": 8, "stride_bins": 32}
    assert made["kriukov2021"]["table1"]["Ours"] == ["graph", "graph-published"]


def test_sizes_of_a_paper_differ_in_networks_and_not_in_names(complete):
    over = "papers: [lau2025]\nsize: {}"
    paper, short = complete(over.format("paper")), complete(over.format("short"))
    assert paper["arms"].keys() == short["arms"].keys() and paper["lau2025"] == short["lau2025"]
    assert "weights" in paper["arms"]["foundation-published"] and "weights" not in short["arms"]["foundation-published"]
    assert (paper["training"]["epochs"], short["training"]["epochs"]) == (32, 40)


PAIRS = "papers: [mixhic2025]\nsize: demo\nsamples: {alpha: {contacts: a.mcool}}\nevaluate: {samples: [alpha]}\n"


def test_a_papers_arms_without_their_samples_are_left_out_with_what_stands_on_them(complete, repository):
    """`small` is pre-trained on `beta`; of arms that are tested on some samples, those that there are stay."""
    arms = complete(f"{PAIRS}arms: {{loop-corner: {{test_samples: [beta, alpha]}}}}")["arms"]
    brought = list(yaml.safe_load((repository / "papers/mixhic2025/arms.yaml").read_text())["demo"]["arms"])
    on_small = ["small", "loop-small", "map-small"]
    assert list(arms) == ["identity", "image", *(name for name in brought if name not in on_small)]
    assert {"loop-corner", "map-expected", "map-epiphany", "cage-small"} < set(arms) and set(on_small) < set(brought)
    assert arms["loop-corner"]["test_samples"] == ["alpha"]
    assert "loop-corner" not in complete(f"{PAIRS}arms: {{loop-corner: {{test_samples: [beta]}}}}")["arms"]
    every = complete(PAIRS.replace("a.mcool}", "a.mcool}, beta: {contacts: b.mcool}"))["arms"]
    assert list(every)[2:] == brought


def test_an_arm_stays_that_a_user_names_or_that_is_not_asked_for_by_a_table_alone(complete):
    """It is refused when it is resolved, by the sample that is not there."""
    over = f"{PAIRS}arms: {{mine: {{architecture: vehicle, samples: [gamma], on_demand: true}}, "
    arms = complete(f"{over}small: {{on_demand: false}}}}")["arms"]
    assert {"mine", "small", "loop-small", "map-small"} <= set(arms)
    with pytest.raises(InputError, match=r"config: arms/mine/samples: 'gamma' is not one of \['alpha', 'one'\]"):
        plan.resolve(complete(f"{over}}}"))


@pytest.mark.parametrize(
    ("paper", "over", "message"),
    [
        ("kriukov2021", "table1: {Akita-like: [sequnce]}", "kriukov2021/table1/Akita-like: there is no arm 'sequnce'"),
        ("kriukov2021", "table3: {Random: {arms: [imge]}}", "kriukov2021/table3/Random/arms: there is no arm 'imge'"),
        ("kriukov2021", "figures: {zeroed: [hybird]}", "kriukov2021/figures/zeroed: there is no arm 'hybird'"),
        ("lau2025", "figure1: {Left: [fondation]}", "lau2025/figure1/Left: there is no arm 'fondation'"),
        ("mixhic2025", "tables: {table3: {Corner: [loop-conrer]}}", "mixhic2025/tables/table3/Corner: there is no arm"),
        ("mixhic2025", "comparisons: {Which: [[loop-small, lop-small]]}", "mixhic2025/comparisons/Which: there is no"),
    ],
)
def test_rows_and_labels_name_arms_that_are_somewhere(refused, paper, over, message):
    line = refused(f"papers: [{paper}]\nsize: demo\n{paper}: {{{over}}}")
    assert line.startswith(message) and "; did you mean " in line


def test_labels_of_depths_name_arms_too(refused, complete):
    assert refused("depth: {arms: {Image: [imge]}}") == (
        "depth/arms/Image: there is no arm 'imge'; did you mean image?"
    )
    line = refused("depth: {references: {None: [nothing]}}")
    assert line == "depth/references/None: there is no arm 'nothing'; arms: identity, image"
    # An arm at a degradation, and one that was taken away.
    over = "arms: {graph: null, image: {degradation: all}}\ndepth: {arms: {Image: [image-low, graph]}}"
    assert complete(over)["depth"]["arms"] == {"Image": ["image-low", "graph"]}


def test_two_papers_that_do_not_agree_are_refused(refused):
    line = refused("papers: [kriukov2021, lau2025]\nsize: paper")
    assert line == (
        "papers: they do not agree about training/epochs (100 and 32); name one paper an experiment at this size"
    )


def test_lists_and_mappings_of_names_in_config_yaml_are_replaced(complete):
    made = complete("simulate: {chromosomes: {chrA: 9000}}\ngenome: {exclude: [chrM]}")
    assert made["simulate"]["chromosomes"] == {"chrA": 9000} and made["genome"]["exclude"] == ["chrM"]
    assert made["simulate"]["cells"] == ["alpha", "beta"]


def test_null_takes_away_what_a_file_before_gave(complete):
    made = complete("arms: {image: null, blur: {architecture: gaussian}}\nenhance: null\ntraining: null")
    assert list(made["arms"]) == ["identity", "blur"] and made["enhance"] == {}
    assert made["training"]["epochs"] == 10


def test_null_is_a_value_where_the_schema_has_it(complete):
    made = complete("training: {stride_bins: 8}\narms: {image: {training: {stride_bins: null}}}")
    assert made["arms"]["image"]["training"] == {"epochs": 2, "stride_bins": None}


def test_d5_no_fasta_and_no_genome_are_settings(complete):
    for over in ("", "genome: null", "genome: {fasta: null}"):
        assert complete(over)["genome"] == {
            "assembly": "unknown",
            "sizes": {},
            "exclude": ["chrM", "chrY"],
            "rename": {},
        }


def test_d8_names_are_settled_per_input(complete):
    made = complete(
        'samples: {one: {rename: {1: chr1}}}\nenhance: {x: {contacts: x.cool, arm: image, rename: {"1": chr1}}}'
    )
    assert made["samples"]["one"]["rename"] == made["enhance"]["x"]["rename"] == {"1": "chr1"}
    assert made["genome"]["rename"] == {}


def test_d9_a_split_is_what_it_says(complete, refused):
    blocks = "{kind: blocks, block_bp: 2e6, gap_bp: 200000, fractions: {validation: 0.2, test: 0.3}, seed: 1}"
    base = MINE.replace("{kind: chromosomes, validation: [chr1], test: [chr2]}", blocks)
    assert complete(base=base)["splits"]["a"] == {
        "kind": "blocks",
        "block_bp": 2_000_000,
        "gap_bp": 200_000,
        "fractions": {"validation": 0.2, "test": 0.3},
        "seed": 1,
    }
    line = refused("splits: {a: {validation: [chr1]}}", base)
    assert line == "splits/a/validation: no such key; known here: block_bp, fractions, gap_bp, kind, on_demand, seed"
    assert refused("splits: {a: {kind: block}}") == (
        "splits/a/kind: 'block' is no kind; give one of chromosomes, blocks, random, folds, bed; did you mean blocks?"
    )
    assert refused("splits: {b: {validation: [chr1]}}") == (
        "splits/b/kind: missing; give one of chromosomes, blocks, random, folds, bed"
    )


def test_a_split_of_several_folds(complete, refused):
    base = MINE.replace("{kind: chromosomes, validation: [chr1], test: [chr2]}", "{kind: folds, folds: 5}")
    assert complete(base=base)["splits"]["a"] == {"kind": "folds", "folds": 5}
    # As a run leaves it behind.
    alone = base.replace("a: {kind: folds, folds: 5}", "a-2: {kind: folds, folds: 5, fold: 2}")
    assert complete(base=alone)["splits"] == {"a-2": {"kind": "folds", "folds": 5, "fold": 2}}
    assert refused("splits: {a: {folds: 2}}", base) == "splits/a/folds: 2 is not a whole number at least 3"
    assert refused("evaluate: {comparison: {bootstrap: 200}}") == (
        "evaluate/comparison/bootstrap: no such key; intervals are Student's t over stretches of the genome; leave the "
        "key out"
    )


# ---------------------------------------------------------------- order


def test_d7_the_order_of_keys_means_nothing(complete):
    def turned(value):
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    over = "genome: {sizes: {b: 2, a: 1}, assembly: x}\narms: {image: {options: {channels: 8, residual_blocks: 2}}}"
    one, other = complete(over), complete(yaml.safe_dump(turned(yaml.safe_load(over)), sort_keys=False))
    assert str(one) == str(other)
    assert list(one)[:4] == ["experiment", "papers", "size", "mirrors"]


def test_the_order_of_names_is_the_users(complete):
    made = complete("samples: {zeta: {contacts: z.cool}, eta: {contacts: e.cool}}")
    assert list(made["samples"]) == ["one", "zeta", "eta"]


# ---------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("over", "place", "value"),
    [
        ("training: {learning_rate: 1e-3}", ("training", "learning_rate"), 0.001),
        ("training: {learning_rate: '5E-4'}", ("training", "learning_rate"), 0.0005),
        ("training: {epochs: '12'}", ("training", "epochs"), 12),
        ("training: {epochs: 12.0}", ("training", "epochs"), 12),
        ("training: {reverse_complement: 'false'}", ("training", "reverse_complement"), False),
        ("seeds: '[1, 2]'", ("seeds",), [1, 2]),
        ("seeds: ['1', '2']", ("seeds",), [1, 2]),
        ("threads: '{train: 4}'", ("threads",), {"balance": 1, "train": 4, "predict": 1}),
        ("predict: {stride_bins: 'null'}", ("predict", "stride_bins"), None),
        ("tracks: {extend_reads: 'true'}", ("tracks", "extend_reads"), True),
        ("genome: {exclude: [7, X]}", ("genome", "exclude"), ["7", "X"]),
        ("arms: {image: {training: {learning_rate: 1e-4}}}", ("arms", "image", "training", "learning_rate"), 0.0001),
    ],
)
def test_d11_values_are_typed(complete, over, place, value):
    made = complete(over)
    for key in place:
        made = made[key]
    assert made == value and type(made) is type(value)


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ("degradation: {low: {thin: 2}}", "degradation: no such key; did you mean degradations?"),
        ("training: {learning_rat: 1}", "training/learning_rat: no such key; did you mean learning_rate?"),
        ("geometry: {bin_pb: 256}", "geometry/bin_pb: no such key; did you mean bin_bp?"),
        ("arms: {image: {training: {epoch: 3}}}", "arms/image/training/epoch: no such key; did you mean epochs?"),
        ("threads: {zzz: 1}", "threads/zzz: no such key; known here: balance, predict, train"),
        ("arms: {image: {option: {}}}", "arms/image/option: no such key; did you mean options?"),
    ],
)
def test_d10_an_unknown_key_is_said_with_the_nearest(refused, over, line):
    assert refused(over) == line


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ("training: {epochs: 0}", "training/epochs: 0 is not a whole number at least 1"),
        ("training: {learning_rate: fast}", "training/learning_rate: 'fast' is not a number above 0"),
        ("training: {learning_rate: .inf}", "training/learning_rate: 'inf' is not a number above 0"),
        ("training: {epochs: 2.5}", "training/epochs: 2.5 is not a whole number at least 1"),
        ("training: {epochs: null}", "training/epochs: None is not a whole number at least 1"),
        ("training: {betas: [0.9]}", "training/betas: [0.9] is not a list of 2"),
        ("arms: {image: {training: {epochs: 0}}}", "arms/image/training/epochs: 0 is not a whole number at least 1"),
        (
            "training: {schedule: cosin}",
            "training/schedule: 'cosin' is not one of constant, cosine, one-cycle; did you mean cosine?",
        ),
        ("genome: {fasta: 3.5}", "genome/fasta: 3.5 is not a text or a list of at least 1"),
        ("seeds: []", "seeds: [] is not a list of at least 1, none twice"),
        ("seeds: [1, 1]", "seeds: [1, 1] is not a list of at least 1, none twice"),
        ("geometry: {max_bad_bins: 2}", "geometry/max_bad_bins: 2 is not a number at least 0 and at most 1"),
        (
            "samples: {alpha: {contacts: a.cool, tracks: {atac: {files: a.bam, extend_reads: 5000}}}}",
            "samples/alpha/tracks/atac/extend_reads: 5000 is not a whole number at least 1 and at most 2000 or true or "
            "false",
        ),
        (
            "samples: {alpha: {contacts: a.cool, tracks: {atac: {negative: keep}}}}",
            "samples/alpha/tracks/atac/files: missing; needed: BAM(s), replicates merged, or one bigWig or bedGraph",
        ),
        ("tracks: {negative: abs}", "tracks/negative: 'abs' is not one of refuse, absolute, keep"),
        (
            "tracks: {exclude_flags: [dup]}",
            "tracks/exclude_flags/0: 'dup' is not one of qc_fail, secondary, supplementary, duplicate",
        ),
        ("tracks: {bin_bp: true}", "tracks/bin_bp: True is not a whole number at least 1"),
        ("training: 3", "training: 3 is not a section"),
        ("samples: {one: null}", "samples: {} is not a section with at least one entry"),
    ],
)
def test_d11_a_wrong_value_is_said_with_what_is_right(refused, over, line):
    assert refused(over) == line


def test_what_arms_share_is_held_to_the_types_of_training(refused):
    over = "shared: {mixhic/loop: {training: {epochs: 0, bach_size: 3}}}"
    assert refused(over) == (
        "shared/mixhic/loop/training/bach_size: no such key; did you mean batch_size? (and 1 more)"
    )
    assert refused("shared: {mixhic: {option: {}}}") == "shared/mixhic/option: no such key; did you mean options?"


@pytest.mark.parametrize(
    ("without", "line"),
    [
        ("experiment", "experiment: missing; needed: name of the experiment; everything it makes lies under results/"),
        ("samples", "samples: missing; needed: one cell type or condition each"),
        ("splits", "splits: missing; needed: folds"),
        ("evaluate", "evaluate/samples: missing; needed: samples that are predicted and scored"),
    ],
)
def test_what_is_missing_is_said(refused, without, line):
    base = yaml.safe_dump({key: own for key, own in yaml.safe_load(MINE).items() if key != without})
    assert refused("", base).startswith(line)


def test_a_missing_setting_is_said_with_its_unit(refused):
    base = MINE.replace("bin_bp: 5000, ", "")
    line = "geometry/bin_bp: missing; needed: a whole number at least 1 (bin width of the deep map, bp)"
    assert refused("", base) == line


def test_unknown_keys_are_said_before_what_is_missing_for_them(refused):
    base = MINE.replace("samples: {one:", "sample: {one:")
    assert refused("", base) == "sample: no such key; did you mean samples? (and 1 more)"


@pytest.mark.parametrize(
    ("over", "line"),
    [
        (
            "samples: {a b: {contacts: x}}",
            "samples: 'a b' cannot be a name here; names are of letters, digits, _ and -, a ",
        ),
        ("degradations: {deep: {thin: 2}}", "degradations: 'deep' cannot be a name here; names are of small letters, "),
        ("arms: {Image: {architecture: vehicle}}", "arms: 'Image' cannot be a name here; names are of small letters, "),
        ("experiment: a/b", "experiment: 'a/b' is not a text like ^[A-Za-z0-9]"),
    ],
)
def test_names_are_checked(refused, over, line):
    assert refused(over).startswith(line)


@pytest.mark.parametrize(
    ("over", "line"),
    [
        (
            "papers: [kriukov]\nsize: demo",
            "papers: 'kriukov' is not one of kriukov2021, lau2025, mixhic2025; did you mean kriukov2021?",
        ),
        ("papers: [kriukov2021]\nsize: short", "size: kriukov2021 has no size 'short'; give one of demo, paper"),
        ("papers: [kriukov2021]", "size: missing, and papers are named; give one of demo, paper"),
        ("papers: 3\nsize: demo", "papers: 3 is not a list, none twice"),
    ],
)
def test_papers_and_sizes_are_checked(refused, over, line):
    assert refused(over) == line


@pytest.mark.parametrize(
    ("over", "line"),
    [
        ("lau2025: {table1: {}}", "lau2025: no such key; known here: accelerator, arms, "),
        ("kriukov2021: {}", "kriukov2021: no such key; known here: "),
        ("papers: [lau2025]\nsize: demo\nlau2024: {}", "lau2024: no such key; did you mean lau2025?"),
        ("papers: [lau2025]\nsize: demo\nlau2025: {tabel1: {}}", "lau2025/tabel1: no such key; did you mean table1?"),
        ("papers: [lau2025]\nsize: demo\nkriukov2021: null", "kriukov2021: no such key; known here: "),
    ],
)
def test_a_section_is_of_a_paper_that_is_named(refused, over, line):
    assert refused(over).startswith(line)


# What the section mixhic2025 held in 0.1, and where that stands now (CHANGELOG.md).
MOVED = {
    "samples: {one: {loops: l.bedpe}}": "samples/<name>/loops",
    "tss: genes.gtf": "genome/tss",
    "validation: [chr1]": "said in splits",
    "test: [chr2]": "said in splits",
    "loops: {min_bins: 6}": "pairs/search",
    "tracks: [atac]": "shared/mixhic/tracks",
    "dim: {loop: 8}": "shared/mixhic/<task>/options/embed_dim",
    "training: {corrected: {loop: {epochs: 1}}}": "shared/mixhic/<task>/training",
    "pretrainings: {small: {dim: 8}}": "arms/<name>: {architecture: mixhic, task: pretraining, on_demand: true}",
    "runs: {loops: {task: loop}}": "arms/<name>: {architecture: mixhic, task: loop}",
    **{f"{name}: 1": f"pairs/{name}" for name in ("max_loop_bins", "band_bins", "clip", "seed")},
    **{f"{name}: []": f"pairs/{name}" for name in ("exclude", "expression", "rename")},
}


@pytest.mark.parametrize(("key", "place"), MOVED.items())
def test_what_moved_in_0_2_is_refused_with_its_new_place(refused, key, place):
    line = refused(f"papers: [mixhic2025]\nsize: demo\nmixhic2025: {{{key}}}")
    assert line.startswith(f"mixhic2025/{key.partition(':')[0]}: no such key; ") and place in line


def test_every_key_that_moved_is_in_the_changelog_and_its_new_place_is_there(repository):
    schema = settings.read_schema(repository, ["mixhic2025"])
    moved = schema["properties"]["mixhic2025"]["moved"]
    assert moved.keys() == {key.partition(":")[0] for key in MOVED}
    changelog = (repository / "CHANGELOG.md").read_text()
    table = changelog[changelog.index("| 0.1 | 0.2 |") : changelog.index("| of a run: `train_samples`")]
    named = [re.findall(r"`(?:mixhic2025/)?(\w+)", row.split(" | ")[0]) for row in table.splitlines()[2:]]
    assert {name for row in named for name in row} == moved.keys()
    pairs = schema["properties"]["pairs"]["properties"]
    of_pairs = {text.rpartition("pairs/")[2] for text in moved.values() if "pairs/" in text}
    assert of_pairs == set(pairs)


@pytest.fixture
def with_paper(repository, tmp_path):
    """The settings' files with one paper more, whose files are given; a function that completes an experiment there."""
    (tmp_path / "resources").symlink_to(repository / "resources")
    for name in ("experiments", "config.yaml"):
        (tmp_path / name).symlink_to(repository / name)

    def made(over, paper="author2020", **files):
        (tmp_path / "papers" / paper).mkdir(parents=True)
        for name, text in files.items():
            (tmp_path / "papers" / paper / f"{name}.yaml").write_text(text)
        return settings.complete(together(yaml.safe_load(MINE), yaml.safe_load(over)), tmp_path)

    return made


def test_a_paper_s_section_has_its_defaults_and_its_types(with_paper):
    schema = "{type: object, additionalProperties: false, default: {}, properties: {rows: {type: integer, default: 3}, "
    schema += "training: {$ref: '#/properties/training'}}}"
    over = "papers: [author2020]\nsize: demo\nauthor2020: {training: {epochs: 4.0}}"
    made = with_paper(over, arms="demo: {arms: {blur: {architecture: bicubic}}}", schema=schema)
    assert made["author2020"] == {"rows": 3, "training": {"epochs": 4}}
    assert list(made["arms"]) == ["identity", "image", "blur"]


def test_a_paper_without_a_schema_has_no_section(with_paper):
    with pytest.raises(InputError, match="config: author2020: no such key"):
        with_paper("papers: [author2020]\nsize: demo\nauthor2020: {rows: 3}", arms="demo: {}")


def test_a_paper_is_not_called_like_a_setting(with_paper):
    with pytest.raises(InputError, match="papers/training: 'training' is a setting of every experiment; rename the f"):
        with_paper("papers: [training]\nsize: demo", paper="training", arms="demo: {}")


# ---------------------------------------------------------------- the schema and config.yaml


def defaults(node: dict) -> dict:
    """What the schema says of everything that stands in a fixed place."""
    found = {}
    for key, child in node["properties"].items():
        if "properties" in child:
            found |= {key: own} if (own := defaults(child)) else {}
        elif "default" in child:
            found[key] = child["default"]
    return found


def test_config_yaml_has_every_setting_with_the_schemas_default(repository):
    expected = defaults(settings.read_schema(repository))
    assert len(expected) > 15
    assert yaml.safe_load((repository / "config.yaml").read_text()) == expected


def test_the_schema_accepts_what_is_made(repository, complete):
    for made in (complete(), complete(base="{}"), complete("papers: [mixhic2025]\nsize: demo")):
        jsonschema.validate(made, settings.read_schema(repository, made["papers"]))
        assert settings.complete(copy.deepcopy(made), repository) == made


def test_it_needs_neither_torch_nor_pandas(repository):
    code = """if True:
        import sys
        from trifold import plan, settings
        settings.complete({}, ".")
        print({"torch", "pandas", "numpy"} & set(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_configuration_that_a_run_keeps_is_an_experiment_file(complete, repository):
    """Completed once more it says the same: with it in the place of the experiment the same is planned."""
    for path in sorted((repository / "experiments").glob("*.yaml")):
        once = complete(base=path.read_text())
        assert complete(base=yaml.safe_dump(once, sort_keys=False)) == once, path.name


def test_names_that_yaml_reads_as_something_else_are_refused(complete):
    for name in ("yes", "1.5", "2024-01-01", "null"):
        with pytest.raises(InputError, match=r"config: a name was read as .*, not as text; write it in quotes"):
            complete(f"arms: {{{name}: {{architecture: identity}}}}")


def test_a_sample_is_not_called_as_the_folder_of_maps_to_enhance(refused):
    assert refused("samples: {own: {contacts: a.cool}}").startswith("samples: 'own' cannot be a name here")
