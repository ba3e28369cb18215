from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_vc import Cloner
from lightning_vc.audio import io
from lightning_vc.checkpoint import fingerprint, load_model, write_checkpoint
from lightning_vc.data.cloning import JointDataModule
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.recipes import joint
from lightning_vc.tasks.joint import JointTask
from lightning_vc.tasks.tts import tts_loss
from lightning_vc.untrusted import read_checkpoint
from tests.data.listener import trainer
from tests.tiny import CSV, MINI, TinyRun, logged


def joint_task(run: TinyRun, **options: Any) -> JointTask:
    """The task of a trained TTS model and the encoder trained for it."""
    models = load_model(run.tts, TTSModel), load_model(run.encoder, SpeakerEncoder)  # type: ignore[type-abstract]
    return JointTask(*models, optimizer=lambda p: torch.optim.Adam(p, lr=1e-2), **options)


@pytest.fixture
def task(tiny_run: TinyRun) -> JointTask:
    return joint_task(tiny_run)


@pytest.fixture
def data(tiny_run: TinyRun, task: JointTask) -> JointDataModule:
    return JointDataModule(str(tiny_run.shards), task.tts.frontend, clips=2, n_speakers=2, max_seconds=0.5)


def test_model_and_encoder_move_but_not_the_speaker_table(
    task: JointTask, data: JointDataModule, tmp_path: Path
) -> None:
    before = deepcopy(task.state_dict())
    trainer(tmp_path, max_steps=2, enable_checkpointing=False, limit_val_batches=1).fit(task, data)
    moved = {name for name, value in task.state_dict().items() if not value.equal(before[name])}
    assert "tts.table.weight" not in moved
    for part in ("tts.model.encoder", "tts.model.aligner", "tts.model.converter", "encoder.convs"):
        assert any(name.startswith(part) for name in moved), part


def test_the_loss_is_that_of_the_voices_that_are_heard(task: JointTask, data: JointDataModule) -> None:
    task.eval()
    batch = next(iter(data.val_dataloader()))
    voice = task.encoder(batch.clips.waves, batch.clips.lengths)
    losses = task.loss(batch)
    torch.testing.assert_close(losses["loss"], tts_loss(task.tts, batch.utterances, voice)["loss"])
    learned = task.tts.table.weight.std(0, correction=0).mean()
    torch.testing.assert_close(losses["spread"], voice.std(0, correction=0).mean() / learned)
    other = torch.stack([voice[-1], *voice[:-1]])
    torch.testing.assert_close(losses["swapped"], tts_loss(task.tts, batch.utterances, other)["loss"])
    assert losses["swapped"] != losses["loss"]
    assert "swapped" not in task.train().loss(batch)


def test_voices_are_as_far_from_the_mean_as_in_cloning(task: JointTask, data: JointDataModule) -> None:
    task.eval()
    batch = next(iter(data.val_dataloader()))
    task.gain = 1.5
    mean = task.tts.table.weight.detach().mean(0)
    voice = mean + 1.5 * (task.encoder(batch.clips.waves, batch.clips.lengths) - mean)
    torch.testing.assert_close(task.loss(batch)["loss"], tts_loss(task.tts, batch.utterances, voice)["loss"])


def test_clips_are_heard_in_training_as_the_encoder_learnt_to(task: JointTask, data: JointDataModule) -> None:
    class Mute(torch.nn.Module):
        def forward(self, waves: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(waves)

    task.augmentation = Mute()
    batch = next(iter(data.val_dataloader()))
    silent = batch._replace(clips=batch.clips._replace(waves=torch.zeros_like(batch.clips.waves)))
    for training in (True, False):
        task.train(training)
        losses = []
        for item in (batch, silent):
            torch.manual_seed(0)
            losses.append(task.loss(item)["loss"])
        assert losses[0].equal(losses[1]) == training


def test_learned_voices_go_on_learning(tiny_run: TinyRun, data: JointDataModule, tmp_path: Path) -> None:
    task = joint_task(tiny_run, learned_share=1.0)
    batch = next(iter(data.train_dataloader()))
    learned = task.tts.table(batch.utterances.speakers)
    task.train()
    torch.manual_seed(0)
    loss = task.loss(batch)["loss"]
    torch.manual_seed(0)
    torch.rand(len(learned), 1)
    assert loss.equal(tts_loss(task.tts, batch.utterances, learned)["loss"])
    before = deepcopy(task.state_dict())
    trainer(tmp_path, max_steps=1, enable_checkpointing=False, limit_val_batches=0).fit(task, data)
    assert not task.tts.table.weight.equal(before["tts.table.weight"])


def test_a_table_of_other_speakers_does_not_learn(task: JointTask, data: JointDataModule, tmp_path: Path) -> None:
    fit = trainer(tmp_path, max_steps=1, enable_checkpointing=False, limit_val_batches=0).fit
    task.tts.speakers[0] = "somebody"
    fit(task, data)
    task.learned_share = 0.5
    with pytest.raises(ValueError, match=r"has other speakers than the data .*: give the shards"):
        fit(task, data)


def test_a_joint_checkpoint_can_clone(tiny_run: TinyRun, tmp_path: Path) -> None:
    flags = [word for path in (CSV, MINI / "joint.yaml") for word in ("--config", str(path))]
    flags += ["--pretrained.tts", str(tiny_run.tts), "--pretrained.encoder", str(tiny_run.encoder)]
    flags += ["--data.shards", str(tiny_run.shards), "--data.clips=1", "--data.n_speakers=2", "--data.max_seconds=0.5"]
    flags += ["--trainer.default_root_dir", str(tmp_path), "--trainer.max_steps=2", "--trainer.val_check_interval=1"]
    flags += ["--trainer.log_every_n_steps=1", "--model.embedding_gain=1.5"]
    cli = joint.main(["fit", *flags])
    assert all(module.training for module in cli.model.modules())
    assert len(logged(tmp_path, "val/spread")) == 2
    together = read_checkpoint(tmp_path / "last.ckpt")["state_dict"]
    cloner, old = Cloner.load(tmp_path), Cloner.load(tiny_run.folder)
    assert cloner.tts_fingerprint == fingerprint(cloner.tts) != old.tts_fingerprint
    assert cloner.tts.max_symbols == old.tts.max_symbols
    assert cloner.encoder is not None
    assert cloner.encoder.embedding_gain == 1.5
    assert all(value.equal(together[f"encoder.{name}"]) for name, value in cloner.encoder.state_dict().items())
    io.write(tmp_path / "clip.wav", tiny_run.samples()[0].wave(16000), 16000)
    one, two = (item.clone([tmp_path / "clip.wav"]) for item in (cloner, old))
    assert not one.embedding.equal(two.embedding)
    assert len(cloner.say("The dog slept.", one).wave) > 0
    with pytest.raises(ValueError, match="belongs to model"):
        cloner.say("The dog slept.", two)


def test_an_encoder_of_another_base(tiny_run: TinyRun, tmp_path: Path) -> None:
    saved = read_checkpoint(tiny_run.tts)
    saved["state_dict"]["tts.table.weight"][0, 0] += 1
    write_checkpoint(saved, tmp_path / "other.ckpt")
    other = load_model(tmp_path / "other.ckpt", TTSModel)
    with pytest.raises(ValueError, match=r"last\.ckpt was trained for another model than .*other\.ckpt"):
        JointTask(other, load_model(tiny_run.encoder, SpeakerEncoder))  # type: ignore[type-abstract]
