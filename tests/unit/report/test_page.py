import re

import made_up
import pandas as pd
import pytest

from trifold.metrics import aggregate
from trifold.report import figures, page
from trifold.report.samples import MapFacts

SECTIONS = ["findings", "scores", "distance", "gallery", "enhanced", "samples", "training", "run", "data", "warnings"]
SECTIONS += ["provenance", "configuration"]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    settings = made_up.config(seeds=(1, 2), published=True)
    settings["evaluate"]["comparison"]["reference_arms"] = ["identity", "gaussian"]
    path = made_up.built(tmp_path_factory.mktemp("page"), settings, notes=["<b>Beware</b> & read"])
    assert path.name == "index.html"
    assert path.stat().st_size < 5e6
    return path.read_text()


@pytest.fixture(scope="module")
def reader(html):
    return made_up.Reader(html)


def test_every_section_is_there_and_in_the_navigation(reader):
    assert [name for name in reader.ids if name in SECTIONS] == SECTIONS
    links = [own["href"] for tag, own in reader.attributes if tag == "a" and "href" in own]
    assert links[1 : 1 + len(SECTIONS)] == [f"#{name}" for name in SECTIONS]


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(reader):
    assert len(reader.ids) == len(set(reader.ids))
    targets = {own["href"][1:] for tag, own in reader.attributes if tag == "a" and own.get("href", "").startswith("#")}
    assert targets <= set(reader.ids)


