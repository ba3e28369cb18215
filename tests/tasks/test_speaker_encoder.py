import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_vc.audio.features import Spectrograms
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.types import CloningBatch
from tests.tiny import TinyRun


class Parrot(SpeakerEncoder):
    """Answers what it was told to answer, and keeps what it was asked."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(answer)

    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        self.mels, self.mask = mels, mask
        return self.answer


def task_that_answers(answer: Tensor, run: TinyRun, speakers: list[str] | None = None) -> SpeakerEncoderTask:
    spectrograms = Spectrograms(sample_rate=16000, n_fft=512, window=400, hop=200, n_mels=10)
    return SpeakerEncoderTask(Parrot(answer), spectrograms, str(run.tts), speakers or run.index.speaker_table)


@pytest.fixture(scope="module")
def voices(tiny_run: TinyRun) -> Tensor:
    return TTSTask.load(tiny_run.tts).table.voices.detach()


def batch(*speakers: int) -> CloningBatch:
    """Three clips of each of these speakers."""
    shape = (len(speakers), 3)
    ids = [["a", "b", "c"] for _ in speakers]
    return CloningBatch(torch.randn(*shape, 2000), torch.full(shape, 2000), torch.tensor(speakers), ids)


def losses(answer: Tensor, run: TinyRun, *speakers: int) -> dict[str, float]:
    task = task_that_answers(answer, run)
    task.setup("fit")
    return {name: float(value) for name, value in task.loss(batch(*speakers)).items()}


def test_the_right_answer(tiny_run: TinyRun, voices: Tensor) -> None:
    terms = losses(voices.clone(), tiny_run, *range(len(voices)))
    assert terms.keys() == {"loss", "error", "baseline", "spread"}
    assert terms["loss"] == pytest.approx(0, abs=1e-7)
    assert terms["spread"] == pytest.approx(1)
    assert terms["baseline"] == pytest.approx(float((voices - voices.mean(0)).abs().mean()))


def test_a_collapse_is_visible(tiny_run: TinyRun, voices: Tensor) -> None:
    terms = losses(voices.mean(0).expand(len(voices), -1), tiny_run, *range(len(voices)))
    assert terms["spread"] == pytest.approx(0, abs=1e-6)
    assert terms["loss"] == pytest.approx(terms["baseline"])


def test_the_error_by_hand(tiny_run: TinyRun, voices: Tensor) -> None:
    terms = losses(torch.zeros(2, voices.shape[1]), tiny_run, 3, 1)
    assert terms["loss"] == pytest.approx(float(voices[[3, 1]].abs().mean()))


@pytest.mark.parametrize("speakers", [(2,), (2, 2)])
def test_one_speaker_in_a_batch_is_no_nan(tiny_run: TinyRun, voices: Tensor, speakers: tuple[int, ...]) -> None:
    terms = losses(torch.randn(len(speakers), voices.shape[1]), tiny_run, *speakers)
    assert all(0 <= value < 1e4 for value in terms.values())


def test_clips_are_heard_as_long_as_they_are(tiny_run: TinyRun, voices: Tensor) -> None:
    task = task_that_answers(voices[:2].clone(), tiny_run)
    heard = batch(0, 1)
    lengths = heard.lengths.clone()
    lengths[1, 2] = 600
    task(heard.waves, lengths)
    parrot = task.encoder
    assert isinstance(parrot, Parrot)
    assert parrot.mels.shape == (2, 3, 11, 10)
    assert parrot.mask.sum(2).tolist() == [[11, 11, 11], [11, 11, 4]]


def test_the_voices_are_frozen_and_belong_to_the_base(tiny_run: TinyRun, voices: Tensor) -> None:
    task = task_that_answers(voices.clone(), tiny_run)
    task.setup("fit")
    assert task.voices.equal(voices)
    assert not task.voices.requires_grad
    assert {name for name, _ in task.named_parameters()} == {"encoder.answer"}
    assert "voices" not in task.state_dict()
    assert task.base_fingerprint == TTSTask.load(tiny_run.tts).fingerprint()


def test_the_base_must_know_the_speakers_of_the_data(tiny_run: TinyRun, voices: Tensor) -> None:
    task = task_that_answers(voices, tiny_run, ["ann", "bob"])
    with pytest.raises(
        ValueError, match=r"has learned other speakers \(.* only in the .*\): train .* that the base model was"
    ):
        task.setup("fit")


def test_the_base_must_be_there_when_training_starts_but_not_when_the_encoder_is_used(
    tiny_run: TinyRun, tmp_path: Path
) -> None:
    saved = torch.load(tiny_run.encoder, weights_only=True)
    saved["hyper_parameters"]["base"] = str(tmp_path / "gone.ckpt")
    torch.save(saved, tmp_path / "encoder.ckpt")
    task = SpeakerEncoderTask.load(tmp_path / "encoder.ckpt")
    assert task(torch.randn(1, 2, 4000), torch.tensor([[4000, 3000]])).shape == (1, 8)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*gone\.ckpt"):
        task.setup("fit")


class Listening(SpeakerEncoder):
    """Answers with the mean of all that it hears times what it is given, (E,)."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(scale.clone())

    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        weight = mask.unsqueeze(-1)
        mean = (mels * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3))
        return mean[:, None] * self.scale


