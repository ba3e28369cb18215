from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightning_vc.data.adaptation import AdaptationDataModule
from lightning_vc.data.tts import collate_tts
from lightning_vc.tasks.adaptation import (
    AdaptationTask,
    EmbeddingAdaptationTask,
    LowRankAdaptationTask,
    Start,
    WholeModelAdaptationTask,
)
from lightning_vc.tasks.tts import TTSTask
from tests.data.listener import trainer
from tests.tiny import TinyRun

EACH = [EmbeddingAdaptationTask, LowRankAdaptationTask, WholeModelAdaptationTask]


class ConverterAdaptationTask(AdaptationTask):
    """Somebody's own method: voice and converter move."""

    def __init__(self, base: str) -> None:
        super().__init__(base, lambda p: torch.optim.Adam(p, lr=1e-2))

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.voice, *self.tts.model.converter.parameters()]  # type: ignore[union-attr]


def adapted(task: AdaptationTask, run: TinyRun, out: Path) -> dict[str, bool]:
    """Which parameters moved in two steps."""
    before = deepcopy(task.state_dict())
    data = AdaptationDataModule(str(run.shards), run.speaker, task.frontend, clips=3, steps=2)
    trainer(out, max_steps=2, enable_checkpointing=False, limit_val_batches=1).fit(task, data)
    return {name: not value.equal(before[name]) for name, value in task.state_dict().items()}


@pytest.mark.parametrize("method", EACH)
def test_it_starts_from_the_average_voice(tiny_run: TinyRun, method: type[EmbeddingAdaptationTask]) -> None:
    base = TTSTask.load(tiny_run.tts)
    task = method(str(tiny_run.tts))
    torch.testing.assert_close(task.voice.detach(), base.table.voices.detach().mean(0))
    plain = ".parametrizations.weight.original"  # the name that a weight has beside what is added to it
    weights = {
        f"{name.removesuffix(plain)}.weight" if name.endswith(plain) else name: value
        for name, value in task.tts.state_dict().items()
    }
    assert all(value.equal(weights[name]) for name, value in base.state_dict().items())
    samples = tiny_run.samples()[:2]
    batch = collate_tts(samples, task.frontend, {samples[0].speaker.id: 0}, 16000)
    voice = base.table(batch.speakers)
    assert task.tts.loss_of(batch, voice)["loss"] == base.loss_of(batch, voice)["loss"]  # it says what the base says


def test_embedding_only_moves_the_voice_alone(tiny_run: TinyRun, tmp_path: Path) -> None:
    moved = adapted(EmbeddingAdaptationTask(str(tiny_run.tts)), tiny_run, tmp_path)
    assert [name for name, has in moved.items() if has] == ["voice"]


def test_low_rank_moves_the_voice_and_what_it_added(tiny_run: TinyRun, tmp_path: Path) -> None:
    moved = adapted(LowRankAdaptationTask(str(tiny_run.tts)), tiny_run, tmp_path)
    names = {name for name, has in moved.items() if has}
    assert "voice" in names
    assert {name.rpartition(".")[2] for name in names} == {"voice", "up", "down"}


def test_it_starts_from_the_voice_that_says_the_clips_best(tiny_run: TinyRun, tmp_path: Path) -> None:
    task = EmbeddingAdaptationTask(str(tiny_run.tts), lambda p: torch.optim.SGD(p, lr=0.0), start="nearest")
    data = AdaptationDataModule(str(tiny_run.shards), tiny_run.speaker, task.frontend, clips=3, batch_size=3, steps=1)
    trainer(tmp_path, max_steps=1, enable_checkpointing=False, limit_val_batches=0).fit(task, data)
    batch = next(iter(data.train_dataloader()))
    voices = task.tts.table.voices.detach()
    losses = [float(task.tts.loss_of(batch, voice.expand(3, -1))["loss"]) for voice in voices]
    assert task.voice.detach().equal(voices[losses.index(min(losses))])


@pytest.mark.parametrize(("start", "encoder"), [("encoder", None), ("mean", "x.ckpt")])
def test_an_encoder_to_start_with_is_asked_for_and_given(tiny_run: TinyRun, start: Start, encoder: str | None) -> None:
    with pytest.raises(ValueError, match=f"start is '{start}' and encoder is {encoder!r}: one asks for the other"):
        EmbeddingAdaptationTask(str(tiny_run.tts), start=start, encoder=encoder)


def test_whole_model_moves_voice_and_model_but_not_the_speaker_table(tiny_run: TinyRun, tmp_path: Path) -> None:
    task = WholeModelAdaptationTask(str(tiny_run.tts))
    moved = adapted(task, tiny_run, tmp_path)
    assert moved["voice"]
    assert not moved["tts.table.table.weight"]
    parameters = {f"tts.model.{name}" for name, _ in task.tts.model.named_parameters()}
    still = {name for name in parameters if not moved[name]}
    assert {name.rpartition(".")[2] for name in still} <= {"bias"}, "only the bias of a key moves no attention"
    assert len(still) < 0.1 * len(parameters)


def test_a_method_of_ones_own_says_what_moves(tiny_run: TinyRun, tmp_path: Path) -> None:
    task = ConverterAdaptationTask(str(tiny_run.tts))
    moved = {name for name, has in adapted(task, tiny_run, tmp_path).items() if has}
    named = {id(weight): name for name, weight in task.named_parameters()}
    assert moved == {named[id(weight)] for weight in task.trainable()}


@pytest.mark.parametrize("method", EACH)
def test_what_does_not_move_has_no_gradient(tiny_run: TinyRun, method: type[EmbeddingAdaptationTask]) -> None:
    task = method(str(tiny_run.tts))
    task.configure_model()
    moving = {id(weight) for weight in task.trainable()}
    for name, weight in task.named_parameters():
        assert weight.requires_grad == (id(weight) in moving), name


def test_the_loss_is_that_of_the_base_with_the_new_voice(tiny_run: TinyRun) -> None:
    task = EmbeddingAdaptationTask(str(tiny_run.tts)).eval()
    data = AdaptationDataModule(str(tiny_run.shards), tiny_run.speaker, task.frontend, clips=3)
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))

    def loss(voice: Tensor) -> float:
        with torch.no_grad():
            task.voice.copy_(voice)
            return float(task.loss(batch)["loss"])

    base = TTSTask.load(tiny_run.tts)
    row = base.table.voices.detach()[2]
    learned = base.loss(batch._replace(speakers=torch.full_like(batch.speakers, 2)))["loss"].item()
    assert loss(row) == pytest.approx(learned)
    assert loss(row) != loss(row + 1)


def test_the_base_has_to_be_a_tts(tiny_run: TinyRun) -> None:
    with pytest.raises(ValueError, match="is a checkpoint of SpeakerEncoderTask, where one of TTSTask is needed"):
        EmbeddingAdaptationTask(str(tiny_run.encoder))