def test_nothing_is_loaded_from_elsewhere(html, reader):
    for tag, own in reader.attributes:
        for name in ("src", "href", "xlink:href", "data", "srcset", "action"):
            assert own.get(name, "#").startswith(("#", "data:")), (tag, own)
    assert not re.search(r"url\(\s*['\"]?(?!#)", html)
    assert "@import" not in html
    # What is left of http are the names of XML namespaces.
    assert set(re.findall(r'https?://[^"\s<]+', html)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_text_is_escaped(html):
    assert "&lt;b&gt;Beware&lt;/b&gt; &amp; read" in html


def test_images_have_alternatives_and_tables_have_headers(html, reader):
    images = [own for tag, own in reader.attributes if tag == "img"]
    assert len(images) == 3 + 1  # the gallery, the enhanced map
    assert all(own["alt"] for own in images)
    drawn = [own for tag, own in reader.attributes if tag == "figure" and own.get("role") == "img"]
    # intervals by view and reference arm, distance by view, the sample, training
    assert len(drawn) == 4 * 2 + 4 + 1 + 1
    assert all(own["aria-label"] for own in drawn)
    assert all('scope="col"' in table for table in re.findall(r"<table.*?</table>", html, flags=re.DOTALL))


def test_views_carry_what_they_show(reader):
    first = [own for tag, own in reader.attributes if tag == "input" and "checked" in own]
    assert {own["name"]: own["value"] for own in first} == {
        "degradation": "low", "sample": "alpha", "reference": "deep", "scale": "oe", "against": "identity",
    }  # fmt: skip
    views = [own for tag, own in reader.attributes if tag == "div" and "view" in own.get("class", "").split()]
    assert len(views) == 4 + 8 + 8 + 4 + 4  # findings, tables, intervals, by region, by distance
    assert all({"data-degradation", "data-sample", "data-reference", "data-scale"} <= set(own) for own in views)


def test_numbers_findings_and_provenance_are_in_the_text(reader):
    text = " ".join(" ".join(reader.text).split())
    assert "24 windows, 2 seeds" in text
    assert "standard deviation over seeds" in text and "Bands span the seeds" in text
    assert "Test regions: chr6:0-1,572,864" in text
    assert "the strongest row without a model" in text
    assert "published" in text
    assert "torch 2.13.0" in text
    assert "contacts/alpha/deep" in text
    assert "cdcdcdcdcdcd…" in text
    assert "experiment: made-up" in text


def test_a_bare_experiment_still_makes_a_page(tmp_path):
    """No learned arm, nothing trained, compared, shown or downloaded."""
    settings = made_up.config(seeds=(1,))
    settings["arms"] = {"identity": {"architecture": "identity"}}
    settings["evaluate"]["comparison"]["reference_arms"] = []
    nothing = {"gallery": [], "histories": pd.DataFrame(), "facts": page.Facts(), "manifest": []}
    path = made_up.built(tmp_path, settings, **nothing)
    text = " ".join(made_up.Reader(path.read_text()).text)
    for said in ("No learned arm was", "No windows were asked for", "No arm was trained", "Nothing was downloaded"):
        assert said in text


def test_inline_svg_carries_no_ids_but_those_it_refers_to():
    settings = made_up.config(seeds=(1,))
    figure = figures.training_curves(made_up.histories(settings), settings["arms"])
    svg = page._inline(figures.svg_text(figure, "key"))
    assert svg.startswith("<svg")
    used = set(re.findall(r"#([\w-]+)", svg))
    assert set(re.findall(r'id="([^"]+)"', svg)) <= used


# ---------------------------------------------------------------- what the page says of the data


def text_of(path) -> str:
    return " ".join(" ".join(made_up.Reader(path.read_text()).text).split())


def bare(**changes) -> dict:
    """Settings without sequence, tracks or papers: one learned arm on a map of one's own."""
    settings = made_up.config(seeds=(1,))
    settings["arms"] = {name: settings["arms"][name] for name in ("identity", "image")}
    settings["genome"] = {"assembly": "hg38"}
    settings["samples"] = {"alpha": {"contacts": "/data/deep.mcool"}}
    settings["evaluate"]["comparison"]["reference_arms"] = ["identity"]
    return {**settings, "experiment": "mine", **changes}


def own_facts(**changes) -> page.Facts:
    maps = [MapFacts("deep", "/data/deep.mcool", made_up.summary(), [])]
    return page.Facts(samples=[page.Sample("alpha", maps)])._replace(**changes)


def test_y4_the_page_says_which_width_was_chosen(tmp_path):
    chosen = [page.Chosen("tuned", "a", "sigma_bins", "2"), page.Chosen("tuned", "b", "sigma_bins", "1.5")]
    text = text_of(made_up.built(tmp_path, bare(), drawn=False, facts=own_facts(chosen=chosen), manifest=[]))
    said = "Fitted at once, without training: tuned, fold a: sigma_bins 2; tuned, fold b: sigma_bins 1.5."
    assert said in text


def test_y3_ceilings_stand_last_on_the_page_and_their_divisions_are_no_seeds(tmp_path):
    """One seed, two divisions: nothing is said of a spread over seeds."""
    windows = made_up.window_scores(bare())
    one = windows[windows["arm"] == "identity"]
    divided = [
        one.assign(arm=name, seed=number, pearson=one["pearson"] + gain + number / 100)
        for name, gain in (("replicate", 0.3), ("noise-free", 0.4))
        for number in (1, 2)
    ]
    whole = pd.concat([windows, *divided])
    made = {"drawn": False, "facts": own_facts(), "manifest": []}
    (tmp_path / "with").mkdir()
    held = {"scores": aggregate.summarise(whole), "regions": made_up.region_scores(whole)}
    path = made_up.built(tmp_path / "with", bare(), **made, **held)
    said = ("replicate is another experiment as deep", "A learned arm's percentage is its way from the best row")
    text = text_of(path)
    assert all(words in text for words in said)
    assert "standard deviation over seeds" not in text and "Bands span the seeds" not in text
    tables = re.findall(r"<table.*?</table>", path.read_text(), flags=re.DOTALL)
    named = [re.findall(r'<th scope="row">(?:<[^>]*>)*([^<]*)', table) for table in tables if "replicate" in table]
    assert named and all(names[-2:] == ["replicate", "noise-free"] for names in named), named
    without = made_up.built(tmp_path, bare(), **made)
    assert not any(words in text_of(without) for words in said)


def test_d15_a_page_of_ones_own_data_says_so(tmp_path):
    text = text_of(made_up.built(tmp_path, bare(), notes=[], drawn=False, facts=own_facts(), manifest=[]))
    assert "Nothing was downloaded. Files of one's own: " in text
    assert "contacts of alpha /data/deep.mcool a file of one's own" in text
    for word in ("simulat", "demo", "kriukov2021:", "mixhic", "lau2025", "published", "Enhanced maps"):
        assert word not in text, word


def test_d15_a_section_per_sample_with_its_numbers(reader):
    text = " ".join(" ".join(reader.text).split())
    assert "deep 1,024 bp 4,000,000 – 96 % 2,520 12 of 1,536 (0.8 %) simulated/alpha.mcool" in text
    assert "low 2,048 bp 250,000 1/16 96 % 316 9 of 768 (1.2 %) the deep map, 2 bins merged, one contact in" in text
    assert "Repaired: no map of 1024 bp in the file: coarsened from 512 bp (deep map)." in text
    assert "sample-alpha" in reader.ids


def test_d15_what_was_enhanced_is_shown(reader):
    text = " ".join(" ".join(reader.text).split())
    assert "Enhanced with arm image, fold a, seed 1: results/made-up/enhanced/shallow/map.mcool ." in text
    assert "shallow 2,048 bp 180,000 96 % 234 30 of 768 (3.9 %) /data/shallow.mcool" in text
    alternatives = [own["alt"] for tag, own in reader.attributes if tag == "img"]
    assert "shallow before and after, chr6:102,400-167,936" in alternatives


def test_a_map_without_a_window_to_show_says_so(tmp_path):
    given = MapFacts("shallow", "/data/shallow.mcool", made_up.summary(), [])
    facts = own_facts(enhanced=[page.Enhanced("shallow", given, "arm image", "results/mine/map.mcool")])
    text = text_of(made_up.built(tmp_path, bare(), drawn=False, facts=facts))
    assert "No window is shown: in none are enough bins known." in text


def test_t13_warnings_are_on_the_page_and_counted(reader):
    text = " ".join(" ".join(reader.text).split())
    assert "3 warnings were logged while this was made." in text
    assert "3 warnings of 2 artifacts. contacts/alpha/deep 1 warning simulated/alpha.mcool: no map of 1024 bp" in text
    assert "models/image/fold-a/seed-1 2 warnings validation loss rose for 5 epochs 2 windows have <1 %" in text


def test_t13_a_page_without_warnings_says_so(tmp_path):
    text = text_of(made_up.built(tmp_path, bare(), drawn=False, facts=own_facts()))
    assert "None was logged while" in text
    assert "were logged" not in text


def test_d21_numbers_agree_with_their_nouns(tmp_path):
    settings = bare(degradations={"low": {"coarsen": 1, "thin": 16, "seed": 1}, "wide": {"coarsen": 3, "thin": 1}})
    settings["degradations"]["wide"]["seed"] = 2
    settings["training"] = {**settings["training"], "epochs": 1}
    logged = [page.Logged("contacts/alpha/deep", ["sorted"])]
    path = made_up.built(tmp_path, settings, drawn=False, facts=own_facts(warnings=logged), manifest=[])
    text = text_of(path)
    assert "low 1,024 bp one contact in 16 1 wide 3,072 bp (3 bins merged) all contacts 2" in text
    assert "1 epoch, batch 8" in text
    assert "1 warning was logged" in text
    assert "1 warning of 1 artifact." in text
    assert "0 artifacts" in text
    assert not re.search(r"\b1 (bins|epochs|seeds|windows|warnings|artifacts|regions)\b", text)


def test_low_maps_that_were_measured(tmp_path):
    settings = bare()
    settings["samples"]["alpha"]["low"] = {"low": "/data/low.cool"}
    text = text_of(made_up.built(tmp_path, settings, drawn=False, facts=own_facts()))
    assert "low 2,048 bp (2 bins merged) measured –" in text
    settings["samples"]["beta"] = {"contacts": "/data/beta.mcool"}
    settings["evaluate"]["samples"] = ["alpha", "beta"]
    assert page._lows(settings) == [
        ("low", "2,048 bp (2 bins merged)", "one contact in 16; measured for alpha", "1"),
    ]


@pytest.mark.parametrize(
    ("low", "arms", "lede"),
    [
        ({"coarsen": 2, "thin": 16}, ("identity", "image"), "contact maps of low depth and resolution are enhanced, "),
        ({"coarsen": 1, "thin": 16}, ("image",), "contact maps of low depth are enhanced."),
        ({"coarsen": 2, "thin": 1}, ("identity", "image"), "contact maps of low resolution are enhanced, and"),
        ({"coarsen": 1, "thin": 1}, ("identity",), "shallow contact maps are enhanced, and the rows that"),
    ],
)  # fmt: skip
def test_the_first_sentence_fits_the_experiment(low, arms, lede):
    settings = bare(degradations={"low": low})
    settings["arms"] = {name: made_up.config()["arms"][name] for name in arms}
    assert page._lede(settings).startswith(lede)


def test_the_configuration_leaves_out_what_the_experiment_has_nothing_of():
    settings = bare(simulate={"seed": 1}, papers=[], size=None, depth={})
    assert {"simulate", "papers", "size"}.isdisjoint(page._read(settings))
    assert "depth" in page._read(settings)
    simulated = {**settings, "samples": {"a": {"contacts": "simulated/alpha.mcool"}}, "papers": ["made-up"]}
    assert {"simulate", "papers", "size"} <= page._read(simulated).keys()


def test_protocols_stand_there_only_where_there_are_two(tmp_path, reader):
    own = made_up.Reader(made_up.built(tmp_path, bare(), drawn=False, facts=own_facts()).read_text())
    assert "protocol" not in own.text
    assert "protocol" in reader.text


def test_every_table_lies_in_a_region_that_scrolls_and_takes_the_focus(html):
    regions = re.findall(r'<div class="scroll" role="region" tabindex="0" aria-label="[^"]+">\s*<table', html)
    assert len(regions) == html.count("<table") > 12


def test_two_builds_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    settings = bare()
    settings["evaluate"]["comparison"]["reference_arms"] = []
    pages = [made_up.built(tmp_path / name, settings, drawn=False).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]
