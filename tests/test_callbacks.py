import csv
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import wandb
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import CSVLogger, Logger

from lightning_vc import Voice
from lightning_vc.audio import io
from lightning_vc.callbacks import (
    CheckMonitors,
    ClipGradientValues,
    LastCheckpoint,
    SaveVoice,
    SynthesizeSentences,
    Throughput,
)
from lightning_vc.checkpoint import load_model
from lightning_vc.data.tts import AdaptationDataModule, TTSDataModule
from lightning_vc.modules.tts import TTSModel
from lightning_vc.recipes import tts
from lightning_vc.tasks.adaptation import EmbeddingAdaptationTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.untrusted import read_checkpoint
from tests.tiny import ROOT, TinyRun

SENTENCES = ["A dog.", "The dog slept."]


def trainer(out: Path, callback: Any, **options: Any) -> Trainer:
    return Trainer(
        default_root_dir=out,
        accelerator="cpu",
        callbacks=[callback],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **{"logger": False, **options},
    )


@pytest.fixture
def task(tiny_run: TinyRun) -> TTSTask:
    return TTSTask(load_model(tiny_run.tts, TTSModel))


@pytest.fixture
def data(tiny_run: TinyRun, task: TTSTask) -> TTSDataModule:
    return TTSDataModule(str(tiny_run.shards), task.tts.frontend, batch_size=4)


def validate(out: Path, task: TTSTask, data: TTSDataModule, voices: int, logger: Logger) -> list[str]:
    """What stands in the folder of what was spoken after a validation."""
    trainer(out, SynthesizeSentences(SENTENCES, voices), logger=logger, limit_val_batches=1).validate(
        task, data, verbose=False
    )
    return sorted(str(path.relative_to(out)) for path in out.rglob("spoken/*/*"))


def test_training_speakers_are_synthesised_after_validation(tmp_path: Path, task: TTSTask, data: TTSDataModule) -> None:
    spoken = validate(tmp_path, task, data, 2, CSVLogger(tmp_path, "log"))
    first, last = task.tts.speakers[0], task.tts.speakers[-1]
    names = [
        f"{speaker}-{number}{suffix}" for speaker in (first, last) for number in (1, 2) for suffix in (".png", ".wav")
    ]
    reference = [f"reference/{speaker}{suffix}" for speaker in (first, last) for suffix in (".png", ".wav")]
    written = [*(f"000000/{name}" for name in names), "000000/speaker_table.png", *reference]
    assert spoken == [f"log/version_0/spoken/{name}" for name in written]
    for name in spoken:
        if name.endswith(".wav"):
            assert io.read(tmp_path / name, 16000).abs().max() > 0.01
        else:
            assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_an_id_of_a_speaker_is_no_path(tmp_path: Path, task: TTSTask, data: TTSDataModule) -> None:
    task.tts.speakers[0] = "../../victim"
    with pytest.raises(ValueError, match=r"a speaker of the model '\.\./\.\./victim' is not a plain name"):
        validate(tmp_path / "out", task, data, 1, CSVLogger(tmp_path / "out", "log"))


def test_loggers_are_told_what_can_be_written_down(tmp_path: Path, task: TTSTask, data: TTSDataModule) -> None:
    validate(tmp_path, task, data, 0, CSVLogger(tmp_path, "log"))
    told = (tmp_path / "log" / "version_0" / "hparams.yaml").read_text()
    assert "attention_weight: 1.0" in told
    assert "!!python" not in told


def test_no_voice_is_needed(tmp_path: Path, task: TTSTask, data: TTSDataModule) -> None:
    assert validate(tmp_path, task, data, 0, CSVLogger(tmp_path)) == []


