"""What README and pages tell people to type works."""

import argparse
import glob
import importlib
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonargparse
import pytest
import soundfile

from lightning_vc import Voice
from lightning_vc.audio import io
from lightning_vc.recipes import prepare
from lightning_vc.shipped_recipes import recipe_path
from lightning_vc.stages import Recipe
from tests.tiny import ROOT, TinyRun

pytestmark = pytest.mark.recipe

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "recipes").rglob("*.md")]
)
START = "-m lightning_vc.recipes."  # of python, or of torchrun
MEASURE = "python benchmarks/"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def commands(page: Path, start: str = START) -> list[list[str]]:
    """The commands of ours on a page, in its blocks and then in its text: verb and words."""
    lines = [line for block in blocks(page, "bash") for line in block.replace("\\\n", " ").splitlines()]
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines += re.findall(r"`(python [^`<]+)`", text)
    lines = [re.sub(r"^lightning-vc (?=\w)", f"python {START}", line) for line in lines]
    starts = [line.partition(start)[2].partition(" | ")[0] for line in lines if start in line]  # up to a pipe
    return [shlex.split(line, comments=True) for line in starts]


# Those with a class of the reader's own (my_encoder.GRUEncoder) are run by test_extending.
COMMANDS = [words for page in PAGES for words in commands(page) if not re.search(r"\bmy_\w+\.[A-Z]", " ".join(words))]
TRAINING = [words for words in COMMANDS if words[1:2] and words[1] in ("fit", "validate", "test")]
COPIED = "mine/"  # a recipe that the line before has copied
RECIPES = [words for words in COMMANDS if words[0] == "run" and not words[1].startswith(COPIED)]
PREPARING = [words for words in COMMANDS if words[0] == "prepare" and words[1] != "verify"]
OTHERS = [words for words in COMMANDS if words not in TRAINING + RECIPES + PREPARING and words[0] != "run"]
BENCHMARKS = [words for page in PAGES for words in commands(page, MEASURE)]


def test_there_are_commands() -> None:
    assert len(TRAINING) >= 5
    assert len(RECIPES) >= 8
    assert len(PREPARING) >= 4
    assert {"evaluate", "export", "clone", "synthesize", "morph"} <= {words[0] for words in OTHERS}
    assert {"tts.py", "speaker_recognition.py", "vocoder.py", "cloning.py"} <= {words[0] for words in BENCHMARKS}


