"""The report as a browser shows it: headless Chromium on a page of made-up data."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


@pytest.fixture(scope="module")
def address(tmp_path_factory, repository) -> str:
    path = repository / "tests" / "unit" / "report" / "made_up.py"
    spec = importlib.util.spec_from_file_location("made_up_for_browser", path)
    made_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made_up)
    settings = made_up.config(seeds=(1, 2))
    settings["evaluate"]["comparison"]["reference_arms"] = ["identity"]
    return made_up.built(tmp_path_factory.mktemp("browser"), settings).as_uri()


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
    assert dom.stdout.count("<svg") == 4 + 4 + 1  # intervals, distance, training
    assert dom.stdout.count('<img src="data:image/png;base64,') == 3


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


def test_no_horizontal_scrolling_on_a_laptop(address, tmp_path):
    """A page wider than the window would be drawn wider by a script that reports its width as the title."""
    text = Path(address.removeprefix("file://")).read_text()
    probe = tmp_path / "probe.html"
    script = "<script>document.title = 'width ' + document.documentElement.scrollWidth;</script></body>"
    probe.write_text(text.replace("</body>", script))
    found = browse(probe.as_uri(), tmp_path / "profile", "--dump-dom", "--window-size=1100,800")
    width = int(re.search(r"<title>width (\d+)</title>", found.stdout)[1])
    assert width <= 1100
