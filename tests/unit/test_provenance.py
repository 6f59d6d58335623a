"""Artifacts: whole or absent, and their versions change exactly when something that matters does."""

import json
import logging
from pathlib import Path

import pytest

from trifold import provenance
from trifold.errors import InputError


def make(folder, text="x", *, parameters=None, inputs=(), code="c0"):
    with provenance.artifact(
        folder, "test", parameters=parameters or {"a": 1}, code=code, inputs=list(inputs)
    ) as partial:
        (partial / "sub").mkdir()
        (partial / "sub" / "data.txt").write_text(text)
    return json.loads((folder / "artifact.json").read_text())


def test_artifact_records_what_it_holds(tmp_path):
    record = make(tmp_path / "one", "hello")
    assert (tmp_path / "one" / "sub" / "data.txt").read_text() == "hello"
    digest = provenance.digest_file(tmp_path / "one" / "sub" / "data.txt")
    assert record["files"] == {"sub/data.txt": digest}
    assert digest == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # sha256 of "hello"
    assert record["packages"]["torch"].startswith("2.13.0")
    assert [path.name for path in tmp_path.iterdir()] == ["one"], "the folder beside is gone"


def test_a_failed_block_leaves_nothing(tmp_path):
    with (
        pytest.raises(RuntimeError),
        provenance.artifact(tmp_path / "one", "test", parameters={}, code="c", inputs=[]) as partial,
    ):
        (partial / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_versions_follow_parameters_code_and_inputs_not_paths_or_contents(tmp_path):
    source = tmp_path / "in.txt"
    source.write_text("1")
    copy = tmp_path / "elsewhere.txt"
    copy.write_text("1")
    base = make(tmp_path / "a", inputs=[source])["version"]
    assert make(tmp_path / "b", "other content", inputs=[copy])["version"] == base
    assert make(tmp_path / "c", inputs=[source], parameters={"a": 2})["version"] != base
    assert make(tmp_path / "d", inputs=[source], code="c1")["version"] != base
    source.write_text("2")
    assert make(tmp_path / "e", inputs=[source])["version"] != base


def test_a_version_travels_down_the_chain(tmp_path):
    first = make(tmp_path / "first")
    second = make(tmp_path / "second", inputs=[tmp_path / "first" / "sub" / "data.txt", tmp_path / "first"])
    assert second["inputs"][str(tmp_path / "first")] == first["version"]
    make(tmp_path / "first", parameters={"a": 2})
    again = make(tmp_path / "third", inputs=[tmp_path / "first", tmp_path / "first"])
    assert again["version"] != second["version"]


def test_damage_is_named(tmp_path):
    make(tmp_path / "one")
    record, data = tmp_path / "one/artifact.json", tmp_path / "one/sub/data.txt"
    assert provenance.damage(record) == {}
    data.write_text("by hand")
    assert provenance.damage(record) == {"sub/data.txt": "changed"}
    data.unlink()
    assert provenance.damage(record) == {"sub/data.txt": "missing"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: text.replace('"a": 1', '"a": 2'),
        lambda text: text.replace('"kind": "test"', '"kind": "tess"'),
        lambda text: text.replace('"record_sha256"', '"recorD_sha256"'),
        lambda text: text.replace('"host"', '"hosT"'),
        lambda text: "[" + text + "]",
        lambda text: text.replace("{", "\x00", 1),
    ],
)
def test_a_damaged_record_is_seen(tmp_path, spoil):
    make(tmp_path / "one")
    record = tmp_path / "one/artifact.json"
    text = record.read_text()
    assert spoil(text) != text
    record.write_text(spoil(text))
    with pytest.raises(InputError, match=r"one/artifact.json: the record is damaged; .*mend"):
        provenance.read_record(record)
    (damaged,), _ = provenance.verify(tmp_path)
    assert (damaged.name, damaged.paths) == (str(tmp_path / "one"), [record]), "files below are left to the remake"


def test_a_record_of_an_early_version_is_read(tmp_path):
    make(tmp_path / "one")
    record = tmp_path / "one/artifact.json"
    facts = json.loads(record.read_text())
    del facts["record_sha256"]
    record.write_text(json.dumps(facts))
    assert provenance.read_record(record) == facts


def test_parameters_of_any_kind_are_read_back(tmp_path):
    """Keys and values that JSON turns into text, whose order then is another."""
    given = {2: 1, 10: float("nan"), 3: tmp_path, 4: (1, 2), 5: {"b": None, "a": 1e-300}}
    make(tmp_path / "one", parameters=given)
    assert provenance.read_record(tmp_path / "one/artifact.json")["parameters"]["10"] != 0


