import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.evaluation.speaker_metrics import Recognition
from lightning_vc.metrics import equal_error_rate
from lightning_vc.modules.speaker_recognition import SpeakerEmbedder, SpeakerRecognizer
from lightning_vc.recipes import speaker_recognition
from lightning_vc.tasks.speaker_recognition import SpeakerRecognitionTask
from lightning_vc.types import CloningBatch
from tests.tiny import TinyRun, logged, metrics


def spectrograms() -> Spectrograms:
    return Spectrograms(sample_rate=16000, n_fft=512, window=400, hop=200, n_mels=10)


class Directions(SpeakerEmbedder):
    """The first two samples, turned by a matrix, are the embedding."""

    def __init__(self) -> None:
        super().__init__(spectrograms(), 8, 2)
        self.turn = nn.Parameter(torch.eye(2))

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        return nn.functional.normalize(waves[:, :2] @ self.turn)


def directed(test_speakers: list[str]) -> SpeakerRecognitionTask:
    """Speaker "a" lies to the right, "b" above."""
    task = SpeakerRecognitionTask(SpeakerRecognizer(Directions(), ["a", "b"], scale=10.0), test_speakers)
    with torch.no_grad():
        task.recognizer.classes.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    return task


def batch(*angles: float, speakers: tuple[int, ...]) -> CloningBatch:
    """Recordings in these directions, one of each speaker."""
    waves = torch.tensor([[math.cos(angle), math.sin(angle)] for angle in angles])[:, None]
    return CloningBatch(waves, torch.full((len(speakers), 1), 2), torch.tensor(speakers), [["x"]] * len(speakers))


def test_padding_hardly_changes_an_embedding() -> None:
    network = SpeakerEmbedder(spectrograms(), channels=16, embedding_dim=3).eval()
    wave = torch.randn(9000)
    alone = network(wave[None], torch.tensor([9000]))
    padded = torch.randn(2, 14000)
    padded[0] = nn.functional.pad(wave, (0, 5000))
    together = network(padded, torch.tensor([9000, 14000]))
    # The last frames look beyond the end, where there is an echo of the recording when it is alone.
    assert torch.cosine_similarity(alone, together)[0] > 0.98
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2))


def test_log_probabilities_are_those_of_scaled_cosines() -> None:
    task = directed([])
    angles = torch.tensor([0.3, 1.5])
    cosines = torch.stack([angles.cos(), angles.sin()], 1)
    waves, lengths, *_ = batch(0.3, 1.5, speakers=(0, 1))
    torch.testing.assert_close(task.recognizer.classify(waves[:, 0], lengths[:, 0]), (10 * cosines).log_softmax(1))
    torch.testing.assert_close(task.recognizer.embed(waves[:, 0], lengths[:, 0]), cosines)


def test_the_margin_is_an_angle_that_the_own_class_is_further_away() -> None:
    losses = directed([]).loss(batch(0.3, 0.4, speakers=(0, 1)))  # the second is taken for the other speaker
    rights = [math.cos(0.3 + 0.2), math.cos(math.pi / 2 - 0.4 + 0.2)]
    wrongs = [math.sin(0.3), math.cos(0.4)]
    expected = [math.log(1 + math.exp(10 * (wrong - right))) for right, wrong in zip(rights, wrongs, strict=True)]
    assert float(losses["loss"]) == pytest.approx(sum(expected) / 2, rel=1e-4)
    assert float(losses["accuracy"]) == 0.5


def test_test_speakers_train_their_classes_and_not_the_embeddings() -> None:
    def gradients(test_speakers: list[str], speakers: tuple[int, ...]) -> tuple[float, float]:
        task = directed(test_speakers)
        task.loss(batch(*[0.7] * len(speakers), speakers=speakers))["loss"].backward()
        grads = (task.recognizer.network.turn.grad, task.recognizer.classes.weight.grad)  # type: ignore[union-attr]
        return tuple(float(grad.abs().sum()) for grad in grads)  # type: ignore[return-value]

    embedding, classes = gradients(["b"], (1,))
    assert (embedding, classes > 0) == (0, True)
    assert min(gradients(["b"], (0,))) > 0  # the own class of a train speaker counts
    assert gradients([], (0,))[0] > gradients(["b"], (0,))[0]  # but not that of a test speaker
    assert min(gradients([], (1,))) > 0


def test_validation_counts_known_speakers_and_pairs_of_unseen_ones_over_all_batches() -> None:
    task = directed(["b"]).eval()
    task.validation_step(batch(0.1, 0.2, 1.4, speakers=(0, 0, 0)))  # train speaker: no pairs
    task.validation_step(batch(0.1, 0.2, speakers=(2, 3)))  # no classes, and a pair of two that lies near
    task.validation_step(batch(1.5, 0.3, 1.3, 0.8, speakers=(1, 2, 2, 2)))
    assert float(task.accuracy.compute()) == pytest.approx(3 / 4)
    angles = torch.tensor([0.1, 1.2, 0.2, 0.7, 1.0, 0.5, 0.5])
    same = torch.tensor([False, False, False, False, True, True, True])
    expected = equal_error_rate(angles.cos(), same)
    assert 0.2 < expected < 0.8
    assert float(task.equal_error_rate.compute()) == pytest.approx(expected, abs=0.01)
    task.equal_error_rate.reset()
    task.validation_step(batch(0.0, 0.001, 2.0, 2.001, speakers=(2, 2, 3, 3)))
    assert float(task.equal_error_rate.compute()) == 0


def test_speaker_recognition_by_recipe(tiny_run: TinyRun, tmp_path: Path) -> None:
    cli = speaker_recognition.main(tiny_run.recognition_flags(tmp_path))
    assert cli.trainer.global_step == 2
    for name in ("accuracy", "equal_error_rate"):
        measured = logged(tmp_path, f"val/{name}")
        assert len(measured) == 2
        assert all(0 <= value <= 1 for value in measured)
    recognition = Recognition.load(str(tmp_path / "last.ckpt"))
    assert recognition.network.speakers == sorted(entry.id for entry in tiny_run.index.speakers_of("train", "test"))
    test = [entry.id for entry in tiny_run.index.speakers_of("test")]
    assert cli.model.trained.tolist() == [speaker not in test for speaker in recognition.network.speakers]
    assert recognition.training_ids == {sample.id for sample in cli.datamodule.training_samples} != set()
    out = tmp_path / "test"
    checkpoint = ["--ckpt_path", str(tmp_path / "last.ckpt")]
    speaker_recognition.main([*tiny_run.recognition_flags(out, "test"), *checkpoint])
    (measured,) = metrics(out)
    assert 0 <= measured["test/accuracy"] <= 1
