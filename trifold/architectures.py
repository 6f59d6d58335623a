"""What the workflow knows of every architecture without importing torch: what it reads and predicts, its options, the
smallest window it can work on.

The module of an architecture says this in a literal, `ARCHITECTURES = {name: fields of `Traits`}`, beside the network.
It is read from the source of every file of `trifold/models`: a new architecture is a new file there, and no other file
changes. In the literal, names stand for literals above it or imported from another file of `trifold/models`, and
`**name` merges one in. `trifold.models.registry` loads a module when a network is built.
"""

import ast
import re
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cache, cached_property
from pathlib import Path

import yaml

from trifold.errors import InputError

DECLARED = "ARCHITECTURES"
_FOLDER = Path(__file__).parent / "models"
_PACKAGE = "trifold.models"
# Programs of others, each a folder with a program.yaml.
_PROGRAMS = Path(__file__).parent.parent / "programs"
# What a program.yaml may say beside its task and command.
_OF_PROGRAMS = ("options", "choices", "requirements", "complete")
# What the command of a program may name beside its options (`trifold.programs`).
PLACEHOLDERS = {"map", "out", "loops", "folder", "threads", "bin_bp"}


@dataclass(frozen=True)
class Traits:
    """What is known of an architecture.

    network, module     name of its class, and of the module that holds it
    inputs              of "sequence", "map", "tracks", "embeddings" (vectors of bins from a language model), "bias",
                        "total" (contacts of the whole low map)
    target              "oe", "observed", "counts" or "rates"; of a pair "label", "map" or "cage"
    fitter              "gradient"; "closed form", from the training samples at once; "none"; "program", of others
    predicts            False: a network of a loss, trained but never scored
    tasks               task (`trifold.tasks`) -> fields that differ in it
    crop_bins           border of a window that is not predicted; the option of that name, where there is one, overrides
                        it (None: a twentieth of the window)
    least_window_bins   smaller windows leave nothing
    window_step         what a window is a multiple of, bins, or the option that says so; `least_steps` of the option's
                        are the smallest window
    bin_step            option that says what a bin of the map is a multiple of, bp
    reads               option that says the side, bins, of the square in the middle of a window that is read
    halved_by           option with an entry for every halving of the cropped window; two pixels must be left
    backbones           roles of the trained arms it stands on, (needed, allowed)
    options             hyper-parameter -> default, as published; None: the protocol decides
    kinds               of options whose default is None: int, float, bool, list or word
    choices             of options that are words: the words
    published_only      option -> values that "corrected" does not take
    by_protocol         option -> protocol -> what None stands for, where `when` asks
    when                option -> value -> fields that differ with it
    inherits            options that are those of the arm it starts from, where they are not given
    window_bins         side of its windows, bins, where it is not the experiment's
    any_bins            a trained model serves maps of any bin width
    training            protocol -> settings of its training, in place of the experiment's
    folder, command, requirements, complete   of a program of others: its folder in the repository, how it is called
                        (`trifold.programs`), the file of its folder that says what it needs, and whether that file
                        names all there is to install
    """

    network: str
    module: str
    inputs: frozenset[str]
    target: str
    fitter: str = "gradient"
    predicts: bool = True
    tasks: dict[str, dict] = field(default_factory=lambda: {"maps": {}})
    crop_bins: int = 0
    least_window_bins: int = 8
    window_step: int | str = 1
    least_steps: int = 1
    bin_step: str | None = None
    reads: str | None = None
    halved_by: str | None = None
    backbones: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    options: dict = field(default_factory=dict)
    kinds: dict = field(default_factory=dict)
    choices: dict = field(default_factory=dict)
    published_only: dict[str, list] = field(default_factory=dict)
    by_protocol: dict[str, dict] = field(default_factory=dict)
    when: dict[str, dict[str, dict]] = field(default_factory=dict)
    inherits: tuple[str, ...] = ()
    window_bins: int | None = None
    any_bins: bool = False
    training: dict[str, dict] = field(default_factory=dict)
    folder: str = ""
    command: str = ""
    requirements: str = ""
    complete: bool = False

    @property
    def learned(self) -> bool:
        """Whether it is trained, once a seed."""
        return self.fitter == "gradient"

    @property
    def fitted(self) -> bool:
        """Whether there is something to learn from the training samples."""
        return self.fitter in ("gradient", "closed form")

    def at(self, task: str) -> "Traits":
        """What it is in one of its tasks."""
        return self._in_tasks[task]

    @cached_property
    def _in_tasks(self) -> dict[str, "Traits"]:
        # Asked for some ten times for every job of a large experiment.
        return {task: replace(self, **_cleaned(entry)) for task, entry in self.tasks.items()}


