"""What is shown is run: the Python of README and docs, every docstring's examples, every link."""

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """(line, text) of the fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = FENCE.finditer(text)
    return [
        (text[: m.start(3)].count("\n") + 1, textwrap.dedent(m[3]))
        for m in found if m[2] == language
    ]


def modules() -> list[str]:
    walked = pkgutil.walk_packages(minigrad.__path__, "minigrad.")
    return ["minigrad", *sorted(m.name for m in walked)]


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_python_of_a_page_runs(page, tmp_path):
    # One process per page: its blocks follow each other, and ops it declares stay in it. Lines are
    # numbered as in the page, so that a traceback points there.
    lines = [""] * 2000
    for start, text in blocks(page, "python"):
        for k, line in enumerate(text.splitlines()):
            lines[start - 1 + k] = line
    script = tmp_path / f"{page.stem}.py"
    script.write_text("\n".join(lines), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, env=env, capture_output=True,
        text=True, timeout=300,
    )
    assert done.returncode == 0, f"{page.name}:\n{done.stderr}"


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings_are_right(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=OPTIONS)
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples in {name} are wrong"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    here = [link for link in links if "://" not in link]
    missing = [link for link in here if not (page.parent / link).exists()]
    assert not missing, f"{page.name} links to {missing}"


def test_readme_has_the_commands_that_ci_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    marked = dict(re.findall(r"<!-- ci: (\w+) -->\n```sh\n(.*?)\n```", text))
    assert marked == {
        "train": 'pip install -e ".[examples]" && python examples/train.py',
        "test": 'pip install -e ".[test]" && pytest',
    }


def test_version_is_said_once():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{minigrad.__version__}"' in text