def test_nothing_is_said_before_training_or_by_another_task(tmp_path: Path, task: TTSTask, tiny_run: TinyRun) -> None:
    speak = SynthesizeSentences(SENTENCES)
    stand_in: Any = SimpleNamespace(sanity_checking=True, is_global_zero=True, log_dir=str(tmp_path), loggers=[])
    speak.on_validation_end(stand_in, task)
    stand_in.sanity_checking = False
    speak.on_validation_end(stand_in, EmbeddingAdaptationTask(load_model(tiny_run.tts, TTSModel)))
    stand_in.is_global_zero = False
    speak.on_validation_end(stand_in, task)
    assert list(tmp_path.iterdir()) == []


def test_a_voice_is_saved_when_its_adaptation_has_finished(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = EmbeddingAdaptationTask(load_model(tiny_run.tts, TTSModel))
    data = AdaptationDataModule(str(tiny_run.shards), tiny_run.speaker, task.tts.frontend, clips=4, steps=1)
    path = tmp_path / "voices" / "mine.safetensors"
    trainer(tmp_path, SaveVoice(str(path)), max_steps=1, limit_val_batches=0).fit(task, data)
    voice = Voice.load(path)
    assert (voice.clips, voice.tts_fingerprint, voice.adapted_parameters) == (4, task.tts_fingerprint, {})
    assert voice.embedding.equal(task.embedding.detach())
    told = capsys.readouterr().out.replace("\n", " ")
    assert f"lightning-vc synthesize --model {tiny_run.tts} --voice {path}" in told


def test_a_voice_that_cannot_be_saved_is_not_trained(tiny_run: TinyRun, tmp_path: Path) -> None:
    task = EmbeddingAdaptationTask(load_model(tiny_run.tts, TTSModel))
    data = AdaptationDataModule(str(tiny_run.shards), tiny_run.speaker, task.tts.frontend, clips=4, steps=1)
    saving = trainer(tmp_path, SaveVoice("/proc/nope/v.safetensors"), max_steps=1, limit_val_batches=0)
    with pytest.raises(ValueError, match=r"/proc/nope/v\.safetensors cannot be written"):
        saving.fit(task, data)
    assert task.global_step == 0


def test_only_an_adaptation_has_a_voice_to_save(tmp_path: Path, task: TTSTask, data: TTSDataModule) -> None:
    saving = trainer(tmp_path, SaveVoice(str(tmp_path / "x.safetensors")), max_steps=1, limit_val_batches=0)
    with pytest.raises(ValueError, match="SaveVoice needs a task that adapts, not TTSTask"):
        saving.fit(task, data)


def test_values_of_the_gradient_are_clipped_before_its_norm(tmp_path: Path) -> None:
    class Watched(BoringModel):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return 1000 * self.layer(batch).sum()

        def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
            super().optimizer_step(*args, **kwargs)
            gradient = torch.cat([weight.grad.flatten() for weight in self.parameters() if weight.grad is not None])
            self.seen = gradient.abs()

    model = Watched()
    trainer(tmp_path, ClipGradientValues(0.5), max_steps=1, gradient_clip_val=100, limit_val_batches=0).fit(model)
    assert model.seen.max() == 0.5
    trainer(tmp_path, ClipGradientValues(0.5), max_steps=1, gradient_clip_val=0.1, limit_val_batches=0).fit(model)
    assert model.seen.square().sum().sqrt().item() == pytest.approx(0.1, rel=1e-4)
    assert (model.seen > 0).sum() > 50  # of numbers that were all large, none is left much larger than the others
    assert model.seen[model.seen > 0].max() < 2 * model.seen[model.seen > 0].median()


def test_steps_a_second_and_padding_are_logged(tmp_path: Path, task: TTSTask, data: TTSDataModule) -> None:
    logger = CSVLogger(tmp_path, "log")
    task.scheduler = None  # its end is near
    trainer(
        tmp_path,
        Throughput(),
        logger=logger,
        max_steps=6,
        log_every_n_steps=2,
        accumulate_grad_batches=2,
        limit_val_batches=1,
    ).fit(task, data)
    rows = list(csv.DictReader((tmp_path / "log" / "version_0" / "metrics.csv").open()))
    paces = [float(row["train/steps_per_second"]) for row in rows if row.get("train/steps_per_second")]
    paddings = [float(row["train/padding"]) for row in rows if row.get("train/padding")]
    assert len(paces) == len(paddings) == 3
    assert all(0 < pace < 1000 for pace in paces)
    batches = list(data.train_dataloader())
    shares = [1 - float(batch.lengths.sum()) / batch.waves.numel() for batch in batches]
    assert min(shares) <= min(paddings) <= max(paddings) <= max(shares)
    assert max(paddings) > 0


def test_weights_and_biases_gets_losses_sound_and_attention_without_a_key(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_SILENT", "true")
    flags = [*tiny_run.tts_flags(tmp_path), "--config", str(ROOT / "configs" / "logger" / "wandb.yaml")]
    tts.main([*flags, "--trainer.max_steps=1", "--trainer.val_check_interval=1"])
    (run,) = (tmp_path / "wandb").glob("offline-run-*")
    assert list(run.glob("run-*.wandb"))
    media = {path.relative_to(run / "files" / "media").parts[0] for path in run.rglob("media/*/*/*") if path.is_file()}
    assert media == {"audio", "images"}
    kinds = {path.parent.name for path in run.rglob("media/*/*/*")}
    assert kinds == {"speech", "attention", "reference", "reference_spectrogram"}
    assert len(list(run.glob("files/media/images/speaker_table_*.png"))) == 1
    assert not list(tmp_path.rglob("spoken"))
    assert read_checkpoint(tmp_path / "last.ckpt")["global_step"] == 1


def test_the_last_step_is_saved_whichever_it_is(tmp_path: Path) -> None:
    keep = LastCheckpoint(str(tmp_path / "kept"), every_n_train_steps=2)
    trainer = Trainer(max_steps=5, callbacks=keep, accelerator="cpu", logger=False, enable_progress_bar=False)
    trainer.fit(BoringModel())
    assert [file.name for file in (tmp_path / "kept").iterdir()] == ["last.ckpt"]
    assert torch.load(tmp_path / "kept" / "last.ckpt", weights_only=True)["global_step"] == 5


def test_what_a_killed_save_left_goes_when_training_begins(tmp_path: Path) -> None:
    """A run that resumes from its last step does not save again."""
    left, trainer = tmp_path / ".last.ckpt.host-0123abcd.partial", Trainer(logger=False, accelerator="cpu")
    left.write_text("half of a checkpoint")
    LastCheckpoint(str(tmp_path)).setup(trainer, BoringModel(), "test")
    assert left.exists()
    LastCheckpoint(str(tmp_path)).setup(trainer, BoringModel(), "fit")
    assert not left.exists()


def test_a_trial_does_not_overwrite_the_last_step(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_text("trained for days")
    keep = LastCheckpoint(str(tmp_path))
    trainer = Trainer(fast_dev_run=True, callbacks=keep, accelerator="cpu", enable_progress_bar=False)
    trainer.fit(BoringModel())
    assert (tmp_path / "last.ckpt").read_text() == "trained for days"


@pytest.mark.parametrize("named", ["{}/last.ckpt", "last", "hpc"])
def test_wandb_goes_on_with_the_run_of_the_checkpoint(tiny_run: TinyRun, tmp_path: Path, named: str) -> None:
    flags = [*tiny_run.tts_flags(tmp_path), "--config", str(ROOT / "configs" / "logger" / "wandb.yaml")]
    quick = ["--trainer.val_check_interval=9", "--model.scheduler.init_args.total_steps=4"]
    tts.main([*flags, *quick, "--trainer.max_steps=2"])
    wandb.finish()  # as the end of the process does
    first = read_checkpoint(tmp_path / "last.ckpt")["wandb_run"]
    if named == "hpc":
        (tmp_path / "last.ckpt").rename(tmp_path / "hpc_ckpt_1.ckpt")
    tts.main([*flags, *quick, "--trainer.max_steps=4", "--ckpt_path", named.format(tmp_path)])
    wandb.finish()
    assert read_checkpoint(tmp_path / "last.ckpt")["wandb_run"] == first
    assert {path.name.split("-")[3] for path in (tmp_path / "wandb").glob("offline-run-*")} == {first}


class Tasks(BoringModel):
    """Logs a loss in training and in validation, and declares a metric that comes later."""

    logs = ("train/late",)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        output = super().training_step(batch, batch_idx)
        self.log("train/loss", output["loss"])
        return output

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        output = super().validation_step(batch, batch_idx)
        self.log("val/loss", output["x"])
        return output


def monitored(out: Path, callback: Any, **options: Any) -> Trainer:
    """A trainer of three steps with a callback that monitors something."""
    options = {"max_steps": 3, "limit_val_batches": 2, "logger": False, **options}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    callbacks = [CheckMonitors(), callback]
    return Trainer(default_root_dir=out, accelerator="cpu", callbacks=callbacks, **options, **quiet)


@pytest.mark.parametrize("kind", [ModelCheckpoint, EarlyStopping])
@pytest.mark.parametrize(
    ("name", "steps", "options", "complaint"),
    [
        ("val/los", 0, {}, "nothing logs: choose from .*val/loss"),
        ("val/los", 3, {"num_sanity_val_steps": 0, "val_check_interval": 3}, "choose from .*val/loss"),
        ("val_loss", 1, {}, "nothing logs: choose from .*train/loss.*val/loss"),
        ("train/los", 1, {}, "nothing logs: choose from .*train/loss"),
        ("val/loss", 0, {"limit_val_batches": 0}, r"there is no validation; set --trainer\.limit_val_batches"),
    ],
)
def test_a_callback_that_monitors_an_unknown_metric_is_refused(
    tmp_path: Path, kind: Any, name: str, steps: int, options: dict[str, Any], complaint: str
) -> None:
    trainer = monitored(tmp_path, kind(monitor=name), **options)
    with pytest.raises(ValueError, match=f"{kind.__name__} monitors '{name}', which .*{complaint}"):
        trainer.fit(Tasks())
    assert trainer.global_step == steps


@pytest.mark.parametrize("name", ["val/loss", "train/loss"])
def test_a_callback_that_monitors_a_logged_metric_saves_a_checkpoint(tmp_path: Path, name: str) -> None:
    keep = ModelCheckpoint(tmp_path / "best", f"{{step}}-{{{name}:.2f}}", monitor=name, auto_insert_metric_name=False)
    monitored(tmp_path, keep, val_check_interval=3).fit(Tasks())
    (file,) = (tmp_path / "best").iterdir()
    assert re.fullmatch(r"3-\d+\.\d\d\.ckpt", file.name)


@pytest.mark.parametrize("name", ["step", "train/late"])
def test_a_metric_that_is_logged_later_may_be_monitored(tmp_path: Path, name: str) -> None:
    monitored(tmp_path, ModelCheckpoint(tmp_path, monitor=name, save_top_k=0)).fit(Tasks())


def test_a_slash_in_the_name_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    keep = ModelCheckpoint(tmp_path, "{step}-{val/loss:.2f}", monitor="val/loss")
    with pytest.raises(ValueError, match=r"would make folders.* set auto_insert_metric_name to false"):
        monitored(tmp_path, keep).fit(Tasks())


def test_every_recipe_checks_its_monitors(
    tiny_run: TinyRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep = ["--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint", "--trainer.callbacks.monitor=val_loss"]
    with pytest.raises(SystemExit) as end:
        tts.main([*tiny_run.tts_flags(tmp_path), *keep])
    assert end.value.code == 1
    assert "error: ModelCheckpoint monitors 'val_loss', which nothing logs" in capsys.readouterr().err
