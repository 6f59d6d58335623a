"""CONTRIBUTING.md: its files are there, its examples are those that tests run, or work as printed."""

import ast
import importlib.util
import inspect
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from trifold import architectures
from trifold.config import Geometry
from trifold.errors import InputError
from trifold.metrics import pixels
from trifold.tasks import Task
from trifold.training.regression import Regression

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a reader names, not what is there.
NAMED = re.compile(r"[<>*…]")
GEOMETRY = Geometry(bin_bp=32, window_bins=24, stride_bins={}, max_bad_bins=0.25, max_n_bins=0)


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "CONTRIBUTING.md").read_text()


@pytest.fixture
def block(page):
    """The Python block that holds a text, as it is printed."""

    def find(text: str) -> str:
        (found,) = [own for kind, own in BLOCK.findall(page) if kind == "python" and text in own]
        return found

    return find


@pytest.fixture
def module(block, tmp_path):
    """A block as a module: its file, and what it holds."""

    def load(text: str):
        path = tmp_path / "printed.py"
        path.write_text(block(text))
        spec = importlib.util.spec_from_file_location("printed", path)
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return path, made

    return load


def constants(path) -> dict:
    """Texts that a test assigns."""
    assigned = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
    return {node.targets[0].id: node.value.value for node in assigned if isinstance(node.value, ast.Constant)}


def test_every_file_that_is_named_is_there(repository, page):
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:md|yaml))`", page))
    named |= {path.partition("#")[0] for path in re.findall(r"\]\(([^)]+)\)", page)}
    inside = {path for path in named if (repository / path.split("/")[0]).exists() and not NAMED.search(path)}
    assert len(inside) > 40
    assert [path for path in sorted(inside) if not (repository / path).exists()] == []


def test_the_architecture_and_the_paper_are_those_that_tests_run(repository, page):
    printed = {text.strip() for _, text in BLOCK.findall(page)}
    new = constants(repository / "tests/workflow/test_rerun.py")["NEW"]
    paper = constants(repository / "tests/workflow/test_papers.py")
    for text in (new, *(paper[name] for name in ("ARMS", "PUBLISHED", "RULES", "SCRIPT"))):
        assert text.strip() in printed


@pytest.mark.parametrize("name, options", [("plain", {"side": 5}), ("box", {"side": 3})])
def test_an_architecture_as_printed(module, name, options):
    path, printed = module(f'"{name}": {{"network"')
    (traits,) = architectures._declared(path).values()
    network = getattr(printed, traits.network)(GEOMETRY, **options)
    batch = torch.rand(2, 1, 24, 24)
    batch = (batch + batch.mT) / 2
    made = network({"map": batch})
    assert (network.inputs, network.target, network.learned) == (traits.inputs, traits.target, name == "plain")
    assert made.shape == batch.shape
    torch.testing.assert_close(made, made.mT)
    if name == "box":
        assert made[0, 0, 5, 7].item() == pytest.approx(batch[0, 0, 4:7, 6:9].mean().item())
        assert made[0, 0, 0, 0].item() == pytest.approx(batch[0, 0, :2, :2].mean().item())


def test_a_task_as_printed(module):
    """The modules that it names hold what the workflow asks of them (docs/architecture.md)."""
    _, printed = module("STRENGTH")
    task = printed.STRENGTH
    assert isinstance(task, Task) and not task.whole_maps
    data, scoring = (importlib.import_module(name) for name in (task.data, task.scoring))
    for function, arguments in (
        (data.statistics_of, ["arm", "geometry", "given"]),
        (data.training_sets, ["arm", "given", "network", "statistics", "seed"]),
    ):
        assert list(inspect.signature(function).parameters) == arguments
    out, *named = inspect.signature(scoring.score).parameters.values()
    assert out.name == "out" and all(part.kind in (part.KEYWORD_ONLY, part.VAR_KEYWORD) for part in named)
    learner, network = task.learner("mse", True)
    assert issubclass(getattr(importlib.import_module(learner), network), Regression)


def test_a_metric_as_printed(block):
    given = dict(vars(pixels))
    exec(block("def rmse"), given)
    prediction, target, mask = np.zeros((2, 3)), np.array([[1.0, 2, 2], [3, 4, np.nan]]), np.ones((2, 3), dtype=bool)
    np.testing.assert_allclose(given["rmse"](prediction, target, mask), [3**0.5, 12.5**0.5])


def test_a_portal_as_printed(module):
    _, printed = module("BASE =")
    record = {"url": "https://data.example.org/A1.cool", "size": 7, "md5": "0" * 32}
    asked = []
    web = SimpleNamespace(json=lambda url, interval_s: asked.append(url) or record)
    row = {"file": "A1.cool", "accession": "A1", "assembly": "hg38"}
    (found,) = printed.resolve(row, web)
    assert (found.file, found.bytes, found.md5, asked) == ("A1.cool", "7", "0" * 32, [f"{printed.BASE}/files/A1"])
    record["md5"] = ""
    with pytest.raises(InputError, match=r"A1\.cool: the portal states no md5"):
        printed.resolve(row, web)
