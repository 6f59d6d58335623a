"""No code of ours runs what it reads: the source itself is searched, and a search that misses is tested too."""

import ast
import io
import tokenize

import pytest

# Modules whose data run code when they are read; of pickle only the name of its error.
RUN_ON_LOAD = {"pickle", "cPickle", "_pickle", "joblib", "dill", "marshal", "cloudpickle", "shelve", "jsonpickle"}
ERRORS = {"UnpicklingError", "PicklingError"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
# Whatever they are called on.
ATTRIBUTES = {
    *("extractall", "unpack_archive", "read_pickle", "to_pickle", "load_from_checkpoint", "unsafe_load", "full_load"),
    *("popen", "mktemp", "getoutput", "getstatusoutput"),
}
# The only modules that read weights; all other code is handed tensors.
READS_WEIGHTS = {"trifold/models/published.py", "trifold/models/weights.py", "trifold/training/fit.py"}


def dotted(node) -> str:
    """ "a.b.c" of nested attributes, "" of anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def is_true(call: ast.Call, name: str) -> bool:
    return any(
        keyword.arg == name and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in call.keywords
    )


def called(call: ast.Call) -> str:
    """What is wrong with a call; empty if nothing is."""
    name = dotted(call.func)
    given = {keyword.arg for keyword in call.keywords}
    if name in BUILTINS or (name.endswith(".eval") and (call.args or call.keywords)):
        return f"{name} runs text"
    if name.rpartition(".")[2] in ATTRIBUTES or name == "os.system":
        return name
    if name.endswith((".extract", ".import_module")) and name.startswith(("zip", "tar", "archive", "package")):
        return name
    if name in ("torch.load", "torch.jit.load") and not (name == "torch.load" and is_true(call, "weights_only")):
        return f"{name} without weights_only=True"
    if name.startswith("torch.hub."):
        return name
    if name in ("np.load", "numpy.load") and (len(call.args) > 2 or "allow_pickle" in given or None in given):
        return f"{name} with allow_pickle"
    if name in ("yaml.load", "yaml.load_all"):
        return f"{name}, not safe_load"
    if name.startswith("subprocess.") and ("shell" in given or None in given):
        return f"{name} with a shell"
    return ""


def faults(source: str) -> list[str]:
    """Lines of Python source that could run what they read, with the reason."""
    found = []
    for node in ast.walk(ast.parse(source)):
        told = ""
        if isinstance(node, ast.Import):
            told = ", ".join(alias.name for alias in node.names if alias.name.split(".")[0] in RUN_ON_LOAD - {"pickle"})
            if any(alias.name == "pickle" and alias.asname for alias in node.names):
                told = "pickle under another name"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in RUN_ON_LOAD:
            told = f"from {node.module}"
        elif isinstance(node, ast.Attribute) and dotted(node.value) == "pickle" and node.attr not in ERRORS:
            told = f"pickle.{node.attr}"
        elif isinstance(node, ast.Call):
            told = called(node)
        if told:
            found.append(f"{node.lineno}: {told}")
    return found


def python_files(repository):
    for folder in ("trifold", "workflow_scripts", "papers", "benchmarks", "tests/chaos"):
        yield from sorted((repository / folder).rglob("*.py"))


def test_no_source_runs_what_it_reads(repository):
    paths = list(python_files(repository))
    assert len(paths) > 80
    told = {str(path.relative_to(repository)): faults(path.read_text()) for path in paths}
    assert {path: found for path, found in told.items() if found} == {}


def test_weights_are_read_in_three_modules_only(repository):
    readers = set()
    for path in python_files(repository):
        for node in ast.walk(ast.parse(path.read_text())):
            name = dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if name in ("load_file", "safe_open") or (isinstance(node, ast.Call) and dotted(node.func) == "torch.load"):
                readers.add(str(path.relative_to(repository)))
    assert readers == READS_WEIGHTS


def test_no_rule_runs_what_it_reads(repository):
    """Rules are no Python, but their words are."""
    refused = RUN_ON_LOAD | BUILTINS | ATTRIBUTES | {"system", "extract"}
    rules = sorted([*(repository / "rules").glob("*.smk"), *(repository / "papers").glob("*/*.smk")])
    for path in (repository / "Snakefile", *rules):
        words = {
            token.string
            for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
            if token.type == tokenize.NAME
        }
        assert words & {"rule", "include", "def", "import"}, path.name
        assert words & refused == set(), path.name


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "torch.jit.load(path)",
        "torch.hub.load('a/b', 'c')",
        "np.load(path, allow_pickle=True)",
        "np.load(path, None, True)",
        "numpy.load(path, **options)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "pickle.load(handle)",
        "pickle.Unpickler(handle).load()",
        "import pickle as p",
        "from pickle import loads",
        "import joblib",
        "import dill, os",
        "from marshal import loads",
        "pd.read_pickle(path)",
        "eval(text)",
        "exec(text)",
        "frame.eval('a + b')",
        "os.system(text)",
        "os.popen(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.Popen(text, **options)",
        "tarfile.open(path).extractall()",
        "archive.extract(name)",
        "shutil.unpack_archive(path)",
        "Model.load_from_checkpoint(path)",
        "__import__(name)",
    ],
)
def test_the_search_finds(line):
    assert faults(f"def work():\n    {line}\n"), line


def test_the_search_lets_pass():
    source = """
import pickle, zipfile
try:
    torch.load(path, weights_only=True, map_location="cpu")
except pickle.UnpicklingError:
    model.eval()
np.load(path, mmap_mode="r")
yaml.safe_load(text)
subprocess.run(["ls"], check=True)
package.open(name)
re.compile(text)
"""
    assert faults(source) == []
