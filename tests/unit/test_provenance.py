"""Artifacts: whole or absent, and their versions change exactly when something that matters does."""

import json

import pytest

from trifold import provenance


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


def test_check_sees_a_changed_and_a_missing_file(tmp_path):
    make(tmp_path / "one")
    assert provenance.check(tmp_path / "one") == []
    (tmp_path / "one" / "sub" / "data.txt").write_text("by hand")
    assert provenance.check(tmp_path / "one") == ["sub/data.txt"]
    (tmp_path / "one" / "sub" / "data.txt").unlink()
    assert provenance.check(tmp_path / "one") == ["sub/data.txt"]


def test_manifest_lists_every_artifact(tmp_path):
    make(tmp_path / "b" / "one")
    make(tmp_path / "a")
    assert [record["folder"] for record in provenance.manifest(tmp_path)] == ["a", "b/one"]


def test_code_version_sees_code_behind_imports_and_no_comment(tmp_path, monkeypatch):
    package = tmp_path / "trifold"
    package.mkdir()
    (tmp_path / "workflow_scripts").mkdir()
    (package / "__init__.py").write_text("")
    (package / "far.py").write_text("x = 1\n")
    (package / "near.py").write_text("from trifold.far import x\n")
    (package / "other.py").write_text("y = 1\n")
    (tmp_path / "workflow_scripts" / "s.py").write_text("from trifold import near\n")
    monkeypatch.setattr(provenance, "ROOT", tmp_path)

    def version():
        for function in (provenance._imports, provenance._digest_of_code, provenance.code_version):
            function.cache_clear()
        return provenance.code_version("s.py")

    base = version()
    (package / "far.py").write_text("# a comment\nx = 1\n")
    (package / "other.py").write_text("y = 2\n")
    assert version() == base
    (package / "far.py").write_text("x = 2\n")
    assert version() != base
    for function in (provenance._imports, provenance._digest_of_code, provenance.code_version):
        function.cache_clear()


def test_every_script_reaches_the_package(repository):
    for script in sorted((repository / "workflow_scripts").glob("*.py")):
        names = {path.name for path in provenance.modules_of(script)}
        assert {"log.py", "__init__.py"} <= names, script.name
