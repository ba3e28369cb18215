"""Every YAML that is shipped means something to the command that it is for."""

import functools
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from lightning_vc.cli import default_folder
from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.data import shards
from lightning_vc.recipes import evaluate, prepare
from lightning_vc.stages import Recipe, Stage
from tests.tiny import MINI, ROOT

pytestmark = pytest.mark.recipe

CONFIGS = sorted(path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml"))
RECIPES = {
    "mini": ("recipes/mini/recipe.yaml", []),
    "mini, Deep Voice 3": ("recipes/mini/recipe.yaml", ["tts=tts_deep_voice_3.yaml"]),
    "librispeech": ("recipes/librispeech/recipe.yaml", []),
    "librispeech, small": ("recipes/librispeech/recipe.yaml", ["size=small"]),
    "vctk": ("recipes/vctk/recipe.yaml", []),
    "base": ("recipes/base/recipe.yaml", []),
}
# Of them, those that no recipe runs are parsed by themselves.
EXAMPLES = sorted(
    path.relative_to(ROOT) for path in (ROOT / "recipes").rglob("*.yaml") if path.stem not in ("recipe", "defaults")
)
PARSED: dict[tuple[str, ...], Any] = {}


@pytest.fixture(autouse=True)
def in_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths in recipes are relative to the project."""
    monkeypatch.chdir(ROOT)


def parsed(verb: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """What a training command makes of its command line, all interpolations resolved; recipes share some."""
    key = (verb, *words)
    if key in PARSED:
        return PARSED[key]
    main = importlib.import_module(f"lightning_vc.recipes.{verb}").main
    with pytest.raises(SystemExit) as end:
        main([*words, "--print_config"])
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    config = OmegaConf.create(printed.out)
    OmegaConf.resolve(config)
    PARSED[key] = config
    return config


def verb_of(path: Path) -> str:
    """The verb that an example is for: the longest that its name begins with."""
    verbs = [file.stem for file in (ROOT / "lightning_vc" / "recipes").glob("[!_]*.py")]
    return max((verb for verb in verbs if path.stem.startswith(verb)), key=len)


def stages_of(name: str) -> dict[str, Stage]:
    path, overrides = RECIPES[name]
    return {stage.name: stage for stage in Recipe(path, overrides).stages}


def checkpoints(config: Any) -> Any:
    """The settings of the callback that saves checkpoints."""
    (result,) = [item for item in config.trainer.callbacks if item.class_path.endswith("LastCheckpoint")]
    return result.init_args


def best_checkpoint(config: Any) -> Any:
    """The settings of the callback that keeps the best checkpoint."""
    (found,) = [each for each in config.trainer.callbacks if each.class_path.endswith("ModelCheckpoint")]
    return found.init_args


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_a_config_is_a_piece_of_a_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It changes one section; what recipes share is included by two of them at least."""
    section, *_ = OmegaConf.load(path)
    if path.parent.name == "logger" or path.stem in ("ddp", "slurm"):  # whoever runs a recipe chooses these
        words = ["fit", "--config", str(MINI / "tts.yaml"), "--config", str(path), "--trainer.default_root_dir", "here"]
        with_it, without = (parsed("tts", item, capsys) for item in (words, [*words[:3], *words[5:]]))
        assert {name for name in with_it if with_it[name] != without[name]} == {section}
    else:
        assert len([example for example in EXAMPLES if f"/{path}" in example.read_text(encoding="utf-8")]) >= 2


def test_every_example_is_of_a_recipe() -> None:
    commands = [stage.command for name in RECIPES for stage in stages_of(name).values()]
    named = {Path(word).resolve() for command in commands for word in command if word.endswith(".yaml")}
    assert {path for path in EXAMPLES if path.resolve() not in named} == {Path("recipes/mini/adapt.yaml")}
    for name, (path, overrides) in RECIPES.items():
        online = Recipe(path, [*overrides, "logger=wandb"]).stages
        for stage, offline in zip(online, stages_of(name).values(), strict=True):
            assert stage.command == tuple(word.replace("logger/csv", "logger/wandb") for word in offline.command)


@pytest.mark.parametrize("path", [Path("recipes/mini/adapt.yaml")], ids=str)
def test_an_example_is_a_command_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit", "--config", str(path), "--trainer.default_root_dir", "here", "--trainer.max_steps", "1000"]
    config = parsed(verb_of(path), words, capsys)
    assert checkpoints(config).dirpath == "here"


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        (["--config", "configs/logger/csv.yaml", "--config", "recipes/mini/tts.yaml"], "runs/mini/tts"),
        (["--config=recipes/librispeech/paper/tts.yaml", "--config=mine.yaml"], "runs/librispeech-paper/tts"),
        (["--config", "/home/ann/study/tts.yaml"], "runs/study/tts"),
        (["--config", "mine.yaml"], "runs/tts"),
        (["--trainer.max_steps", "3"], "runs/tts"),
    ],
)
def test_the_default_folder_is_that_of_the_recipe(words: list[str], folder: str) -> None:
    assert default_folder(words, "tts") == folder


