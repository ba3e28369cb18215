from typing import Any

import pytest
import torch

from lightning_vc import adapting
from lightning_vc.adapting import METHODS, KeepBest, Method, adapt
from lightning_vc.data.collate import collate_tts
from lightning_vc.tasks.adaptation import AdaptationTask, EmbeddingAdaptationTask
from tests.tiny import TinyRun


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The losses of the clips that were put aside, one after each step of the method "wild"."""
    losses: list[float] = []

    class Watched(KeepBest):
        def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
            super().on_validation_end(trainer, pl_module)
            losses.append(float(trainer.callback_metrics["validation/loss"]))

    def wild(base: str) -> AdaptationTask:
        return EmbeddingAdaptationTask(base, lambda p: torch.optim.Adam(p, lr=0.5))

    monkeypatch.setattr(adapting, "KeepBest", Watched)
    monkeypatch.setattr(adapting, "_LOOK", 1)
    monkeypatch.setattr(adapting, "_HELD", 5)
    monkeypatch.setitem(METHODS, "wild", Method(wild, steps=60))
    return losses


def test_it_stops_by_the_clip_that_was_put_aside(tiny_run: TinyRun, seen: list[float]) -> None:
    samples = tiny_run.samples()[:5]
    task = adapt(str(tiny_run.tts), "wild", samples, 16000)
    assert 5 <= len(seen) < 60
    assert min(seen) < seen[-1]
    batch = collate_tts(samples[:1], task.frontend, {samples[0].speaker.id: 0}, 16000)
    assert float(task.loss(batch)["loss"]) == pytest.approx(min(seen), rel=1e-5)


def test_fewer_clips_are_trained_on_to_the_end(tiny_run: TinyRun, seen: list[float]) -> None:
    task = adapt(str(tiny_run.tts), "wild", tiny_run.samples()[:4], 16000, steps=3)
    assert seen == []
    assert (task.voice - task.tts.table.voices.mean(0)).abs().max() > 0.5


def test_it_leaves_the_random_numbers_of_others_alone(tiny_run: TinyRun) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    adapt(str(tiny_run.tts), "low_rank", tiny_run.samples()[:1], 16000, steps=1)
    assert torch.rand(1).equal(expected)
