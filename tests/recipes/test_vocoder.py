"""A vocoder is trained, fine-tuned, and speaks in the place of Griffin-Lim."""

import shutil
from pathlib import Path

import pytest
import torch

from lightning_vc import Cloner
from lightning_vc.audio import io
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import GriffinLim, NeuralVocoder
from lightning_vc.checkpoint import fingerprint, load_model, write_checkpoint
from lightning_vc.modules.discriminators import Discriminators
from lightning_vc.modules.inverse_mel import InverseMelVocoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.pretrained import export
from lightning_vc.recipes import clone, synthesize, tune_vocoder, vocoder
from lightning_vc.tasks.vocoder import VocoderTuningTask
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import CSV, ROOT, TinyRun, logged

CONFIGS = ROOT / "recipes" / "librispeech" / "small"
SPECTROGRAMS = "--model.vocoder.init_args.spectrograms.init_args."


def flags(run: TinyRun, verb: str, out: Path) -> list[str]:
    options = f"fit --config {CSV} --config {CONFIGS / verb}.yaml --data.shards {run.shards} --data.batch_size 2"
    options += f" --trainer.default_root_dir {out} --trainer.max_steps 2 --trainer.val_check_interval 1"
    return [*options.split(), "--trainer.log_every_n_steps=1", "--trainer.num_sanity_val_steps=0"]