@pytest.mark.parametrize("path", EXAMPLES, ids=str)
def test_an_example_needs_no_folder_to_be_measured(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verb = verb_of(path)
    config = parsed(verb, ["validate", "--config", str(path), "--ckpt_path", "last.ckpt"], capsys)
    folder = "adapt_whole_model" if verb == "adapt" else verb
    recipe = "-".join(path.parts[1:-1])
    assert checkpoints(config).dirpath == config.trainer.default_root_dir == f"runs/{recipe}/{folder}"


@pytest.mark.parametrize("name", RECIPES)
def test_training_stages_understand_their_command_lines(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configs = {}
    rate = 48000 if name == "vctk" else 16000
    for stage in stages_of(name).values():
        module, *words = stage.command
        verb = module.rpartition(".")[2]
        if words[:1] != ["fit"]:
            continue
        config = configs[stage.name] = parsed(verb, words, capsys)
        saving, best = checkpoints(config), best_checkpoint(config)
        assert Path(saving.dirpath, "last.ckpt") == stage.checkpoint
        assert (best.dirpath, best.filename) == (saving.dirpath, "best")
        assert (best.monitor, best.mode) == (
            ("val/accuracy", "max") if verb == "speaker_recognition" else ("val/loss", "min")
        )
        assert config.trainer.max_steps >= config.trainer.val_check_interval
        rates = re.findall(r"sample_rate: (\d+)", OmegaConf.to_yaml(config.model))
        assert {int(item) for item in rates} <= {rate}  # that of the shards
    tts, encoder = configs["tts"], configs["encoder"]
    assert encoder.pretrained.tts == str(stages_of(name)["tts"].checkpoint)
    acoustic, spectrograms = (tts.model.tts.init_args[part].init_args for part in ("model", "spectrograms"))
    assert encoder.model.encoder.init_args.speaker_dim == acoustic.speaker_dim
    assert acoustic.n_fft == spectrograms.n_fft
    assert acoustic.n_mels == spectrograms.n_mels
    assert tts.data.shards == encoder.data.shards
    scheduler = tts.model.scheduler
    if scheduler.class_path.endswith("OneCycleLR"):
        assert scheduler.init_args.total_steps == tts.trainer.max_steps


@pytest.mark.parametrize("name", RECIPES)
def test_the_other_stages_understand_theirs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    called: list[dict[str, Any]] = []

    def stand_in(function: Any) -> Any:
        @functools.wraps(function)
        def call(*_: Any, **options: Any) -> None:
            called.append({"function": function.__name__, **options})

        return call

    monkeypatch.setattr(prepare, "prepare", stand_in(shards.prepare))
    for name_of in ("_show", "_warn"):  # an index, which the stand-in does not make
        monkeypatch.setattr(prepare, name_of, lambda *_: None)
    monkeypatch.setattr(evaluate, "evaluate", stand_in(evaluate.evaluate))
    stages = stages_of(name)
    (tmp_path / "SPEAKERS.TXT").write_text("1 | F | train-clean-5 | 1 | A\n")
    for subset in ("train-clean-5", "one-clip-each", "train-clean-100", "train-clean-360", "train-other-500"):
        (tmp_path / subset / "1").mkdir(parents=True)
    for file in ("wav.scp", "utt2spk"):
        (tmp_path / file).touch()
    (tmp_path / "speaker-info.txt").write_text("ID AGE GENDER ACCENTS REGION\n")
    (tmp_path / "wav48").mkdir()
    words = list(stages["prepare"].command[1:])
    if "--root" in words:
        words[words.index("--root") + 1] = str(tmp_path)
    words = [re.sub(r"root: [^},]+", f"root: {tmp_path}", word) for word in words]  # of corpora in a corpus
    prepare.main(words)
    listening = [stage for stage in stages.values() if stage.command[0].endswith(".evaluate")]
    for stage in listening:
        evaluate.main(list(stage.command[1:]))
    prepared, *evaluated = called
    assert [item["function"] for item in called] == ["prepare", *["evaluate"] * len(listening)]
    for item in evaluated:
        assert str(prepared["out"]) == item["shards"]
        assert Path(item["sentences"]).is_file()
        if joint := item["systems"].joint:
            assert joint == str(stages["joint"].checkpoint.parent)
    assert capsys.readouterr().err == ""


def spoken(text: str) -> str:
    """A text as it sounds, about."""
    return " ".join("".join(item for item in text.lower() if item.isalnum() or item.isspace()).split())


def test_nobody_in_the_generated_corpus_says_the_sentences_of_mini() -> None:
    sentences = [spoken(line) for line in (MINI / "sentences.txt").read_text(encoding="utf-8").splitlines()]
    assert len(sentences) == len(set(sentences)) == 20
    assert all(len(sentence.split()) > 3 for sentence in sentences)
    settings: Any = OmegaConf.load(MINI / "recipe.yaml")
    corpus = GeneratedCorpus(settings.speakers, settings.utterances, seed=0)
    texts = {spoken(utterance.text or "") for utterance in corpus}
    assert len(texts) > 1000
    assert texts.isdisjoint(sentences)


@pytest.mark.parametrize("recipe", ["librispeech", "base"])
def test_no_reader_reads_the_sentences(recipe: str, shared_data: Path) -> None:
    lines = (ROOT / "recipes" / recipe / "sentences.txt").read_text(encoding="utf-8").splitlines()
    files = (shared_data / "LibriSpeech").rglob("*.trans.txt")
    texts = " | ".join(spoken(line.partition(" ")[2]) for file in files for line in file.read_text().splitlines())
    assert len(texts) > 100_000
    assert len(lines) >= 3
    assert not [line for line in lines if spoken(line) in texts]
