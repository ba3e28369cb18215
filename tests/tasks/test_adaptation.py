from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_vc.checkpoint import load_model
from lightning_vc.data.tts import AdaptationDataModule, collate_tts
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.adaptation import (
    AdaptationTask,
    EmbeddingAdaptationTask,
    LowRankAdaptationTask,
    WholeModelAdaptationTask,
)
from lightning_vc.tasks.tts import tts_loss
from tests.data.listener import trainer
from tests.tiny import TinyRun

EACH = [EmbeddingAdaptationTask, LowRankAdaptationTask, WholeModelAdaptationTask]


class ConverterAdaptationTask(AdaptationTask):
    """Somebody's own method: voice and converter move."""

    def __init__(self, tts: TTSModel, **options: Any) -> None:
        super().__init__(tts, lambda p: torch.optim.Adam(p, lr=1e-2), **options)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.embedding, *self.tts.model.converter.parameters()]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def tts(tiny_run: TinyRun) -> TTSModel:
    return load_model(tiny_run.tts, TTSModel)


def adapted(task: AdaptationTask, run: TinyRun, out: Path) -> dict[str, bool]:
    """Which parameters moved in two steps."""
    before = deepcopy(task.state_dict())
    data = AdaptationDataModule(str(run.shards), run.speaker, task.tts.frontend, clips=3, steps=2)
    trainer(out, max_steps=2, enable_checkpointing=False, limit_val_batches=1).fit(task, data)
    return {name: not value.equal(before[name]) for name, value in task.state_dict().items()}


@pytest.mark.parametrize("method", EACH)
def test_it_starts_from_the_average_voice(
    tiny_run: TinyRun, tts: TTSModel, method: type[EmbeddingAdaptationTask]
) -> None:
    base = tts
    task = method(tts)
    torch.testing.assert_close(task.embedding.detach(), base.table.weight.detach().mean(0))
    plain = ".parametrizations.weight.original"  # the name that a weight has beside what is added to it
    weights = {
        f"{name.removesuffix(plain)}.weight" if name.endswith(plain) else name: value
        for name, value in task.tts.state_dict().items()
    }
    assert all(value.equal(weights[name]) for name, value in base.state_dict().items())
    samples = tiny_run.samples()[:2]
    batch = collate_tts(samples, task.tts.frontend, {samples[0].speaker.id: 0}, 16000)
    voice = base.table(batch.speakers)
    assert (
        tts_loss(task.tts, batch, voice)["loss"] == tts_loss(base, batch, voice)["loss"]
    )  # it says what the base says


def test_embedding_only_moves_the_voice_alone(tiny_run: TinyRun, tts: TTSModel, tmp_path: Path) -> None:
    moved = adapted(EmbeddingAdaptationTask(tts), tiny_run, tmp_path)
    assert [name for name, has in moved.items() if has] == ["embedding"]


def test_low_rank_moves_the_voice_and_what_it_added(tiny_run: TinyRun, tts: TTSModel, tmp_path: Path) -> None:
    moved = adapted(LowRankAdaptationTask(tts), tiny_run, tmp_path)
    names = {name for name, has in moved.items() if has}
    assert "embedding" in names
    assert {name.rpartition(".")[2] for name in names} == {"embedding", "up", "down"}


def test_a_start_by_an_encoder_needs_one_of_the_same_model(tiny_run: TinyRun, tts: TTSModel) -> None:
    with pytest.raises(ValueError, match="init is 'encoder', which needs a speaker encoder"):
        EmbeddingAdaptationTask(tts, init="encoder")
    encoder = load_model(tiny_run.encoder, SpeakerEncoder)  # type: ignore[type-abstract]
    with pytest.raises(ValueError, match="init is 'mean', which takes no speaker encoder"):
        EmbeddingAdaptationTask(tts, encoder=encoder)
    EmbeddingAdaptationTask(tts, init="encoder", encoder=encoder)
    encoder.tts_fingerprint = "0123456789abcdef"
    with pytest.raises(ValueError, match=r"encoder/last\.ckpt was trained for another model than .*tts/last\.ckpt"):
        EmbeddingAdaptationTask(tts, init="encoder", encoder=encoder)


def test_whole_model_trains_embedding_and_model_but_not_the_speaker_table(
    tiny_run: TinyRun, tts: TTSModel, tmp_path: Path
) -> None:
    task = WholeModelAdaptationTask(tts)
    moved = adapted(task, tiny_run, tmp_path)
    assert moved["embedding"]
    assert not moved["tts.table.weight"]
    parameters = {f"tts.model.{name}" for name, _ in task.tts.model.named_parameters()}
    still = {name for name in parameters if not moved[name]}
    assert {name.rpartition(".")[2] for name in still} <= {"bias"}, "only the bias of a key moves no attention"
    assert len(still) < 0.1 * len(parameters)


def test_a_custom_method_defines_the_trained_parameters(tiny_run: TinyRun, tts: TTSModel, tmp_path: Path) -> None:
    task = ConverterAdaptationTask(tts)
    moved = {name for name, has in adapted(task, tiny_run, tmp_path).items() if has}
    named = {id(weight): name for name, weight in task.named_parameters()}
    assert moved == {named[id(weight)] for weight in task.trainable()}


@pytest.mark.parametrize("method", EACH)
def test_frozen_parameters_have_no_gradient(tts: TTSModel, method: type[EmbeddingAdaptationTask]) -> None:
    task = method(tts)
    task.configure_model()
    moving = {id(weight) for weight in task.trainable()}
    for name, weight in task.named_parameters():
        assert weight.requires_grad == (id(weight) in moving), name


def test_the_loss_is_that_of_the_base_with_the_new_voice(tiny_run: TinyRun, tts: TTSModel) -> None:
    task = EmbeddingAdaptationTask(tts).eval()
    data = AdaptationDataModule(str(tiny_run.shards), tiny_run.speaker, task.tts.frontend, clips=3)
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))

    def loss(voice: Tensor) -> float:
        with torch.no_grad():
            task.embedding.copy_(voice)
            return float(task.loss(batch)["loss"])

    row = tts.table.weight.detach()[2]
    learned = tts_loss(tts, batch, row.expand(len(batch.lengths), -1))["loss"].item()
    assert loss(row) == pytest.approx(learned)
    assert loss(row) != loss(row + 1)
