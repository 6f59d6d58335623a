"""Which arms of an experiment stand for the rows of a paper's tables: pure functions of the configuration."""


def used(config: dict, paper: str) -> dict:
    """The section of a paper with the arms that this experiment uses; a row without any is left out."""

    def present(names: list[str]) -> list[str]:
        return [name for name in names if name in config["arms"]]

    section = dict(config[paper])
    for table, rows in section.items():
        if table in ("figures", "differences"):  # figures name single arms, and differences name rows
            continue
        reduced = {
            row: {**value, "arms": present(value["arms"])} if isinstance(value, dict) else present(value)
            for row, value in rows.items()
        }
        section[table] = {
            row: value for row, value in reduced.items() if (value["arms"] if isinstance(value, dict) else value)
        }
    return section
