import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_vc.audio.features import Spectrograms
from lightning_vc.checkpoint import fingerprint, load_model
from lightning_vc.modules.speaker_encoder import ConvAttentionEncoder, SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.types import CloningBatch
from tests.tiny import TinyRun


class Parrot(SpeakerEncoder):
    """Answers what it was told to answer."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(answer)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        return self.answer


@pytest.fixture(scope="module")
def tts(tiny_run: TinyRun) -> TTSModel:
    return load_model(tiny_run.tts, TTSModel)


@pytest.fixture(scope="module")
def voices(tts: TTSModel) -> Tensor:
    return tts.table.weight.detach()


def batch(*speakers: int) -> CloningBatch:
    """Three clips of each of these speakers."""
    shape = (len(speakers), 3)
    ids = [["a", "b", "c"] for _ in speakers]
    return CloningBatch(torch.randn(*shape, 2000), torch.full(shape, 2000), torch.tensor(speakers), ids)


def losses(answer: Tensor, tts: TTSModel, *speakers: int) -> dict[str, float]:
    task = SpeakerEncoderTask(Parrot(answer), tts)
    return {name: float(value) for name, value in task.loss(batch(*speakers)).items()}


def test_the_right_answer(tts: TTSModel, voices: Tensor) -> None:
    terms = losses(voices.clone(), tts, *range(len(voices)))
    assert terms.keys() == {"loss", "error", "baseline", "spread"}
    assert terms["loss"] == pytest.approx(0, abs=1e-7)
    assert terms["spread"] == pytest.approx(1)
    assert terms["baseline"] == pytest.approx(float((voices - voices.mean(0)).abs().mean()))


def test_a_collapse_is_visible(tts: TTSModel, voices: Tensor) -> None:
    terms = losses(voices.mean(0).expand(len(voices), -1), tts, *range(len(voices)))
    assert terms["spread"] == pytest.approx(0, abs=1e-6)
    assert terms["loss"] == pytest.approx(terms["baseline"])


def test_the_error_by_hand(tts: TTSModel, voices: Tensor) -> None:
    terms = losses(torch.zeros(2, voices.shape[1]), tts, 3, 1)
    assert terms["loss"] == pytest.approx(float(voices[[3, 1]].abs().mean()))


@pytest.mark.parametrize("speakers", [(2,), (2, 2)])
def test_one_speaker_in_a_batch_is_no_nan(tts: TTSModel, voices: Tensor, speakers: tuple[int, ...]) -> None:
    terms = losses(torch.randn(len(speakers), voices.shape[1]), tts, *speakers)
    assert all(0 <= value < 1e4 for value in terms.values())


def test_clips_are_heard_as_long_as_they_are(tts: TTSModel, voices: Tensor) -> None:
    spectrograms = Spectrograms(sample_rate=16000, n_fft=512, window=400, hop=200, n_mels=10)
    encoder = ConvAttentionEncoder(spectrograms, 8, channels=16, attention=16)
    result, seen = batch(0, 1), []
    encoder.prenet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    lengths = result.lengths.clone()
    lengths[1, 2] = 600
    short = result.waves.clone()
    short[1, 2, 1000:] = 0  # longer than a window behind its end
    with torch.no_grad():
        torch.testing.assert_close(encoder(result.waves, lengths)[0], encoder(short, lengths)[0])
        loud = short.clone()
        loud[1, 2, 1000:] = 0.5
        torch.testing.assert_close(encoder(loud, lengths), encoder(short, lengths))
    assert seen[0] == (6, 11, 10)


def test_the_voices_are_frozen_and_belong_to_the_base(tts: TTSModel, voices: Tensor) -> None:
    task = SpeakerEncoderTask(Parrot(voices.clone()), tts)
    assert task.embeddings.equal(voices)
    assert not task.embeddings.requires_grad
    assert {name for name, _ in task.named_parameters()} == {"encoder.answer"}
    assert "embeddings" not in task.state_dict()
    assert task.encoder.tts_fingerprint == fingerprint(tts)


def data_of(speakers: list[str]) -> Any:
    return SimpleNamespace(datamodule=SimpleNamespace(speakers=speakers))


def test_the_base_must_know_the_speakers_of_the_data(tts: TTSModel, voices: Tensor) -> None:
    task = SpeakerEncoderTask(Parrot(voices[:1].clone()), tts)
    task._trainer = data_of(tts.speakers)
    task.setup("fit")
    task._trainer = data_of(["ann", "bob"])
    with pytest.raises(ValueError, match=r"has other speakers .* only in the .*give the shards"):
        task.setup("fit")


def test_an_encoder_of_other_sizes_is_refused(tts: TTSModel, voices: Tensor) -> None:
    task = SpeakerEncoderTask(Parrot(torch.zeros(1, 3)), tts)
    task._trainer = data_of(tts.speakers)
    with pytest.raises(ValueError, match="have 8 numbers, Parrot predicts 3: give both the same speaker_dim"):
        task.setup("fit")


@pytest.mark.parametrize("gain", [0.0, -1.0, math.nan, math.inf, 1e30])
def test_the_gain_of_an_encoder_is_checked(gain: float) -> None:
    with pytest.raises(ValueError, match="embedding_gain is a factor above 0, up to 100"):
        ConvAttentionEncoder(Spectrograms(), embedding_gain=gain)
    encoder = ConvAttentionEncoder(Spectrograms(), speaker_dim=3, channels=8, attention=8)
    encoder.embedding_gain.fill_(gain)  # as a file may have it, in which it is a weight
    with pytest.raises(ValueError, match="embedding_gain is a factor above 0, up to 100"):
        encoder.predict(torch.zeros(1, 1, 4000), torch.tensor([[4000]]), torch.zeros(2, 3))


class Listening(SpeakerEncoder):
    """Answers with the mean of all that it hears times what it is given, (E,)."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(scale.clone())
        self.spectrograms = Spectrograms(sample_rate=16000, n_fft=512, window=400, hop=200, n_mels=10)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        mels = self.spectrograms.mel(waves)
        return mels.mean((1, 2)).sum(-1, keepdim=True) * self.scale