@pytest.mark.parametrize("words", TRAINING, ids=" ".join)
def test_a_command_that_trains(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    option = [] if "--help" in words else ["--print_config"]
    with pytest.raises(SystemExit) as end:
        importlib.import_module(f"lightning_vc.recipes.{words[0]}").main([*words[1:], *option])
    assert end.value.code == 0


@pytest.mark.parametrize("words", RECIPES, ids=" ".join)
def test_a_command_that_runs_a_recipe(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    overrides = [word for word in words[2:] if "=" in word]
    recipe = Recipe(recipe_path(words[1]), overrides)
    if "--stages" in words:
        named = words[words.index("--stages") + 1]
        assert named == "all" or {*named.split(",")} <= {stage.name for stage in recipe.stages}
    else:
        assert len(overrides) == len(words) - 2


@pytest.mark.parametrize("words", PREPARING, ids=" ".join)
def test_a_command_that_prepares(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(prepare, "_call", lambda what, *_, **__: called.append(what))  # the corpora are not here
    for name in ("_show", "_warn"):  # an index, which there is none of
        monkeypatch.setattr(prepare, name, lambda *_: None)
    prepare.main(words[1:])
    assert len(called) == 4


class Understood(BaseException):  # which no command catches
    """A command line means something to its command."""


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands end, by `Understood`, when they have parsed what they were given."""

    def stopping(parse: Callable[..., Any]) -> Callable[..., Any]:
        def parse_and_stop(*words: Any, **options: Any) -> None:
            parse(*words, **options)
            raise Understood

        return parse_and_stop

    for parser in (argparse.ArgumentParser, jsonargparse.ArgumentParser):
        monkeypatch.setattr(parser, "parse_args", stopping(parser.parse_args))


@pytest.mark.parametrize("words", OTHERS, ids=" ".join)
def test_a_command_that_does_something_else(words: list[str], stopped: None) -> None:
    with pytest.raises(Understood):
        importlib.import_module(f"lightning_vc.recipes.{words[0]}").main(words[1:])


@pytest.mark.parametrize("words", BENCHMARKS, ids=" ".join)
def test_a_command_that_measures(words: list[str], stopped: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == "speaker_recognition.py":
        pytest.importorskip("resemblyzer", reason="it is installed by hand, as docs/evaluation.md says")
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(Understood):
        runpy.run_path(str(ROOT / "benchmarks" / words[0]), run_name="__main__")


@pytest.fixture
def after_mini(tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `make mini` has left its run, as far as README speaks of it."""
    run = tmp_path / "runs" / "mini"
    run.mkdir(parents=True)
    for stage in ("shards", "tts", "encoder"):
        (run / stage).symlink_to(tiny_run.folder / stage)
    samples = [sample for sample in tiny_run.samples() if sample.text][:2]
    for number, sample in enumerate(samples, 1):
        io.write(run / "clips" / "m002" / f"{number:02d}.wav", sample.wave(16000), 16000)
    table = [f"{number:02d}.wav\t{sample.text}\n" for number, sample in enumerate(samples, 1)]
    (run / "clips" / "m002" / "transcripts.tsv").write_text("".join(table), encoding="utf-8")
    for name, sample in zip("ab", samples, strict=True):  # clips of the reader of a page, and what they say
        io.write(tmp_path / f"{name}.wav", sample.wave(16000), 16000)
        (tmp_path / f"{name}.txt").write_text(sample.text or "", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIGHTNING_VC_VOICES", str(tmp_path / "voices"))
    return tmp_path


def run(verb: str, *words: str) -> None:
    """Run a command as a shell would."""
    expanded = [item for word in words for item in (sorted(glob.glob(word)) if "*" in word else [word])]
    steps = ["--steps", "2"] if "whole_model" in words else []  # the rest is only time
    importlib.import_module(f"lightning_vc.recipes.{verb}").main([*expanded, *steps])


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md"])
def test_the_python_of_a_page_makes_sound(page: str, after_mini: Path) -> None:
    (code,) = [block for block in blocks(ROOT / page, "python") if "Cloner" in block]
    exec(code, {})
    assert len(io.read(after_mini / "hello.wav", 16000)) > 1000


def test_the_readme_clones_and_speaks(after_mini: Path) -> None:
    speaking = [words for words in commands(ROOT / "README.md") if words[0] in ("clone", "synthesize")]
    assert [words[0] for words in speaking] == ["synthesize", "clone", "clone", "synthesize"]
    for verb, *words in speaking:
        run(verb, *words)
        out = Path(words[words.index("--out") + 1])
        assert len(io.read(out, 16000)) > 1000
        out.unlink()


def test_the_voices_of_the_page_are_kept_and_changed(after_mini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = commands(ROOT / "docs" / "voices.md")
    assert [words[0] for words in lines] == (
        ["clone", "voices", "voices", "clone", "morph", "morph", "morph", "synthesize"]
    )
    for verb, *words in lines:
        run(verb, *words)
    assert "town museum" in capsys.readouterr().out  # the consent that `voices show` shows
    methods = [Voice.load(f"{name}.safetensors").method for name in ("ann", "he", "she", "between", "mean")]
    assert methods == ["encoder", "encoder", "morph", "interpolate", "average"]
    assert len(io.read("she.wav", 16000)) > 1000


def test_messages_that_the_troubleshooting_explains_are_those_of_the_package() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^\| `([^`]+)`", page, re.MULTILINE)
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "lightning_vc").rglob("*.py"))
    assert len(messages) > 25
    assert [message for message in messages if message not in source] == []


def test_samples_are_small_and_mono_and_stand_in_readme_and_home_page() -> None:
    samples = sorted((ROOT / "docs" / "samples").glob("*.ogg"))
    assert len(samples) == 3
    for sample in samples:
        info = soundfile.info(sample)
        assert sample.stat().st_size <= 60_000
        assert (info.channels, info.samplerate) == (1, 16000)
        assert 2 < info.duration < 15
        assert f"docs/samples/{sample.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
        assert f"samples/{sample.name}" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")


def test_the_readme_has_two_screens() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 125


def anchors(page: Path) -> set[str]:
    """What a link to a section of a page can name."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


CARD = ROOT / "lightning_vc" / "models" / "base" / "README.md"
OUTSIDE = [page for page in [*PAGES, CARD] if ROOT / "docs" not in page.parents]  # of docs/ mkdocs checks it


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_outside_docs_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        file, _, anchor = link.partition("#")
        if not file.startswith("https://"):
            target = page.parent / file
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link
