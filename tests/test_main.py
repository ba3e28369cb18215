import json
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_vc import __main__ as command
from lightning_vc import __version__

ECHO = '''"""Write down how it was called.

More about it.
"""
import json, pathlib, sys

if __name__ == "__main__":
    told = {"arguments": sys.argv[1:], "module": __spec__.name, "main": sys.modules["__main__"].__spec__.name}
    pathlib.Path("told.json").write_text(json.dumps(told))
'''


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins for the recipes: one that writes down how it was called, and one that must never be imported."""
    package = tmp_path / "stand_ins"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "echo.py").write_text(ECHO)
    (package / "listen.py").write_text('"""Listen."""\nraise AssertionError("imported")\n')
    (package / "_part.py").write_text('"""No verb."""\n')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(command, "RECIPES", "stand_ins")
    monkeypatch.setattr(sys, "argv", ["lightning-vc"])
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_verb_it_lists_them(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    command.main(arguments)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "usage: lightning-vc <verb> ..."
    assert lines[2:4] == ["  echo    Write down how it was called.", "  listen  Listen."]
    assert not any("part" in line for line in lines)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["--version"])
    assert capsys.readouterr().out == f"lightning_vc {__version__}\n"


@pytest.mark.usefixtures("recipes")
@pytest.mark.parametrize("unknown", ["sing", "_part", "__init__", "../echo"])
def test_an_unknown_verb_is_refused(unknown: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        command.main([unknown, "--loud"])
    assert refusal.value.code == 2
    complaint = capsys.readouterr().err
    assert complaint == f"lightning-vc: there is no verb '{unknown}'; choose one of: echo, listen\n"


@pytest.mark.usefixtures("recipes")
def test_a_verb_runs_as_if_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lightning-vc", "echo", "fit", "--help"])
    command.main()
    told = json.loads(Path("told.json").read_text())
    assert told == {"arguments": ["fit", "--help"], "module": "stand_ins.echo", "main": "stand_ins.echo"}


def test_every_recipe_says_what_it_does() -> None:
    assert {"prepare", "run", "tts", "encoder", "clone", "synthesize"} <= command.verbs().keys()
    assert all(len(meaning) > 10 for meaning in command.verbs().values()), command.verbs()


def test_the_list_does_not_wait_for_torch() -> None:
    code = "import sys; from lightning_vc.__main__ import main; main([]); sys.exit('torch' in sys.modules)"
    listing = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (listing.returncode, listing.stderr) == (0, "")
    assert "usage: lightning-vc" in listing.stdout


def test_a_file_of_the_current_folder_replaces_no_module(tmp_path: Path) -> None:
    for name in ("json", "yaml", "torch"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ran a module of the current folder')")
    (tmp_path / "mine.py").write_text("from lightning_vc.corpora.kaldi import KaldiCorpus as Mine")
    code = f"import sys; sys.argv = ['lightning-vc', *sys.argv[1:]]; sys.path[:] = {sys.path!r}; "
    code += "from lightning_vc.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "prepare", "mine.Mine", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--max_seconds" in done.stdout
