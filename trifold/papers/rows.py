"""Which arms of an experiment stand for the rows of a paper's tables: pure functions of the configuration."""


def used(config: dict, paper: str) -> dict:
    """The section of a paper with the arms that this experiment uses; a row without any is left out."""

    def kept_of(names: list[str]) -> list[str]:
        return [name for name in names if name in config["arms"]]

    section = dict(config[paper])
    for table, rows in section.items():
        if table in ("figures", "differences"):  # of single arms, and of rows
            continue
        kept = {
            row: {**own, "arms": kept_of(own["arms"])} if isinstance(own, dict) else kept_of(own)
            for row, own in rows.items()
        }
        section[table] = {row: own for row, own in kept.items() if (own["arms"] if isinstance(own, dict) else own)}
    return section
