"""A paper that nobody knows, put into `papers/`: its table on the page, and nothing else made again."""

import pandas as pd
import pytest

from trifold import provenance
from trifold.report import sections

ARMS = """
smoke:
  arms:
    author-blur: {architecture: gaussian, options: {sigma_bins: 2.0}, maps: false}
"""
PUBLISHED = "table\trow\tset\tmetric\tvalue\tsource\n1\tBlurred\tTest\tmse\t0.0123\tTable 1\n"
RULES = """
SECTIONS.append("<results>/papers/author2020/section.json")


rule author2020_table:
    input:
        scores=[
            locate_scores(one)
            for one in plan.scored(arms, ["author-blur"])
        ],
        published=shipped("papers/author2020/published.tsv"),
    output:
        "<results>/tables/author2020_table1.tsv",
        "<results>/papers/author2020/section.json",
        "<results>/papers/author2020/artifact.json",
        "<results>/tables/author2020_table1.artifact.json",
    log:
        "<logs>/author2020_table.log",
    localrule: True
    params:
        code=code_version("papers/author2020/table.py"),
    script:
        "table.py"
"""
SCRIPT = """
from pathlib import Path

import pandas as pd

from trifold import log, provenance
from trifold.papers import paper
from trifold.report import sections, tables


def main(inputs, outputs, params) -> None:
    made = {"parameters": {}, "code": params.code}
    record = Path(outputs[3])
    with provenance.artifact(
        record.parent, "paper-table", inputs=[*inputs.scores, inputs.published], record=record.name, **made
    ) as partial:
        scores = pd.concat([pd.read_csv(path, sep="\\t") for path in inputs.scores])
        ours = scores.loc[scores["role"] == "test", "mse"].mean()
        printed = paper.read_published(inputs.published)["value"].iloc[0]
        pd.DataFrame({"row": ["Blurred"], "paper": [printed], "corrected": [ours]}).to_csv(
            partial / "author2020_table1.tsv", sep="\\t", index=False
        )
    with provenance.artifact(Path(outputs[1]).parent, "section", inputs=[record], **made) as partial:
        cells = [tables.Cell(printed), tables.Cell(f"{ours:.4f}")]
        groups = [("MSE", ["paper", "corrected"])]
        table = sections.Table("Table 1 of Author 2020", ["model"], groups, [(["Blurred"], cells)], "A note.")
        sections.write(sections.Section("author2020", "Author 2020", "Table 1", ["As printed."], [table]), partial)


if __name__ == "__main__":
    log.start(snakemake.log)
    main(snakemake.input, snakemake.output, snakemake.params)
"""
FILES = {"arms.yaml": ARMS, "published.tsv": PUBLISHED, "rules.smk": RULES, "table.py": SCRIPT}
NAMED = "papers: [kriukov2021, author2020]"
# What a new arm, which is scored on windows alone, and a new section ask for.
JOBS = {"score": 1, "author2020_table": 1, "tables": 1, "report": 1, "manifest": 1}


@pytest.fixture
def with_paper(copy_of_finished):
    """The finished smoke experiment with a paper more in its folder; the arguments that name the paper."""
    folder = copy_of_finished.folder / "papers/author2020"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return copy_of_finished, ("--configfile", "smoke.yaml", copy_of_finished.overlay("named.yaml", NAMED))


def test_a_paper_is_a_folder_and_no_line_elsewhere(with_paper):
    workspace, named = with_paper
    assert workspace.jobs() == {}, "a paper that no experiment names is not there"
    assert workspace.jobs(*named, configfile=None) == JOBS
    workspace.run(*named, configfile=None)
    results = workspace.folder / "results/smoke"
    ours = pd.read_csv(results / "tables/author2020_table1.tsv", sep="\t")["corrected"].iloc[0]
    scores = pd.read_csv(results / "scores/corrected/author-blur/fold-a/seed-0/alpha/scores.tsv", sep="\t")
    assert ours == pytest.approx(scores.query("role == 'test'")["mse"].mean(), rel=1e-6)
    page = (results / "report/index.html").read_text()
    assert '<section id="paper-author2020">' in page and '<section id="paper-kriukov2021">' in page
    assert f'<th scope="row">Blurred</th><td class="number">0.0123</td><td class="number">{ours:.4f}</td>' in page
    section = results / "papers/author2020/section.json"
    assert sections.read(section).subject == "Table 1"
    record = provenance.read_record(results / "report/artifact.json")
    assert any("papers/author2020" in path for path in record["inputs"])
    assert workspace.jobs(*named, configfile=None) == {}
    # Its script is code as any other's.
    workspace.edit("papers/author2020/table.py", "A note.", "Another note.")
    assert workspace.jobs(*named, configfile=None) == {"author2020_table": 1, "report": 1, "manifest": 1}
