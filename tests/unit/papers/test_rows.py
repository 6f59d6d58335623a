"""Rows of a paper's tables that an experiment has arms for."""

from trifold.papers import rows


def test_an_experiment_has_the_rows_of_its_arms():
    config = {
        "arms": {"identity": {}, "image": {}},
        "paper": {
            "table1": {"Akita-like": ["sequence"], "img-to-img": ["image", "sequence"]},
            "table3": {"Random": {"fold": "b", "arms": ["sequence"]}, "Chromosome": {"fold": "a", "arms": ["image"]}},
            "figures": {"maps": ["image"]},
        },
    }
    assert rows.used(config, "paper") == {
        "table1": {"img-to-img": ["image"]},
        "table3": {"Chromosome": {"fold": "a", "arms": ["image"]}},
        "figures": {"maps": ["image"]},
    }
