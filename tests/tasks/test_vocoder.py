from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import NO_FILTER, NeuralVocoder, invert
from lightning_vc.modules.discriminators import Discriminators
from lightning_vc.modules.inverse_mel import InverseMelVocoder
from lightning_vc.tasks.vocoder import VocoderTask
from lightning_vc.types import Spectra, WaveBatch


def small() -> Spectrograms:
    return Spectrograms(n_fft=256, window=256, hop=64, n_mels=20)


class Convolution(NeuralVocoder):
    """A network of a user's: each frame becomes the samples behind it, from two frames around it."""

    def __init__(self) -> None:
        super().__init__()
        self.spectrograms = small()
        self.layer = torch.nn.Conv1d(20, 64, 5, padding=2)

    def from_mel(self, mels: Tensor) -> Tensor:
        waves: Tensor = self.layer(mels.mT).mT.flatten(1)[:, : (mels.shape[1] - 1) * 64]
        return waves


VOCODERS: dict[str, Callable[[], Any]] = {
    "own": Convolution,
    "inverse_mel": lambda: InverseMelVocoder(small(), channels=8, layers=2, iterations=3),
}


def task_of(name: str, **options: Any) -> VocoderTask:
    torch.manual_seed(0)
    return VocoderTask(VOCODERS[name](), Discriminators(channels=2, spectral=2), **options).train()


def batch() -> WaveBatch:
    waves = 0.1 * torch.randn(2, 2048, generator=torch.Generator().manual_seed(0))
    return WaveBatch(waves, torch.full((2,), 2048), ["a", "b"])


@pytest.mark.parametrize("name", VOCODERS)
@pytest.mark.parametrize("frames", [1, 2, 33])
def test_a_hop_of_samples_comes_of_each_step(name: str, frames: int) -> None:
    vocoder: NeuralVocoder = VOCODERS[name]()
    mels = torch.rand(2, frames, 20)
    assert vocoder.from_mel(mels).shape == (2, (frames - 1) * 64)


@pytest.mark.parametrize("frames", [1, 2, 30, 128, 129, 300])
def test_pieces_joined_are_the_whole(frames: int) -> None:
    torch.manual_seed(0)
    vocoder = VOCODERS["inverse_mel"]().eval()
    spectra = Spectra(torch.rand(2, frames, 20), torch.rand(2, frames, 129))
    with torch.no_grad():
        whole, pieces = vocoder(spectra), list(vocoder.stream(spectra))
    assert len(pieces) == max(1, -(-(frames - 1) // 128))
    joined = torch.cat(pieces, 1)
    assert joined.shape == whole.shape
    torch.testing.assert_close(joined, whole, rtol=1e-4, atol=1e-5)


def test_the_untrained_vocoder_equals_griffin_lim() -> None:
    vocoder = VOCODERS["inverse_mel"]()
    made = vocoder.spectrograms
    mels = made.mel(0.3 * torch.randn(1, 4000, generator=torch.Generator().manual_seed(0)))
    with torch.no_grad():
        expected = invert(NO_FILTER(made.linear_of(mels), made), made, iterations=3)
        torch.testing.assert_close(vocoder.from_mel(mels), expected, rtol=1e-3, atol=1e-5)


def test_a_post_filter_keeps_the_level_and_works_in_pieces_too() -> None:
    vocoder = VOCODERS["inverse_mel"]().eval()
    spectra, post_filter = small()(batch().waves[:1]), PostFilter(power=1.5, denoise=4.0)
    with torch.no_grad():
        plain, sharp = vocoder(spectra), vocoder(spectra, post_filter)
        pieces = torch.cat(list(vocoder.stream(spectra, post_filter)), 1)
    assert not sharp.allclose(plain, rtol=0.1, atol=1e-3)
    assert float(sharp.square().mean()) == pytest.approx(float(plain.square().mean()), rel=0.3)
    torch.testing.assert_close(pieces, sharp, rtol=1e-4, atol=1e-5)


def test_it_hears_the_linear_spectrogram() -> None:
    vocoder = Convolution()
    linear = torch.rand(1, 9, 129)
    one, other = (vocoder(Spectra(mel, linear)) for mel in (torch.zeros(1, 9, 20), torch.ones(1, 9, 20)))
    assert one.equal(other)
    assert not one.equal(vocoder(Spectra(torch.zeros(1, 9, 20), 1 - linear)))


@pytest.mark.parametrize("name", VOCODERS)
def test_each_learns_from_its_own_losses(name: str) -> None:
    task = task_of(name)
    losses = task.loss(batch())
    losses["discriminators"].backward(retain_graph=True)
    assert all(item.grad is None for item in task.vocoder.parameters())
    gradients = [item.grad.clone() for item in task.discriminators.parameters()]
    (losses["loss"] - losses["discriminators"]).backward()  # moves the generator alone
    for before, after in zip(gradients, task.discriminators.parameters(), strict=True):
        torch.testing.assert_close(before, after.grad, rtol=1e-4, atol=1e-6)
    assert any(item.grad.abs().sum() > 0 for item in task.vocoder.parameters())


def test_discriminators_rest_at_first() -> None:
    task = task_of("own", warmup_steps=1)
    losses = task.loss(batch())
    assert {*losses} == {"loss", "spectral"}
    losses["loss"].backward()
    assert all(item.grad.abs().sum() == 0 for item in task.discriminators.parameters())


def test_it_learns_to_sound_like_the_recordings() -> None:
    task = task_of("own", warmup_steps=1000)
    optimizer = torch.optim.Adam(task.parameters(), lr=3e-3)
    first = task.loss(batch())["spectral"].item()
    for _ in range(60):
        optimizer.zero_grad()
        loss = task.loss(batch())["loss"]
        loss.backward()
        optimizer.step()
    assert task.loss(batch())["spectral"].item() < 0.7 * first
