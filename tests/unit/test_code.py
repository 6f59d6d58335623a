"""The digest of the code behind a result: what changes it, what does not, and what is kept of it between processes."""

import pytest

from trifold import code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules and a script that reaches two of them."""
    monkeypatch.setattr(code, "ROOT", tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    folder = tmp_path / "trifold"
    folder.mkdir()
    (tmp_path / "workflow_scripts").mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "far.py").write_text("x = 1\n")
    (folder / "near.py").write_text("from trifold.far import x\n")
    (folder / "other.py").write_text("y = 1\n")
    (tmp_path / "workflow_scripts" / "s.py").write_text("from trifold import near\n")
    (tmp_path / "papers" / "one").mkdir(parents=True)
    (tmp_path / "papers" / "one" / "s.py").write_text("from trifold import far\n")
    yield folder
    forget()


def forget():
    """As a new process begins."""
    for function in (code._source_cache, code._source, code._imports, code.code_version):
        function.cache_clear()


def version(script="s.py"):
    forget()
    return code.code_version(script)


def test_it_sees_code_behind_imports_and_no_comment(package):
    base = version()
    (package / "far.py").write_text("# a comment\nx = 1\n")
    (package / "other.py").write_text("y = 2\n")
    assert version() == base
    (package / "far.py").write_text("x = 2\n")
    assert version() != base


def test_an_import_that_is_added_is_followed(package):
    before = version()
    (package / "far.py").write_text("from trifold import other\nx = 1\n")
    assert version() != before
    before = version()
    (package / "other.py").write_text("y = 2\n")
    assert version() != before


def test_a_script_of_a_paper_is_named_by_its_path(package):
    of_paper, of_rule = version("papers/one/s.py"), version()
    (package / "near.py").write_text("from trifold.far import x as y\n")
    assert version("papers/one/s.py") == of_paper and version() != of_rule
    (package / "far.py").write_text("x = 2\n")
    assert version("papers/one/s.py") != of_paper


def test_sources_are_read_once(package, monkeypatch):
    base = version()
    (kept,) = (package / "__pycache__").iterdir()
    with monkeypatch.context() as patched:
        patched.setattr(code, "_read", lambda text: pytest.fail("read again"))
        assert version() == base
    kept.write_text("{")
    assert version() == base, "what was kept is damaged: it is read anew"


def test_a_package_that_cannot_be_written_to(package):
    (package / "__pycache__").write_text("in the way")
    assert version() == version()


def test_every_script_reaches_the_package(repository):
    for script in sorted([*(repository / "workflow_scripts").glob("*.py"), *(repository / "papers").glob("*/*.py")]):
        names = {path.name for path in code.modules_of(script)}
        assert {"log.py", "__init__.py"} <= names, script.name


def test_scripts_find_the_package_first_and_once(repository):
    environment = {"PYTHONPATH": "/a"}
    for _ in range(2):
        code.find_package(environment)
    assert environment == {"PYTHONPATH": f"{repository}:/a"}
    code.find_package(empty := {})
    assert empty == {"PYTHONPATH": str(repository)}


def test_the_version_s_number_and_what_one_imports_are_no_part_of_a_result(package):
    """trifold/__init__.py is reached by every script."""
    before = version()
    (package / "__init__.py").write_text('__version__ = "9"\n')
    assert version() == before
