"""Adversarial fine-tuning of the converter."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_vc import Cloner
from lightning_vc.checkpoint import fingerprint, load_model
from lightning_vc.data.tts import TTSDataModule
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.modules.discriminators import MelDiscriminator
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.recipes import adversarial
from lightning_vc.tasks.adversarial import AdversarialTask
from tests.data.listener import trainer
from tests.tiny import CSV, ROOT, TinyRun, logged

LAST = "lightning_vc.callbacks.LastCheckpoint"
CONFIG = ROOT / "recipes" / "base" / "adversarial.yaml"


def adversarial_task(run: TinyRun, **options: Any) -> AdversarialTask:
    models = load_model(run.tts, TTSModel), load_model(run.encoder, SpeakerEncoder)  # type: ignore[type-abstract]
    return AdversarialTask(*models, frames=20, optimizer=lambda p: torch.optim.Adam(p, lr=1e-2), **options)


@pytest.fixture
def data(tiny_run: TinyRun) -> TTSDataModule:
    frontend = load_model(tiny_run.tts, TTSModel).frontend
    return TTSDataModule(str(tiny_run.shards), batch_size=2, frontend=frontend)


def moved(task: AdversarialTask, data: TTSDataModule, folder: Path, steps: int) -> set[str]:
    """Names of the weights that training changes, without the statistics of text lengths."""
    before = deepcopy(task.state_dict())
    trainer(folder, max_steps=steps, enable_checkpointing=False, limit_val_batches=1).fit(task, data)
    return {name for name, value in task.state_dict().items() if not value.equal(before[name])} - {"tts.lengths"}


def test_converter_and_discriminator_are_trained_and_nothing_else(
    tiny_run: TinyRun, data: TTSDataModule, tmp_path: Path
) -> None:
    names = moved(adversarial_task(tiny_run, warmup_steps=0), data, tmp_path, 2)
    assert {name.split(".")[0] for name in names} == {"tts", "discriminator"}
    assert {name for name in names if name.startswith("tts.")}
    assert all(name.startswith("tts.model.converter.") for name in names if name.startswith("tts."))


def test_only_the_discriminator_is_trained_in_the_warmup(
    tiny_run: TinyRun, data: TTSDataModule, tmp_path: Path
) -> None:
    names = moved(adversarial_task(tiny_run, warmup_steps=2), data, tmp_path, 2)
    assert {name.split(".")[0] for name in names} == {"discriminator"}


def test_predicted_prosody_replaces_that_of_the_recording_in_training(tiny_run: TinyRun, data: TTSDataModule) -> None:
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    tts = load_model(tiny_run.tts, TTSModel)

    def linear(share: float) -> torch.Tensor:
        tts.model.scheduled_sampling = share
        tts.model.prosody_noise = 0.0
        tts.model.train()
        for module in tts.model.modules():
            if isinstance(module, torch.nn.Dropout) or hasattr(module, "p"):
                module.eval()
        spectra, frames = tts.spectrograms(batch.waves), tts.spectrograms.frames(batch.lengths)
        output: torch.Tensor = tts.model(batch.text, tts.table(batch.speakers), spectra, frames).spectra.linear
        return output

    recorded, predicted = linear(0.0), linear(1.0)
    assert recorded.equal(linear(0.0))
    assert not recorded.allclose(predicted)


def test_the_discriminator_sees_the_condition(tiny_run: TinyRun) -> None:
    torch.manual_seed(0)
    discriminator, frames = MelDiscriminator(20, 6), torch.rand(2, 30, 26)
    (scores,), features = discriminator(frames)
    assert scores.shape[0] == 2
    assert len(features) == 5
    other = torch.cat([frames[..., :20], frames[..., 20:].flip(0)], -1)
    assert not discriminator(other)[0][0].allclose(scores)


def test_a_model_without_converter_is_refused(tiny_run: TinyRun) -> None:
    task = adversarial_task(tiny_run)

    class Other(AcousticModel):
        speaker_dim, reduction = task.tts.model.speaker_dim, 1

        def forward(self, *_: Any) -> Any: ...

        def synthesize(self, *_: Any, **__: Any) -> Any: ...

    tts, encoder = task.tts.with_model(Other()), task.encoder
    encoder._tts = torch.tensor(list(bytes.fromhex(fingerprint(tts))), dtype=torch.uint8)
    with pytest.raises(ValueError, match="Other has no converter to fine-tune"):
        AdversarialTask(tts, encoder)


def test_the_checkpoint_clones_with_the_encoder_of_before(tiny_run: TinyRun, tmp_path: Path) -> None:
    plain = tmp_path / "plain.yaml"  # without the average of weights, which begins after 100 steps
    plain.write_text(f"trainer: {{callbacks: [{{class_path: {LAST}, init_args: {{dirpath: {tmp_path}}}}}]}}")
    options = (
        f"fit --config {CSV} --config {CONFIG} --config {plain} --data.shards {tiny_run.shards} --data.batch_size 2"
    )
    options += f" --trainer.default_root_dir {tmp_path} --trainer.max_steps 2 --trainer.val_check_interval 1"
    options += f" --pretrained.tts {tiny_run.tts} --pretrained.encoder {tiny_run.encoder} --model.frames 20"
    options += " --model.warmup_steps 0 --trainer.log_every_n_steps=1 --trainer.num_sanity_val_steps=0"
    adversarial.main(options.split())
    for name in ("train/adversarial", "train/matching", "train/discriminators", "val/linear"):
        assert len(logged(tmp_path, name)) == 2
    before, after = Cloner.load(tiny_run.folder), Cloner.load(tmp_path)
    assert before.tts_fingerprint != after.tts_fingerprint
    clips = [sample.wave(16000) for sample in tiny_run.samples()[:2]]
    assert before.embed(clips).equal(after.embed(clips))