def listening(run: TinyRun, voices: Tensor, **options: Any) -> SpeakerEncoderTask:
    spectrograms = Spectrograms(sample_rate=16000, n_fft=512, window=400, hop=200, n_mels=10)
    encoder = Listening(0.5 * voices.std(0))
    task = SpeakerEncoderTask(encoder, spectrograms, str(run.tts), run.index.speaker_table, **options)
    task.setup("fit")
    return task


def loud(*loudness: float, speakers: tuple[int, ...]) -> CloningBatch:
    """Three clips of each speaker, of noise as loud as this."""
    torch.manual_seed(0)
    waves = torch.randn(len(speakers), 3, 4000) * torch.tensor(loudness)[:, None, None]
    shape = (len(speakers), 3)
    return CloningBatch(waves, torch.full(shape, 4000), torch.tensor(speakers), [["a", "b", "c"]] * len(speakers))


def test_verification_wants_the_clips_of_a_speaker_together(tiny_run: TinyRun, voices: Tensor) -> None:
    task = listening(tiny_run, voices, verification=0.5)
    apart = task.loss(loud(1.0, 0.001, speakers=(0, 1)))
    assert float(apart["verification"]) < 0.01
    assert float(apart["loss"]) == pytest.approx(float(apart["error"] + 0.5 * apart["verification"]))
    alike = float(task.loss(loud(0.1, 0.1, speakers=(0, 1)))["verification"])
    assert alike == pytest.approx(math.log(2), abs=0.1)
    assert float(task.loss(loud(0.1, 0.1, speakers=(1, 1)))["verification"]) == pytest.approx(0, abs=1e-6)
    mixed = loud(1.0, 0.001, speakers=(0, 1))
    swapped = mixed._replace(waves=torch.cat([mixed.waves[:, :1], mixed.waves.flip(0)[:, 1:]], 1))
    assert float(task.loss(swapped)["verification"]) > 10


def test_one_clip_has_nothing_to_be_compared_with(tiny_run: TinyRun, voices: Tensor) -> None:
    alone = loud(1.0, 0.1, speakers=(0, 1))
    alone = alone._replace(waves=alone.waves[:, :1], lengths=alone.lengths[:, :1])
    assert "verification" not in listening(tiny_run, voices, verification=1.0).loss(alone)


def test_clips_are_changed_in_training_alone(tiny_run: TinyRun, voices: Tensor) -> None:
    class Silence(torch.nn.Module):
        def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
            assert (waves.shape, lengths.shape) == ((2, 3, 4000), (2, 3))
            return waves * 0

    task = listening(tiny_run, voices, augmentation=Silence())
    plain = listening(tiny_run, voices)
    clips = loud(1.0, 0.1, speakers=(0, 1))
    silent = float(plain.loss(clips._replace(waves=clips.waves * 0))["error"])
    assert float(task.train().loss(clips)["error"]) == pytest.approx(silent)
    assert float(task.eval().loss(clips)["error"]) == pytest.approx(float(plain.loss(clips)["error"]))
    assert silent != pytest.approx(float(plain.loss(clips)["error"]))


def test_the_rank_of_the_right_voice(tiny_run: TinyRun, voices: Tensor) -> None:
    task = task_that_answers(voices[[0, 1]].clone(), tiny_run).eval()
    task.setup("fit")
    assert float(task.loss(batch(0, 1))["rank"]) == 1
    assert float(task.loss(batch(1, 0))["rank"]) > 1
    assert "rank" not in task.train().loss(batch(0, 1))
