"""Which arms of an experiment stand for the rows of a paper's tables: pure functions of the configuration."""

from typing import Any

from trifold.errors import InputError


def used(config: dict, paper: str) -> dict:
    """The section of a paper with the arms that this experiment uses; a row, or a figure, without any is left out.

    Raises InputError for differences of a row that is none of Table 1, and for a row of a split that is not there.
    """

    def present(value) -> Any:
        if isinstance(value, dict):  # with the split of the row
            names = present(value["arms"])
            return {**value, "arms": names} if names else {}
        return [name for name in value if name in config["arms"]] if isinstance(value, list) else value

    section = dict(config[paper])
    for row, others in section.get("differences", {}).items():
        if unknown := {row, *others} - set(known := section.get("table1", {})):
            raise InputError(f"config: {paper}/differences/{row}: {sorted(unknown)} is not one of {sorted(known)}")
    for table, rows in section.items():
        if table != "differences":  # which name rows
            reduced = {row: present(value) for row, value in rows.items()}
            section[table] = {row: value for row, value in reduced.items() if value}
            for row, value in section[table].items():
                if isinstance(value, dict) and value.get("fold", "") not in {"", *(folds := config["splits"])}:
                    raise InputError(
                        f"config: {paper}/{table}/{row}/fold: {value['fold']!r} is not one of {sorted(folds)}"
                    )
    return section
