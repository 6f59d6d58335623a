import logging

from trifold import provenance
from trifold.report import logged
from trifold.report.logged import Logged


def make(folder, messages=(), inputs=(), record=provenance.RECORD):
    with provenance.artifact(folder, "thing", parameters={}, code="c", inputs=list(inputs), record=record) as partial:
        (partial / f"{record}.txt").write_text("x")
        for message in messages:
            logging.getLogger("test").warning(message)
    return folder / record


def test_t13_warnings_of_all_that_a_page_was_made_from(tmp_path):
    root = tmp_path / "results" / "mine"
    deep = make(root / "contacts" / "a" / "deep", ["sorted, duplicates summed", "12 bins are bad"])
    examples = make(root / "examples", inputs=[deep])
    model = make(root / "models" / "image", ["loss rose"], [examples])
    elsewhere = make(tmp_path / "results" / "other" / "models" / "base", ["of another experiment"])
    metrics = make(root / "metrics", inputs=[model, elsewhere])
    make(root / "models" / "unused", ["of a model that is not on the page"])
    assert logged.warnings([metrics.parent / "windows.tsv"], root) == [
        Logged("contacts/a/deep", ["sorted, duplicates summed", "12 bins are bad"]),
        Logged("models/image", ["loss rose"]),
    ]


def test_records_that_share_a_folder_are_named(tmp_path):
    record = make(tmp_path / "tables", ["few windows"], record="table1.artifact.json")
    assert logged.warnings([record], tmp_path) == [Logged("tables/table1.artifact.json", ["few windows"])]


def test_nothing_logged_and_inputs_without_a_record(tmp_path):
    own = tmp_path / "own.cool"
    own.write_text("x")
    assert logged.warnings([make(tmp_path / "a", inputs=[own]), own], tmp_path) == []