# ---------------------------------------------------------------- reading the literals


def _value(node: ast.expr, known: dict):
    """What a literal says; names are those of `known`. Raises ValueError for anything but a literal."""
    if isinstance(node, ast.Name) and node.id in known:
        return known[node.id]
    if isinstance(node, ast.Dict):
        merged = {}
        for key, value in zip(node.keys, node.values):
            merged |= _value(value, known) if key is None else {_value(key, known): _value(value, known)}
        return merged
    if isinstance(node, ast.List | ast.Tuple):
        items = [_value(item, known) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items)
    return ast.literal_eval(node)


@cache
def _literals(path: Path) -> dict:
    """Literals above a module's first class or function, those that it imports from other files of the folder too."""
    known: dict = {}
    head = re.split(r"^(?:class|def|@)", path.read_text(encoding="utf-8"), maxsplit=1, flags=re.MULTILINE)[0]
    for node in ast.parse(head).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(f"{_PACKAGE}."):
            there = _literals(_FOLDER / f"{node.module.rpartition('.')[2]}.py")
            known |= {alias.asname or alias.name: there[alias.name] for alias in node.names if alias.name in there}
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                known[node.targets[0].id] = _value(node.value, known)
            except ValueError:
                continue
    return known


def _cleaned(entry: dict) -> dict:
    """Fields of `Traits` from their literals."""
    kept = dict(entry)
    if "inputs" in kept:
        kept["inputs"] = frozenset(kept["inputs"])
    if "inherits" in kept:
        kept["inherits"] = tuple(kept["inherits"])
    if "backbones" in kept:
        roles = kept["backbones"]
        kept["backbones"] = (tuple(roles.get("needed", ())), tuple(roles.get("allowed", roles.get("needed", ()))))
    return kept


def _declared(path: Path) -> dict[str, Traits]:
    """The architectures of one file. Raises InputError, naming the file, for a declaration that cannot be read."""
    if f"\n{DECLARED} = " not in path.read_text(encoding="utf-8"):
        return {}
    entries, names = _literals(path).get(DECLARED), {field.name for field in fields(Traits)} - {"module"}
    if not isinstance(entries, dict):
        raise InputError(
            f"{path}: {DECLARED} is no literal above the first class; write words, numbers, lists and mappings"
        )
    declared = {}
    for name, entry in entries.items():
        place = f"{path}: {DECLARED}: {name}"
        parts = {place: entry}
        if isinstance(entry, dict) and isinstance(entry.get("tasks", {}), dict):
            parts |= {f"{place}: tasks: {task}": part for task, part in entry.get("tasks", {}).items()}
            for option, values in entry.get("when", {}).items():
                parts |= {f"{place}: when: {option}: {value}": part for value, part in values.items()}
        for where, part in parts.items():
            if not isinstance(part, dict) or not isinstance(part.get("tasks", {}), dict):
                raise InputError(f"{where}: no mapping; write fields of {sorted(names)} and their values")
            if unknown := sorted(set(part) - names):
                raise InputError(f"{where}: no field {unknown}; there are {sorted(names)}")
        if lacking := [field for field in ("network", "inputs", "target") if field not in entry]:
            raise InputError(f"{place}: {lacking} missing; an architecture has a network, inputs and a target")
        declared[name] = Traits(**_cleaned(entry), module=f"{_PACKAGE}.{path.stem}")
    return declared