def beside(folder, text="x"):
    """An artifact of one file."""
    with provenance.artifact(folder, "test", parameters={}, code="c", inputs=[]) as partial:
        (partial / "data.txt").write_text(text)
    return folder / "data.txt"


def test_a_job_refuses_damaged_inputs(tmp_path):
    data = beside(tmp_path / "first")
    other = tmp_path / "first/artifact.json"
    assert make(tmp_path / "second", inputs=[other])["inputs"]
    data.write_text("flipped")
    for given in (data, other, tmp_path / "first"):
        with pytest.raises(InputError, match=r"first: damaged since it was made: data.txt is changed; .*mend"):
            make(tmp_path / "third", inputs=[given])
    data.unlink()
    with pytest.raises(InputError, match=r"data.txt is missing"):
        make(tmp_path / "third", inputs=[other])
    assert not (tmp_path / "third").exists() and not list(tmp_path.glob(".*"))


def test_files_in_subfolders_are_inputs_too_and_what_is_for_people_is_not_read(tmp_path, monkeypatch):
    """An environment's programs lie in bin/; TensorBoard's events of a model no job reads."""
    names = ("weights.bin", "bin/python", "tensorboard/events.1")
    with provenance.artifact(tmp_path / "made", "test", parameters={}, code="c", inputs=[]) as partial:
        for name in names:
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_text(name)
    digested, digest_file = [], provenance.digest_file
    with monkeypatch.context() as patched:
        patched.setattr(provenance, "digest_file", lambda path: digested.append(path.name) or digest_file(path))
        version = provenance.input_version(tmp_path / "made")
    assert version == provenance.read_record(tmp_path / "made/artifact.json")["version"]
    assert sorted(digested) == ["python", "weights.bin"]
    (tmp_path / "made/tensorboard/events.1").write_text("seen")
    assert provenance.input_version(tmp_path / "made") == version
    assert provenance.damage(tmp_path / "made/artifact.json") == {"tensorboard/events.1": "changed"}
    (tmp_path / "made/bin/python").write_text("another")
    with pytest.raises(InputError, match=r"made: damaged since it was made: bin/python is changed; .*delete it"):
        provenance.input_version(tmp_path / "made/artifact.json")


def test_a_download_that_changed_is_refused_and_found(tmp_path):
    raw, root = tmp_path / "raw.bin", tmp_path / "results"
    raw.write_text("as it came")
    origin = tmp_path / ".raw.bin.origin.json"
    origin.write_text(json.dumps({"sha256": provenance.digest_file(raw)}))
    make(root / "one", inputs=[raw])
    assert provenance.verify(root) == ([], [])
    raw.write_text("as it comes")
    with pytest.raises(InputError, match=r"raw.bin: is not what was downloaded; delete it"):
        make(root / "two", inputs=[raw])
    (damaged,), _ = provenance.verify(root)
    assert damaged == (str(raw), "it is not what was downloaded", [raw, origin])


def test_verify_names_all_and_remove_takes_whole_artifacts(tmp_path):
    root = tmp_path / "results"
    (root / "kept").mkdir(parents=True)
    for name in ("one", "two"):
        with provenance.artifact(
            root / "tables", "test", parameters={}, code=name, inputs=[], record=f"{name}.artifact.json"
        ) as partial:
            (partial / f"{name}.tsv").write_text(name)
    source, gone = beside(root / "kept/source"), tmp_path / "gone.txt"
    gone.write_text("x")
    make(root / "made", inputs=[source, gone])
    gone.unlink()
    assert provenance.verify(root) == ([], [str(gone)])
    (root / "tables/one.tsv").write_text("eno")
    (root / "tables/two.artifact.json").write_text("{}")
    source.unlink()
    found, missing = provenance.verify(root)
    assert {one.name: one.what for one in found} == {
        str(root / "kept/source"): "data.txt is missing",
        str(root / "tables/one.artifact.json"): "one.tsv is changed",
        str(root / "tables/two.artifact.json"): "its record is damaged",
    }
    assert missing == [str(gone)]
    provenance.remove(found)
    assert not (root / "tables").exists() and not (root / "kept/source").exists()
    assert [path.name for path in (root / "made").glob("*.json")] == ["artifact.json"], "the whole one is kept"
    assert provenance.verify(root) == ([], [str(source.parent), str(gone)]), "what stands is whole"


