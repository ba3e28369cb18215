"""What a stranger finds at the top level: names, version, citation, links."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import yaml

import lightning_vc
from tests.tiny import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # of pytest
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(code: str) -> str:
    """What a new Python prints that runs some code."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_is_that_of_the_installed_package() -> None:
    assert lightning_vc.__version__ == version("lightning_vc")
    assert "version" in PROJECT["project"]["dynamic"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "lightning_vc/__init__.py"


def test_dir_shows_the_public_names_without_importing_torch() -> None:
    shown = run("import lightning_vc, sys; print(dir(lightning_vc), lightning_vc.__version__, 'torch' in sys.modules)")
    assert lightning_vc.__all__ == ["Cloner", "Voice", "__version__"]
    assert all(repr(name) in shown for name in lightning_vc.__all__)
    assert shown.endswith(f"{lightning_vc.__version__} False\n")


def test_tab_completion_shows_the_public_names() -> None:
    code = "import lightning_vc; from rlcompleter import Completer; namespace = {'lightning_vc': lightning_vc}\n"
    shown = run(f"{code}print([Completer(namespace).complete(f'lightning_vc.{{start}}', 0) for start in ('Cl', 'Vo')])")
    assert "lightning_vc.Cloner" in shown
    assert "lightning_vc.Voice" in shown


def test_a_star_import_brings_the_public_names() -> None:
    assert run("from lightning_vc import *; print(Cloner.__name__, Voice.__name__)") == "Cloner Voice\n"


def test_the_citation_is_of_this_version_and_names_both_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == lightning_vc.__version__
    assert citation["license"] == PROJECT["project"]["license"]
    assert citation["repository-code"] == PROJECT["project"]["urls"]["Repository"]
    eprints = {reference["identifiers"][0]["value"] for reference in citation["references"]}
    assert eprints == {"arXiv:1802.06006", "arXiv:1710.07654"}


def test_the_changelog_has_this_version() -> None:
    assert f"\n## {lightning_vc.__version__}" in (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")


def test_files_named_in_readme_and_project_are_in_the_source_distribution() -> None:
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    for name in ("CITATION.cff", "CONTRIBUTING.md", "docs", "recipes", "configs", "tests", "mkdocs.yml", "Makefile"):
        assert f"/{name}" in included
        assert Path(ROOT, name).exists()


def test_an_editable_install_copies_no_recipes() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "force-include" not in wheel  # those files are copied by editable installs too
    assert {"recipes", "configs"} == wheel["sources"].keys()
    assert {"recipes", "configs"} <= {*wheel["only-include"]}


def test_the_text_of_make_demo_is_spoken_as_it_is(tmp_path: Path) -> None:
    said, python = tmp_path / "said", tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {said}\n')
    python.chmod(0o755)
    for file in ("bin/pip", ".demo"):  # so that nothing is installed
        (tmp_path / file).touch()
    text = """Say "it's" for $5 and `date`, $(HOME); $$PATH #1"""
    subprocess.run(["make", "demo", f"VENV={tmp_path}", f"TEXT={text}"], cwd=ROOT, check=True, capture_output=True)
    assert said.read_text().splitlines()[-2:] == ["--text", text]