@pytest.fixture(scope="module")
def run(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    """A copy of the tiny run with a vocoder, trained for two steps and tuned for two."""
    folder = tmp_path_factory.mktemp("vocoder") / "run"
    shutil.copytree(tiny_run.folder, folder)
    run = TinyRun(folder)
    alone, tuned = folder / "vocoder" / "alone", folder / "vocoder"
    small = ["channels=16", "layers=1"]
    sizes = [f"--model.vocoder.init_args.{size}" for size in small]
    vocoder.main([*flags(run, "vocoder", alone), *sizes, "--model.warmup_steps=1", "--data.seconds=0.3"])
    start = ["--pretrained.tts", str(run.tts), "--pretrained.vocoder", str(alone / "last.ckpt")]
    tune_vocoder.main([*flags(run, "tune_vocoder", tuned), *start, "--model.frames=20"])
    return run


def say(run: TinyRun, out: Path, *more: str) -> torch.Tensor:
    clips = [str(path) for path in sorted((out.parent / "clips").glob("*.wav"))]
    line = ["--model", str(run.folder), "--method", "encoder", "--text", "Good dog.", "--out", str(out), *more]
    clone.main([*line, "--clips", *clips, "--voice", str(out.with_suffix(".safetensors"))])
    return io.read(out, 16000)


@pytest.fixture
def clips(run: TinyRun, tmp_path: Path) -> Path:
    for number, sample in enumerate(run.samples()[:2]):
        io.write(tmp_path / "clips" / f"{number}.wav", sample.wave(16000), 16000)
    return tmp_path


def test_a_vocoder_is_not_tuned_to_other_speakers(
    run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = read_checkpoint(run.tts)
    saved["models"]["tts."]["init_args"]["speakers"][0] = "zoe"
    write_checkpoint(saved, tmp_path / "other.ckpt")
    trained = str(run.folder / "vocoder" / "alone" / "last.ckpt")
    start = ["--pretrained.tts", str(tmp_path / "other.ckpt"), "--pretrained.vocoder", trained]
    with pytest.raises(SystemExit):
        tune_vocoder.main([*flags(run, "tune_vocoder", tmp_path), *start, "--model.frames=20"])
    assert "other speakers than the data (1 only in the checkpoint: zoe; 1 only in the data" in capsys.readouterr().err


def test_both_log_what_they_learn(run: TinyRun) -> None:
    for folder in (run.folder / "vocoder" / "alone", run.folder / "vocoder" / "log"):
        assert len(logged(folder, "val/spectral")) == 2
        assert logged(folder, "train/adversarial")


def test_tuning_moves_the_vocoder_and_not_the_model(run: TinyRun) -> None:
    folder = run.folder / "vocoder"
    before, after = (load_model(folder / part / "last.ckpt", InverseMelVocoder) for part in ("alone", "."))
    moved = after.state_dict()
    assert any(not value.equal(moved[name]) for name, value in before.state_dict().items())
    assert fingerprint(load_model(run.tts, TTSModel)) == Cloner.load(run.folder).tts_fingerprint


def test_tuning_compares_vocoded_predictions_with_recordings(run: TinyRun) -> None:
    tts, trained = load_model(run.tts, TTSModel), load_model(run.folder / "vocoder" / "last.ckpt", InverseMelVocoder)
    task = VocoderTuningTask(trained, Discriminators(), tts, frames=20).eval()
    data = tune_vocoder.TTSDataModule(str(run.shards), tts.frontend, batch_size=2)
    batch = next(iter(data.train_dataloader()))
    mels, waves = task.inputs(batch)  # in evaluation: the middle
    assert mels.shape == (2, 20, 80)
    assert waves.shape == (2, 19 * 256)
    for row in range(2):
        start = (int(tts.spectrograms.frames(batch.lengths)[row]) - 20) // 2
        assert waves[row].equal(batch.waves[row, start * 256 : (start + 19) * 256])
        assert not torch.allclose(mels[row], tts.spectrograms.mel(batch.waves)[row, start : start + 20], atol=0.01)


def test_a_run_speaks_with_its_own_vocoder_unless_another_is_named(run: TinyRun, clips: Path) -> None:
    assert isinstance(Cloner.load(run.folder).vocoder, NeuralVocoder)
    assert isinstance(Cloner.load(run.folder, "griffin_lim").vocoder, GriffinLim)
    run_vocoder = say(run, clips / "own.wav")
    named = say(run, clips / "named.wav", "--vocoder", str(run.folder / "vocoder" / "last.ckpt"))
    other = say(run, clips / "other.wav", "--vocoder", str(run.folder / "vocoder" / "alone" / "last.ckpt"))
    plain = say(run, clips / "plain.wav", "--vocoder", "griffin_lim")
    assert run_vocoder.equal(named)
    assert len(run_vocoder) == len(other) == len(plain)
    assert not run_vocoder.equal(other)
    assert not run_vocoder.equal(plain)


def test_an_adapted_model_speaks_with_settings_of_its_own(run: TinyRun, tmp_path: Path) -> None:
    """Also what is tuned further, and what is exported."""
    start, tuned = tmp_path / "start.ckpt", tmp_path / "run" / "vocoder"
    saved = read_checkpoint(run.folder / "vocoder" / "last.ckpt")
    settings = {"post_filter": {"power": 1.5}, "adapted_post_filter": {"power": 1.5, "denoise": 4.0}}
    saved["models"]["vocoder."]["init_args"] |= settings
    write_checkpoint(saved, start)
    more = ["--pretrained.tts", str(run.tts), "--pretrained.vocoder", str(start), "--model.frames=20"]
    tune_vocoder.main([*flags(run, "tune_vocoder", tuned), *more])
    shutil.copytree(run.folder / "tts", tmp_path / "run" / "tts")
    export(tmp_path / "run", tmp_path / "exported")
    for place in (start, tuned / "last.ckpt", tmp_path / "exported" / "vocoder.safetensors"):
        speech = Cloner.load(run.folder, place).vocoder
        assert speech.post_filter == PostFilter(1.5), place
        assert speech.adapted_post_filter == PostFilter(1.5, denoise=4.0), place


def test_a_stream_has_the_pieces_of_the_whole(run: TinyRun, clips: Path) -> None:
    whole = say(run, clips / "own.wav")
    line = ["--model", str(run.folder), "--voice", str(clips / "own.safetensors"), "--text", "Good dog."]
    synthesize.main([*line, "--stream", "--out", str(clips / "stream.wav")])
    streamed = io.read(clips / "stream.wav", 16000)  # limited, where the whole is scaled: this vocoder is too loud
    assert len(streamed) == len(whole)
    assert (streamed.sign() == whole.sign()).float().mean() > 0.99


def test_vocoders_that_cannot_be_used(
    run: TinyRun, tiny_run: TinyRun, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finer = [f"{SPECTROGRAMS}n_mels=40", f"{SPECTROGRAMS}hop=128", "--model.vocoder.init_args.channels=16"]
    vocoder.main([*flags(run, "vocoder", tmp_path / "finer"), *finer, "--model.warmup_steps=2", "--data.seconds=0.3"])
    for name, complaint in (
        (
            tmp_path / "finer" / "last.ckpt",
            "was trained with spectrograms of hop 128, n_mels 40, the TTS model predicts those of hop",
        ),
        (tiny_run.tts, "TTSModel, where a class derived from NeuralVocoder is needed"),
        ("elsewhere", "no checkpoint at elsewhere"),
    ):
        with pytest.raises(SystemExit):
            say(run, clips / "out.wav", "--vocoder", str(name))
        assert complaint in capsys.readouterr().err
