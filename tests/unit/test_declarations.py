"""What the workflow reads of an architecture from its source: in every task, and what it says of a bad declaration."""

from dataclasses import fields

import pytest

from trifold import architectures
from trifold.architectures import ARCHITECTURES, Traits, traits, windows_of
from trifold.errors import InputError
from trifold.tasks import TASKS

FIELDS = '"network": "Net", "inputs": ["map"], "target": "observed"'


def declared(path, text: str) -> dict[str, Traits]:
    path.write_text(text)
    return architectures._declared(path)


# ---------------------------------------------------------------- tasks


def test_every_task_is_one_there_is():
    assert {task for kind in ARCHITECTURES.values() for task in kind.tasks} == set(TASKS)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_task_changes_the_fields_it_names_and_no_other(name):
    whole = ARCHITECTURES[name]
    for task, changed in whole.tasks.items():
        own = traits(name, task)
        assert own == whole.at(task)
        for field in fields(Traits):
            if field.name not in changed:
                assert getattr(own, field.name) == getattr(whole, field.name), field.name


def test_traits_in_a_task():
    """Of MIX-HIC's loops: a probability instead of a map; what all tasks share stays."""
    whole, loop, cage = ARCHITECTURES["mixhic"], traits("mixhic", "loop"), traits("mixhic", "cage")
    assert (whole.network, loop.network, cage.network) == ("Pretraining", "Loop", "Cage")
    assert (loop.target, cage.target, traits("mixhic", "window").target) == ("label", "cage", "map")
    assert (loop.options["embed_dim"], cage.options["embed_dim"]) == (128, 256)
    assert loop.training["corrected"]["early_stop_epochs"] == 20
    assert traits("mixhic", "pretraining").predicts is False and loop.predicts
    assert loop.inputs == cage.inputs == frozenset({"map", "tracks"}) and loop.window_bins == 50
    assert windows_of("mixhic", {}) == (16, 1)
    assert traits("akita") == ARCHITECTURES["akita"]
    with pytest.raises(KeyError, match="loop"):
        traits("akita", "loop")


# ---------------------------------------------------------------- literals


def test_a_literal_is_read_with_what_it_names_and_merges(tmp_path):
    """Names above it, `**` of them, of other files too; what is not literal is passed over where nothing needs it."""
    text = f'''"""A network."""

import torch
from trifold.models.mixhic import SIZES as OTHERS

WIDTH = 7
SIZES = {{"width": WIDTH, **OTHERS}}
DEVICE = torch.device("cpu")
ARCHITECTURES = {{
    "small": {{{FIELDS}, "options": {{"depth": 2, **SIZES}}, "backbones": {{"needed": ["image"]}}}},
    "two": {{
        {FIELDS},
        "inherits": ["width"],
        "tasks": {{"maps": {{}}, "loop": {{"inputs": ["tracks"], "target": "label"}}}},
    }},
}}


class Net(torch.nn.Module):
    ARCHITECTURES = None
'''
    found = declared(tmp_path / "small.py", text)
    small, two = found["small"], found["two"]
    sizes = {"embed_dim": 128, "heads": 4, "depth": 2, "variant": "full"}
    assert small.options == {"depth": 2, "width": 7, **sizes}
    assert small.backbones == (("image",), ("image",)) and small.inputs == frozenset({"map"})
    assert small.module == "trifold.models.small" and list(small.tasks) == ["maps"]
    assert two.inherits == ("width",)
    assert two.at("loop").inputs == frozenset({"tracks"}) and two.at("maps").target == "observed"
    assert declared(tmp_path / "none.py", "import torch\n\n\nclass Net: ...\n") == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nARCHITECTURES = dict(a=1)\n", "ARCHITECTURES is no literal above the first class; write words, numbers"),
        ('\nARCHITECTURES = {"a": make()}\n', "is no literal above the first class"),
        ('\nARCHITECTURES = {"a": {"options": UNKNOWN}}\n', "is no literal above the first class"),
        ('\nARCHITECTURES = {"a": {f"{1}": 2}}\n', "is no literal above the first class"),
        ('\nARCHITECTURES = ["a"]\n', "is no literal above the first class"),
        (f'\nclass Net: ...\n\n\nARCHITECTURES = {{"a": {{{FIELDS}}}}}\n', "is no literal above the first class"),
        ('\nARCHITECTURES = {"a": 3}\n', r"ARCHITECTURES: a: no mapping; write fields of \['any_bins'"),
        (
            f'\nARCHITECTURES = {{"a": {{{FIELDS}, "colour": 1}}}}\n',
            r"a: no field \['colour'\]; there are \['any_bins'",
        ),
        (f'\nARCHITECTURES = {{"a": {{{FIELDS}, "module": "x"}}}}\n', r"a: no field \['module'\]"),
        ('\nARCHITECTURES = {"a": {"inputs": ["map"]}}\n', r"a: \['network', 'target'\] missing"),
        (f'\nARCHITECTURES = {{"a": {{{FIELDS}, "tasks": ["maps"]}}}}\n', "a: no mapping"),
        (f'\nARCHITECTURES = {{"a": {{{FIELDS}, "tasks": {{"maps": 1}}}}}}\n', "a: tasks: maps: no mapping"),
        (
            f'\nARCHITECTURES = {{"a": {{{FIELDS}, "tasks": {{"maps": {{"size": 1}}}}}}}}\n',
            r"a: tasks: maps: no field \['size'\]",
        ),
        (
            f'\nARCHITECTURES = {{"a": {{{FIELDS}, "when": {{"side": {{3: {{"size": 1}}}}}}}}}}\n',
            r"a: when: side: 3: no field \['size'\]",
        ),
    ],
)
def test_a_declaration_that_cannot_be_read_is_said_in_a_line(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as error:
        declared(tmp_path / "net.py", text)
    assert str(error.value).startswith(f"{tmp_path / 'net.py'}: ARCHITECTURES") and "\n" not in str(error.value)


def test_a_name_stands_once(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(f'"""."""\n\nARCHITECTURES = {{"a": {{{FIELDS}}}}}\n')
    monkeypatch.setattr(architectures, "_FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"two\.py: ARCHITECTURES: 'a' is declared in trifold\.models\.one too"):
        architectures._all()