def test_a_folder_that_is_an_output_goes_with_its_artifact(tmp_path):
    """With Snakemake's mark in it, which would make it take an empty folder for made."""
    data = beside(tmp_path / "figures")
    mark = tmp_path / "figures/.snakemake_timestamp"
    for lost in ([data], [data.with_name("artifact.json")], [data, data.with_name("artifact.json")]):
        beside(tmp_path / "figures")
        mark.touch()
        (tmp_path / "manifest.json").write_text(json.dumps(provenance.manifest(tmp_path)))
        for path in lost:
            path.unlink()
        found, absent = provenance.verify(tmp_path)
        assert [one.name for one in found] == [str(data.parent)] and not absent
        provenance.remove(found)
        assert not data.parent.exists()


def test_a_record_that_is_missing(tmp_path, monkeypatch):
    """Known from who was made from it, or from the manifest; a job refuses what has none."""
    monkeypatch.chdir(tmp_path)
    root = Path("results/x")
    first, last = beside(root / "first"), beside(root / "last")
    make(root / "second", inputs=[first])
    make(root / "third", inputs=[root / "second"])
    (root / "manifest.json").write_text(json.dumps(provenance.manifest(root)))
    assert provenance.verify(root) == ([], [])
    for folder in ("first", "second", "last"):
        (root / folder / "artifact.json").unlink()
    found, absent = provenance.verify(root)
    assert [(one.name, one.what) for one in found] == [
        (f"results/x/{folder}", "its record is missing") for folder in ("first", "last")
    ]
    assert absent == ["results/x/second"], "beside the record it had subfolders only"
    with pytest.raises(
        InputError, match=r"results/x/first: its record \(artifact.json\) is missing; delete the folder"
    ):
        make(root / "fourth", inputs=[first])
    provenance.remove(found)
    assert not first.exists() and not last.exists()


def test_an_unreadable_record_takes_nothing_of_others(tmp_path):
    """Least of all where it lies above them: the manifest's record, beside the folders of all artifacts."""
    data = beside(tmp_path / "results/one")
    with provenance.artifact(
        tmp_path / "results", "manifest", parameters={}, code="c", inputs=[], record="manifest.artifact.json"
    ) as partial:
        (partial / "manifest.json").write_text("[]")
    (tmp_path / "results/manifest.artifact.json").write_text("")
    provenance.remove(provenance.verify(tmp_path / "results")[0])
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["one"]
    assert data.exists() and provenance.verify(tmp_path / "results") == ([], [])


def test_manifest_lists_every_artifact(tmp_path):
    make(tmp_path / "b" / "one")
    make(tmp_path / "a")
    assert [record["folder"] for record in provenance.manifest(tmp_path)] == ["a", "b/one"]


def test_t13_warnings_stand_in_the_record_and_the_manifest(tmp_path):
    """Those of the block alone; the version is that of an artifact without."""
    logger = logging.getLogger("trifold.test")
    logger.warning("before")
    quiet = make(tmp_path / "all" / "quiet")
    with provenance.artifact(tmp_path / "all" / "loud", "test", parameters={"a": 1}, code="c0", inputs=[]) as partial:
        (partial / "data.txt").write_text("x")
        logger.warning("chr1: %s of https://me:word@host/a", "no window")
    loud = provenance.read_record(tmp_path / "all/loud/artifact.json")
    assert loud["warnings"] == ["chr1: no window of https://***@host/a"]
    assert quiet["warnings"] == []
    assert loud["version"] == quiet["version"]
    found = {one["folder"]: one["warnings"] for one in provenance.manifest(tmp_path)}
    assert found == {"all/loud": loud["warnings"], "all/quiet": []}


def test_t13_records_of_before_hold_no_warnings_and_are_whole(tmp_path):
    record = make(tmp_path / "one")
    del record["warnings"], record["record_sha256"]
    record["record_sha256"] = provenance._digest_of_record(record)
    (tmp_path / "one/artifact.json").write_text(json.dumps(record))
    assert provenance.read_record(tmp_path / "one/artifact.json") == record
    assert [one["warnings"] for one in provenance.manifest(tmp_path)] == [[]]


def test_an_artifact_says_what_it_is_made_of(tmp_path):
    made = make(tmp_path / "first")
    with provenance.artifact(
        tmp_path / "second", "test", parameters={"b": 2}, code="c1", inputs=[tmp_path / "first"]
    ) as partial:
        assert partial.made == ("test", {"b": 2}, "c1", {str(tmp_path / "first"): made["version"]})
        assert partial.version == provenance.version_of(partial.made)
