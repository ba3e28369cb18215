import pytest
import torch
from torch import Tensor

from lightning_vc.audio.augmentation import Augmentation, coloured_noise


@pytest.fixture
def waves() -> Tensor:
    """Eight clips of a second of different tones, all within the band of a telephone, two of them shorter."""
    time = torch.arange(16000) / 16000
    tones = 0.1 * torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in range(400, 2000, 200)])
    tones[:2, 8000:] = 0
    return tones


LENGTHS = torch.tensor([8000, 8000, 16000, 16000, 16000, 16000, 16000, 16000])


def only(**share: float) -> Augmentation:
    return Augmentation(**{"reverberation": 0.0, "noise": 0.0, "phone": 0.0, **share})


def test_nothing_asked_for_is_nothing_done(waves: Tensor) -> None:
    assert only()(waves, LENGTHS).equal(waves)


@pytest.mark.parametrize("name", ["reverberation", "noise", "phone"])
def test_each_changes_its_share_and_keeps_length_and_loudness(waves: Tensor, name: str) -> None:
    torch.manual_seed(0)
    for _ in range(5):
        changed = only(**{name: 1.0})(waves, LENGTHS)
        assert changed.shape == waves.shape
        assert changed.isfinite().all()
        assert (changed[:2, 8000:] == 0).all()
        assert all(not now.equal(before) for now, before in zip(changed, waves, strict=True))
        ratio = changed.square().mean(1) / waves.square().mean(1)
        assert ((ratio > 0.2) & (ratio < 5)).all()
    changed = torch.cat([only(**{name: 0.25})(waves, LENGTHS) != waves for _ in range(40)]).any(1)
    assert 0.15 < changed.float().mean() < 0.35


def test_noise_is_as_loud_as_asked(waves: Tensor) -> None:
    torch.manual_seed(0)
    noisy = Augmentation(reverberation=0, noise=1, phone=0, snr=(10.0, 10.0))(waves[2:], LENGTHS[2:])
    for before, now in zip(waves[2:], noisy, strict=True):
        voice = before * (now @ before) / (before @ before)
        snr = 10 * torch.log10(voice.square().mean() / (now - voice).square().mean())
        assert snr == pytest.approx(10, abs=1)


def test_a_telephone_lets_no_high_or_low_tone_through() -> None:
    time = torch.arange(16000) / 16000
    tones = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (100.0, 1000.0, 5000.0)])
    loudness = only(phone=1.0)(tones, torch.full((3,), 16000)).square().mean(1).sqrt()
    assert loudness.tolist() == pytest.approx([0, 0.7071, 0], abs=1e-3)


def test_a_room_goes_on_behind_a_clap() -> None:
    clap = torch.zeros(2, 16000)
    clap[:, 1000] = 1.0
    torch.manual_seed(0)
    heard = only(reverberation=1.0)(clap, torch.full((2,), 16000)).abs()
    assert heard[:, :1000].max() < 1e-3
    assert (heard[:, 1001:3000] > 1e-3).any(1).all()
    assert heard[:, 1001:2600].mean() > 10 * heard[:, -1600:].mean()


def test_noises_differ_in_colour() -> None:
    torch.manual_seed(0)
    spectrum = torch.fft.rfft(coloured_noise(torch.zeros(64, 16000))).abs().square()
    ratio = spectrum[:, 100:1000].mean(1) / spectrum[:, 5000:8000].mean(1)
    assert ratio.min() < 5
    assert ratio.max() > 50


@pytest.mark.parametrize(
    ("options", "message"), [({"noise": 1.5}, "noise is the share"), ({"snr": (9.0, 3.0)}, "snr must be the least")]
)
def test_what_cannot_be(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)
