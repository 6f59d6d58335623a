"""Which arms of an experiment stand in the tables, figures and comparisons of Yang et al. 2025: pure functions."""

from typing import NamedTuple

from trifold.arm import Arm
from trifold.errors import InputError
from trifold.plan import task_of, traits_of

# What is shown -> the task of its arms (None: any), and whether on samples they were trained on.
SHOWN = {
    "table2": ("window", True),
    "table3": ("loop", True),
    "table4": ("cage", True),
    "tables2": ("loop", True),
    "figure4": ("loop", True),
    "figure5": (None, False),
    "figure6": (None, True),
    "figures2": (None, True),
    "figures3": (None, True),
}


# Tables of scores on windows, which all arms of a table must share.
WINDOWED = ("table2", "table3", "table4")


def shown(section: dict, arms: dict[str, Arm]) -> dict[str, dict[str, list[str]]]:
    """Rows of every table and labels of every figure with the arms that this experiment has for them.

    section: `mixhic2025` of the configuration. A row without any is left out. Raises InputError for an arm of another
    task, and for windows of two sizes in a table of their scores.
    """
    rows = {**section["tables"], **section["figures"]}
    arms_of: dict[str, dict[str, list[str]]] = {}
    for name, (task, within) in SHOWN.items():
        arms_of[name] = {}
        for row, names in rows.get(name, {}).items():
            present = [arms[arm] for arm in names if arm in arms]
            for arm in present:
                if task not in (None, arm.task):
                    kind = "tables" if name in section["tables"] else "figures"
                    raise InputError(
                        f"config: mixhic2025/{kind}/{name}/{row}: {arm.name!r} is of the task {arm.task!r}, not "
                        f"{task!r}; name arms of {task!r}"
                    )
            if used := [arm.name for arm in present if _stands(arm, within)]:
                arms_of[name][row] = used
        if name in WINDOWED:
            _check_windows(name, [arms[arm] for used in arms_of[name].values() for arm in used])
    return arms_of


def against(section: dict, arms_of: dict[str, dict[str, list[str]]]) -> dict[str, str]:
    """Table -> the row that its others are held against, where the experiment has arms for it (`shown`).

    Raises InputError for a row that the table does not have.
    """
    chosen = {}
    for table, row in section["tables"]["against"].items():
        if row not in (known := section["tables"][table]):
            raise InputError(f"config: mixhic2025/tables/against/{table}: {row!r} is not one of {sorted(known)}")
        if row in arms_of[table]:
            chosen[table] = row
    return chosen


def _check_windows(name: str, shown_arms: list[Arm]) -> None:
    scored = sorted((arm for arm in shown_arms if not arm.scores), key=lambda arm: arm.window_bins)
    if scored and (first := scored[0]).window_bins != (last := scored[-1]).window_bins:
        raise InputError(
            f"config: mixhic2025/tables/{name}: {first.name!r} reads windows of {first.window_bins} bins and "
            f"{last.name!r} of {last.window_bins}, so they are not tested on the same; give both one window_bins"
        )


def _stands(arm: Arm, within: bool) -> bool:
    """Whether an arm is tested on a sample it was trained on, or, not `within`, on another."""
    return any((sample in arm.samples) == within for sample in arm.test_samples)


class Comparison(NamedTuple):
    """Two arms on a test sample of both."""

    comparison: str
    task: str
    protocol: str
    sample: str
    run: str
    against: str


def compared(section: dict, arms: dict[str, Arm]) -> list[Comparison]:
    """The section's comparisons, on every test sample that both arms have.

    Those that need an arm which the experiment does not have are left out. Raises InputError for two that were not
    tested on the same windows.
    """
    return [
        comparison
        for name, pairs in section["comparisons"].items()
        for pair in pairs
        if set(pair) <= set(arms)
        for comparison in _compared(
            name, *(arms[arm] for arm in pair), f"config: mixhic2025/comparisons/{name}: {pair}"
        )
    ]


def _compared(name: str, run: Arm, against: Arm, place: str) -> list[Comparison]:
    for field in ("task", "protocol", "window_bins"):
        if getattr(run, field) != getattr(against, field):
            raise InputError(
                f"{place}: the {field} is {getattr(run, field)!r} and {getattr(against, field)!r}, whose test windows "
                f"differ; name two arms of one {field}"
            )
    if foreign := [arm.name for arm in (run, against) if arm.scores]:
        raise InputError(
            f"{place}: {foreign[0]!r} comes with scores alone, without predictions; name an arm trained here"
        )
    samples = [sample for sample in run.test_samples if sample in against.test_samples]
    if not samples:
        raise InputError(f"{place}: no test sample in common; give them one")
    return [Comparison(name, run.task, run.protocol, sample, run.name, against.name) for sample in samples]


def samples_read(arms: dict[str, Arm]) -> list[tuple[str, str, str]]:
    """(data set, sample, fold) of all windows that arms on pairs are trained on, sorted; of an arm's first fold, as how
    many there are does not depend on it."""
    of_pairs = [arm for arm in arms.values() if task_of(arm).source == "pairs" and traits_of(arm).fitter != "program"]
    return sorted({(arm.dataset, sample, fold) for arm in of_pairs for sample in arm.samples for fold in arm.folds[:1]})
