"""The report as a browser shows it: headless Chromium on a page of made-up data."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


def wide_table(sections, tables):
    """A table of a paper that no screen holds."""
    cells = [tables.Cell("0.12345", "± 0.00012")] * 24
    groups = [(metric, [f"column {i}" for i in range(12)]) for metric in ("MSE ↓", "Pearson r ↑")]
    rows = [(["hybrid", f"row {number}"], cells) for number in range(6)]
    table = sections.Table("Table II", ["row", "arm"], groups, rows, "A note.")
    return sections.Section("wide", "A paper", "a wide table", ["As printed."], [table])


@pytest.fixture(scope="module")
def address(tmp_path_factory, repository) -> str:
    from trifold.report import sections, tables

    path = repository / "tests" / "unit" / "made_up.py"
    spec = importlib.util.spec_from_file_location("made_up_for_browser", path)
    made_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made_up)
    settings = made_up.config(seeds=(1, 2))
    settings["evaluate"]["comparison"]["reference_arms"] = ["identity"]
    return made_up.built(tmp_path_factory.mktemp("browser"), settings, sections=[wide_table(sections, tables)]).as_uri()


def browse(address: str, profile: Path, *options: str) -> subprocess.CompletedProcess:
    """Open a page without network or window; console messages come on stderr."""
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", f"--user-data-dir={profile}"]
    # Every host name leads nowhere: a page that needs the network shows it.
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", *options, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture(scope="module")
def dom(address, tmp_path_factory) -> subprocess.CompletedProcess:
    return browse(address, tmp_path_factory.mktemp("profile"), "--dump-dom", "--window-size=1400,1000")


def test_console_is_silent(dom):
    assert [line for line in dom.stderr.splitlines() if "CONSOLE" in line] == []


def test_script_ran_and_shows_one_view_of_each_group(dom):
    assert re.search(r'<html[^>]* class="js"', dom.stdout)
    groups = re.split(r'<div class="views[^"]*">', dom.stdout)[1:]
    assert len(groups) == 5
    for group in groups:
        shown = re.findall(r'<div class="view[^"]* on"([^>]*)>', group)
        assert len(shown) == 1
        assert 'data-reference="deep"' in shown[0]
        assert 'data-scale="oe"' in shown[0]


def test_tables_and_figures_are_present(dom):
    assert dom.stdout.count("<table") >= 12
    assert dom.stdout.count("<svg") == 4 + 4 + 1 + 1  # intervals, distance, training, a sample
    assert dom.stdout.count('<img src="data:image/png;base64,') == 3 + 1  # the gallery, an enhanced map


@pytest.mark.parametrize("width", [1400, 1100, 800])
def test_screenshot_is_a_page(address, tmp_path, width):
    picture = tmp_path / "page.png"
    browse(address, tmp_path / "profile", f"--screenshot={picture}", f"--window-size={width},1000")
    with Image.open(picture) as image:
        assert image.size == (width, 1000)
        grey = np.asarray(image.convert("L"))
    ink = (grey < 128).mean()
    assert 0.005 < ink < 0.3
    assert (grey[:, -12:] > 200).all()  # nothing runs off the right edge


# In a frame, for a window is not made narrower than some 500 px: what sticks out of the page, which regions scroll.
PROBE = """<script>
addEventListener("load", () => setTimeout(() => {
  const width = document.documentElement.clientWidth;
  const box = (element) => element.getBoundingClientRect();
  const out = [...document.querySelectorAll("body *")]
    .filter((one) => !one.closest(".scroll, pre") && one.checkVisibility() && box(one).right > width + 1)
    .map((one) => one.outerHTML.slice(0, 80));
  const regions = [...document.querySelectorAll(".scroll")]
    .filter((one) => one.clientWidth)
    .map((one) => ({
      label: one.ariaLabel, wide: one.scrollWidth > one.clientWidth, stop: one.tabIndex,
      left: box(one).left, right: box(one).right, top: box(one).top,
    }));
  parent.postMessage(JSON.stringify({ width, page: document.documentElement.scrollWidth, out, regions }), "*");
}, 300));
</script></body>"""
FRAME = """<!doctype html><title>frame</title><body style="margin:0">
<iframe src="probe.html" style="border:0;width:{width}px;height:{height}px"></iframe>
<pre id="found"></pre>
<script>
addEventListener("message", (event) => {{ document.getElementById("found").textContent = event.data; }});
</script>
</body>"""


def framed(address: str, folder: Path, width: int, height: int) -> str:
    """The page in a frame of a width, with the probe in it."""
    text = Path(address.removeprefix("file://")).read_text()
    (folder / "probe.html").write_text(text.replace("</body>", PROBE))
    (folder / "frame.html").write_text(FRAME.format(width=width, height=height))
    return (folder / "frame.html").as_uri()


@pytest.fixture(scope="module")
def probed(address, tmp_path_factory):
    """What the probe finds at a width."""

    @cache
    def found(width: int) -> dict:
        folder = tmp_path_factory.mktemp("probe")
        dom = browse(framed(address, folder, width, 900), folder / "profile", "--dump-dom", "--window-size=1500,1000")
        return json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', dom.stdout)[1]))

    return found


@pytest.mark.parametrize("width", [1400, 1100, 400])
def test_d21_nothing_sticks_out_of_the_page(probed, width):
    found = probed(width)
    assert found["width"] == width
    assert found["page"] <= width
    assert found["out"] == []
    wide = {region["label"] for region in found["regions"] if region["wide"]}
    assert "Table II" in wide
    # What scrolls is a stop of the keyboard, and only that.
    assert all((region["stop"] == 0) == region["wide"] for region in found["regions"])


@pytest.mark.parametrize("width", [1400, 400])
def test_d21_a_table_that_is_wider_shows_a_cue(address, probed, tmp_path, width):
    """A shade at the edge beyond which there is more, and none at the edge where the table begins."""
    (table,) = [one for one in probed(width)["regions"] if one["label"] == "Table II"]
    top, left, right = (round(table[side]) for side in ("top", "left", "right"))
    picture = tmp_path / "frame.png"
    size = f"--window-size=1500,{top + 200}"
    frame = framed(address, tmp_path, width, top + 200)
    browse(frame, tmp_path / "profile", f"--screenshot={picture}", size)
    with Image.open(picture) as image:
        grey = np.asarray(image.convert("L"))
    lines = grey[top : top + 120, left:right]
    blank = lines[(lines[:, :-40] > 250).all(axis=1)].astype(int)  # where nothing is printed
    assert len(blank) >= 10
    assert blank[:, -2].max() < 215
    assert (np.diff(blank[:, -12:-1].mean(axis=0)) < 0).all()  # darker to the edge