def _program(path: Path) -> Traits:
    """A program of others, by its program.yaml. Raises InputError for one that cannot be read."""
    try:
        entry = yaml.safe_load(path.read_text(encoding="utf-8"))
        task, command = entry.pop("task"), entry.pop("command")
        known = {name: entry.pop(name) for name in _OF_PROGRAMS if name in entry}
        options = known.get("options", {})
        if not (isinstance(command, str) and isinstance(options, dict)):
            raise ValueError("command is no text, or options no mapping")
    except (OSError, ValueError, AttributeError, KeyError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read ({error}); it needs task (maps or loop) and command") from error
    if task not in ("maps", "loop") or entry:
        wrong = f"no field {sorted(entry)}" if entry else f"task {task!r} is neither maps nor loop"
        raise InputError(f"{path}: {wrong}; it has task, command and, if need be, {', '.join(_OF_PROGRAMS)}")
    if taken := sorted(set(options) & PLACEHOLDERS):
        raise InputError(f"{path}: options: {taken} name what the workflow gives to every command; rename them")
    folder = str(path.parent.relative_to(_PROGRAMS.parent))
    target = {"maps": "observed", "loop": "label"}[task]
    return Traits(
        "", "", frozenset({"map"}), target, fitter="program", tasks={task: {}}, folder=folder, command=command, **known
    )


def _all() -> dict[str, Traits]:
    programs = {path.parent.name: _program(path) for path in sorted(_PROGRAMS.glob("*/program.yaml"))}
    for path in sorted(_FOLDER.glob("*.py")):
        for name, traits in _declared(path).items():
            if name in programs:
                raise InputError(
                    f"{path}: {DECLARED}: {name!r} is declared in {programs[name].module or programs[name].folder} too"
                )
            programs[name] = traits
    return programs


ARCHITECTURES: dict[str, Traits] = _all()


def traits(architecture: str, task: str = "maps") -> Traits:
    """What an architecture is in a task. Raises KeyError for a task that it does not have."""
    return ARCHITECTURES[architecture].at(task)


def with_options(architecture: str, options: dict, protocol: str, task: str = "maps") -> Traits:
    """What an architecture is in a task with options, which override its defaults."""
    known = traits(architecture, task)
    for option, values in known.when.items():
        value = {**known.options, **options}[option]
        value = known.by_protocol[option][protocol] if value is None else value
        if differing := values.get(value):
            known = replace(known, **_cleaned(differing))
    return known


# ---------------------------------------------------------------- options and windows

_KINDS = {"int": int, "float": float, "bool": bool, "list": list, "word": str}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", list: "a list of numbers"}


def _is_a(kind: type, value) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is list:
        return isinstance(value, list | tuple) and len(value) > 0 and all(_is_a(int, part) for part in value)
    return isinstance(value, int | float) if kind is float else isinstance(value, kind)


def check_options(
    architecture: str, options: dict, place: str, task: str = "maps", protocol: str = "published"
) -> None:
    """Raise InputError, naming the `place` of the options in the config, for one the architecture does not take."""
    taken = traits(architecture, task)
    known = taken.options
    for name, value in options.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise InputError(
                f"{place}/{name}: the architecture {architecture!r} has no such option"
                + (f"; did you mean {near[0]}?" if near else f"; it has {', '.join(known) or 'none'}")
            )
        default = known[name]
        kind = _KINDS[taken.kinds[name]] if default is None else type(default)
        if value is None and default is None:
            continue
        if value is None or not _is_a(kind, value):
            raise InputError(f"{place}/{name}: {value!r} is not {_WORDS[kind]}; the default is {default}")
        above_zero = name == "sigma_bins" or (kind is int and name != "crop_bins")
        if kind in (int, float) and (value < 0 or (above_zero and value == 0)):
            raise InputError(f"{place}/{name}: {value} is too small; the default is {default}")
        if name in taken.choices and value not in taken.choices[name]:
            raise InputError(f"{place}/{name}: {value!r} is not one of {', '.join(taken.choices[name])}")
        if protocol != "published" and value in taken.published_only.get(name, ()):
            raise InputError(
                f"{place}/{name}: {value!r} is for protocol: published; leave it out, or set that protocol"
            )


def windows_of(architecture: str, options: dict) -> tuple[int, int]:
    """Bins of the smallest window an architecture with these options works on, and what a window is a multiple of."""
    known = ARCHITECTURES[architecture]
    settings = {**known.options, **options}
    if isinstance(known.window_step, str):
        step = settings[known.window_step]
        return known.least_steps * step, step
    if known.halved_by and settings[known.halved_by]:
        # Two pixels after every halving.
        return 2 * settings["crop_bins"] + 2 ** len(settings[known.halved_by]) + 1, known.window_step
    return max(known.least_window_bins, 2 * known.crop_bins + 1), known.window_step


def crop_of(architecture: str, options: dict, window_bins: int) -> int:
    """Bins at the border of a window that an architecture with these options does not predict."""
    settings = {**ARCHITECTURES[architecture].options, **options}
    if "crop_bins" not in settings:
        return ARCHITECTURES[architecture].crop_bins
    return window_bins // 20 if settings["crop_bins"] is None else settings["crop_bins"]


def check_window(architecture: str, options: dict, window_bins: int, place: str) -> None:
    """Raise InputError, naming the arm at `place`, for windows that the architecture cannot work on."""
    least, step = windows_of(architecture, options)
    if window_bins < least or window_bins % step:
        needed = f"at least {least}" + (f", a multiple of {step}" if step > 1 else "")
        raise InputError(
            f"config: geometry/window_bins: {window_bins} bins do not suit {place}: {architecture!r} needs {needed}; "
            "choose such a window, or leave the arm out"
        )
    reads = ARCHITECTURES[architecture].reads
    if reads and (side := options.get(reads)) and not least <= side <= window_bins:
        raise InputError(
            f"config: {place}/options/{reads}: {side} bins, and {architecture!r} reads {least} to {window_bins}, the "
            "side of its window; choose one of these, or a wider window_bins"
        )
