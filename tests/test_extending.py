"""The examples of docs/extending.md work from a folder outside the project, by the commands that stand there."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lightning_vc import Cloner, Voice
from lightning_vc.audio import io
from lightning_vc.checkpoint import load_model
from lightning_vc.data.index import Index
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.recipes import encoder, prepare, synthesize, tts, vocoder
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import ROOT, TinyRun, configs, logged

PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
FILES = {
    match[1]: text
    for language, text in BLOCKS
    if language == "python" and (match := re.match(r"# (my_\w+\.py)\n", text))
}
COMMANDS = [
    line
    for language, text in BLOCKS
    if language == "bash"
    for line in text.replace("\\\n", " ").splitlines()
    if line.strip()
]
QUICK = ["--trainer.max_steps=2", "--trainer.val_check_interval=1", "--trainer.accelerator=cpu"]


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all files of the page, as a user has them."""
    folder = tmp_path_factory.mktemp("outside")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def inside_python(outside: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """This Python, as if it had been started in the folder outside."""
    monkeypatch.chdir(outside)
    monkeypatch.syspath_prepend(outside)
    yield outside
    for name in FILES:
        sys.modules.pop(name.removesuffix(".py"), None)


def documented(part: str, run: TinyRun) -> list[str]:
    """The words of the one command of the page in which this stands, on the tiny run."""
    (line,) = [command for command in COMMANDS if part in command]
    line = line.replace("runs/mini", str(run.folder)).replace("recipes/mini/", f"{ROOT}/recipes/mini/")
    return shlex.split(line)


def call(command: list[str], folder: Path) -> None:
    """Run a command as a shell in the folder outside would."""
    assert command[0] == "python"
    done = subprocess.run([sys.executable, *command[1:]], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_page_has_its_examples() -> None:
    assert {"my_encoder.py", "my_adaptation.py", "my_corpus.py"} <= FILES.keys()
    assert len(COMMANDS) >= 5


def test_an_encoder_of_ones_own(
    tiny_run: TinyRun, outside: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = documented("my_encoder.GRUEncoder", tiny_run)
    small = ["--model.encoder.init_args.speaker_dim=8", "--data.n_speakers=2", "--data.max_seconds=0.5"]
    call([*command, *small, *QUICK, "--config", configs("encoder", outside)[1]], outside)
    checkpoint = outside / "runs" / "gru" / "encoder" / "last.ckpt"
    saved = read_checkpoint(checkpoint)
    assert saved["models"]["encoder."]["class_path"] == "my_encoder.GRUEncoder"
    assert len(logged(outside / "runs" / "gru", "val/spread")) == 2

    request.getfixturevalue("inside_python")
    with pytest.raises(ValueError, match=r"last\.ckpt: .*GRUEncoder, .* allow it by --trust my_encoder"):
        load_model(checkpoint, SpeakerEncoder)  # type: ignore[type-abstract]
    assert "my_encoder" not in sys.modules
    (example,) = [text for language, text in BLOCKS if language == "python" and 'trust(["my_encoder"])' in text]
    names: dict[str, Cloner] = {}
    (outside / "runs" / "mini").symlink_to(tiny_run.folder)
    exec(example, names)
    cloner = names["cloner"]
    assert type(cloner.encoder).__name__ == "GRUEncoder"
    assert all(
        value.equal(saved["state_dict"][f"encoder.{name}"]) for name, value in cloner.encoder.state_dict().items()
    )
    io.write(outside / "clip.wav", tiny_run.samples()[0].wave(16000), 16000)
    assert len(cloner.say("Good morning.", cloner.clone(["clip.wav"])).wave) > 0


def test_an_adaptation_of_ones_own(
    tiny_run: TinyRun, outside: Path, inside_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = documented("recipes.adapt fit", tiny_run)
    mine = ["--data.speaker", tiny_run.speaker, "--data.clips=3", "--trainer.enable_progress_bar=false"]
    call([*command, *mine, "--trainer.max_steps=2", "--trainer.accelerator=cpu"], outside)
    (checkpoint,) = (path for path in (outside / "runs").rglob("*.ckpt") if "adapt" in path.parts)
    saved = read_checkpoint(checkpoint)
    assert (saved["task"], saved["global_step"]) == ("my_adaptation.SpeakerBiasAdaptationTask", 2)
    base = load_model(tiny_run.tts, TTSModel).state_dict()
    after = {name.removeprefix("tts."): value for name, value in saved["state_dict"].items() if name != "embedding"}
    moved = {name.removeprefix("model.") for name, value in after.items() if not value.equal(base[name])}
    voice = Voice.load(outside / "m002.safetensors")
    assert moved <= voice.adapted_parameters.keys()
    assert moved
    assert all("speaker" in name for name in voice.adapted_parameters)
    assert len(moved) < len(base) / 2

    speak = documented("recipes.synthesize", tiny_run)
    assert speak[:3] == ["python", "-m", "lightning_vc.recipes.synthesize"]
    synthesize.main(speak[3:])
    assert len(io.read(outside / "good.wav", 16000)) > 0


def test_a_corpus_of_ones_own(tiny_run: TinyRun, inside_python: Path) -> None:
    for speaker in ("ann", "bob", "cid"):
        for number, sample in enumerate(tiny_run.samples()[:4]):
            io.write(inside_python / "recordings" / speaker / f"{number}.wav", sample.wave(16000), 16000)
            if number:
                (inside_python / "recordings" / speaker / f"{number}.txt").write_text(sample.text or "")
    command = documented("my_corpus.Folders", tiny_run)
    prepare.main([*command[3:], "--workers=1", "--test=1", "--validation=1"])
    index = Index.load(inside_python / "runs" / "mine" / "shards")
    assert [entry.id for entry in index.speakers] == ["ann", "bob", "cid"]
    assert [(entry.utterances, entry.transcribed) for entry in index.speakers] == [(4, 3)] * 3


def test_a_frontend_of_ones_own(tiny_run: TinyRun, inside_python: Path) -> None:
    command = documented("my_frontend.Unstressed", tiny_run)
    out = inside_python / "runs" / "unstressed"
    small = [*configs("tts", out), "--model.tts.frontend", "my_frontend.Unstressed"]
    tts.main([*command[3:], *small, *QUICK, "--trainer.val_check_interval=9"])
    cloner = Cloner.load(out / "tts" / "last.ckpt")
    assert type(cloner.tts.frontend).__name__ == "Unstressed"
    voice = Voice(cloner.tts.table.weight[0].detach(), "none", cloner.tts_fingerprint, 0)
    said = cloner.say("The morning.", voice).symbols
    assert "/ɔ/" in said
    assert not any("ˈ" in symbol for symbol in said)


def test_a_vocoder_of_ones_own(tiny_run: TinyRun, inside_python: Path) -> None:
    (example,) = [text for language, text in BLOCKS if language == "python" and "cloner.vocoder = " in text]
    names: dict[str, Cloner] = {}
    exec(example.replace("runs/mini", str(tiny_run.folder)), names)
    cloner = names["cloner"]
    voice = Voice(cloner.tts.table.weight[0].detach(), "none", cloner.tts_fingerprint, 0)
    speech, again = cloner.say("Good morning.", voice), cloner.say("Good morning.", voice)
    assert len(speech.wave) == (speech.spectra.mel.shape[1] - 1) * cloner.tts.spectrograms.hop
    assert not speech.wave.equal(again.wave)  # its phases are random


# The parts of which the page shows no example, each as small as it can be
PARTS = """
from torch import nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import NeuralVocoder


class Quieter(nn.Module):
    def forward(self, waves, lengths):
        return waves / 2


class Hum(NeuralVocoder):
    def __init__(self, spectrograms: Spectrograms):
        super().__init__()
        self.spectrograms = spectrograms
        self.layer = nn.Linear(spectrograms.n_mels, spectrograms.hop)

    def from_mel(self, mels):
        return self.layer(mels[:, 1:]).flatten(1)
"""


@pytest.mark.parametrize(
    ("recipe", "option", "part"),
    [
        (encoder, "augmentation", "my_parts.Quieter"),
        (vocoder, "vocoder", "my_parts.Hum"),
    ],
)
def test_other_parts_of_ones_own(
    tiny_run: TinyRun, inside_python: Path, tmp_path: Path, recipe: ModuleType, option: str, part: str
) -> None:
    (inside_python / "my_parts.py").write_text(PARTS)
    verb = recipe.__name__.rpartition(".")[2]
    assert f"`--model.{option}` of `{verb}`" in PAGE
    flags = tiny_run.encoder_flags(tmp_path) if recipe is encoder else []
    if recipe is vocoder:
        config = ROOT / "recipes" / "librispeech" / "small" / "vocoder.yaml"
        where = f"--data.shards {tiny_run.shards} --data.batch_size 2 --trainer.default_root_dir {tmp_path}"
        flags = ["fit", "--config", str(config), *where.split(), *QUICK, "--data.seconds=0.3"]
    recipe.main([*flags, f"--model.{option}", part])
    saved = read_checkpoint(tmp_path / "last.ckpt")
    settings = saved["models"].get(f"{option}.") or saved["hyper_parameters"][option]
    assert settings["class_path"] == part