def listening(tts: TTSModel, voices: Tensor, **options: Any) -> SpeakerEncoderTask:
    return SpeakerEncoderTask(Listening(0.5 * voices.std(0)), tts, **options)


def loud(*loudness: float, speakers: tuple[int, ...]) -> CloningBatch:
    """Three clips of each speaker, of noise as loud as this."""
    torch.manual_seed(0)
    waves = torch.randn(len(speakers), 3, 4000) * torch.tensor(loudness)[:, None, None]
    shape = (len(speakers), 3)
    return CloningBatch(waves, torch.full(shape, 4000), torch.tensor(speakers), [["a", "b", "c"]] * len(speakers))


def test_the_verification_loss_is_low_if_clips_of_a_speaker_are_close(tts: TTSModel, voices: Tensor) -> None:
    task = listening(tts, voices, verification=0.5)
    apart = task.loss(loud(1.0, 0.001, speakers=(0, 1)))
    assert float(apart["verification"]) < 0.01
    assert float(apart["loss"]) == pytest.approx(float(apart["error"] + 0.5 * apart["verification"]))
    alike = float(task.loss(loud(0.1, 0.1, speakers=(0, 1)))["verification"])
    assert alike == pytest.approx(math.log(2), abs=0.1)
    assert float(task.loss(loud(0.1, 0.1, speakers=(1, 1)))["verification"]) == pytest.approx(0, abs=1e-6)
    mixed = loud(1.0, 0.001, speakers=(0, 1))
    swapped = mixed._replace(waves=torch.cat([mixed.waves[:, :1], mixed.waves.flip(0)[:, 1:]], 1))
    assert float(task.loss(swapped)["verification"]) > 10


def test_one_clip_has_nothing_to_be_compared_with(tts: TTSModel, voices: Tensor) -> None:
    alone = loud(1.0, 0.1, speakers=(0, 1))
    alone = alone._replace(waves=alone.waves[:, :1], lengths=alone.lengths[:, :1])
    assert "verification" not in listening(tts, voices, verification=1.0).loss(alone)


def test_clips_are_changed_in_training_alone(tts: TTSModel, voices: Tensor) -> None:
    class Silence(torch.nn.Module):
        def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
            assert (waves.shape, lengths.shape) == ((2, 3, 4000), (2, 3))
            return waves * 0

    task = listening(tts, voices, augmentation=Silence())
    plain = listening(tts, voices)
    clips = loud(1.0, 0.1, speakers=(0, 1))
    silent = float(plain.loss(clips._replace(waves=clips.waves * 0))["error"])
    assert float(task.train().loss(clips)["error"]) == pytest.approx(silent)
    assert float(task.eval().loss(clips)["error"]) == pytest.approx(float(plain.loss(clips)["error"]))
    assert silent != pytest.approx(float(plain.loss(clips)["error"]))


def test_the_rank_of_the_right_voice(tts: TTSModel, voices: Tensor) -> None:
    task = SpeakerEncoderTask(Parrot(voices[[0, 1]].clone()), tts).eval()
    assert float(task.loss(batch(0, 1))["rank"]) == 1
    assert float(task.loss(batch(1, 0))["rank"]) > 1
    assert "rank" not in task.train().loss(batch(0, 1))
