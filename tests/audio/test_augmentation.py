import pytest
import torch
from torch import Tensor

from lightning_vc.audio.augmentation import Augmentation, babble_noise, coloured_noise


@pytest.fixture
def waves() -> Tensor:
    """Two clips of each of four speakers: different tones within the band of a telephone, the first two shorter."""
    time = torch.arange(16000) / 16000
    tones = 0.1 * torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in range(400, 2000, 200)])
    tones[0, 8000:], tones[1, 4000:] = 0, 0
    return tones.view(4, 2, 16000)


LENGTHS = torch.tensor([[8000, 4000], [16000, 16000], [16000, 16000], [16000, 16000]])


def only(**share: float) -> Augmentation:
    return Augmentation(**{"reverberation": 0.0, "noise": 0.0, "telephone": 0.0, **share})


def test_nothing_asked_for_is_nothing_done(waves: Tensor) -> None:
    assert only()(waves, LENGTHS).equal(waves)


@pytest.mark.parametrize("name", ["reverberation", "noise", "telephone"])
def test_each_changes_its_share_and_keeps_length_and_loudness(waves: Tensor, name: str) -> None:
    torch.manual_seed(0)
    for _ in range(5):
        changed = only(**{name: 1.0})(waves, LENGTHS)
        assert changed.shape == waves.shape
        assert changed.isfinite().all()
        assert (changed[0, 0, 8000:] == 0).all()
        assert (changed[0, 1, 4000:] == 0).all()
        assert all(not now.equal(before) for now, before in zip(changed.view(8, -1), waves.view(8, -1), strict=True))
        ratio = changed.square().mean(2) / waves.square().mean(2)
        assert ((ratio > 0.2) & (ratio < 5)).all()
    changed = torch.cat([only(**{name: 0.25})(waves, LENGTHS) != waves for _ in range(40)]).any(2)
    assert 0.15 < changed.float().mean() < 0.35


def test_noise_is_as_loud_as_asked_however_long_the_clip(waves: Tensor) -> None:
    torch.manual_seed(0)
    alone = waves[:1]  # of one speaker: there is nobody else who could talk behind, so it is coloured noise
    noisy = Augmentation(reverberation=0, noise=1, telephone=0, snr=(10.0, 10.0))
    for clips, lengths in [(waves, LENGTHS), *[(alone, LENGTHS[:1])] * 5]:
        for _ in range(5):
            changed = noisy(clips, lengths)
            for before, now, end in zip(clips.view(-1, 16000), changed.view(-1, 16000), lengths.flatten(), strict=True):
                voice = before * (now @ before) / (before @ before)
                snr = 10 * torch.log10(voice[:end].square().mean() / (now - voice)[:end].square().mean())
                assert snr == pytest.approx(10, abs=1)


def test_babble_is_the_sum_of_other_speakers(waves: Tensor) -> None:
    behind = babble_noise(waves).view(4, 2, 16000)
    for speaker, clips in enumerate(waves):
        others = torch.cat([waves[:speaker], waves[speaker + 1 :]]).sum(0)
        assert behind[speaker].allclose(others, atol=1e-6)
        assert abs(float((behind[speaker] * clips).sum())) < 1  # tones of other frequencies have nothing in common
    assert babble_noise(waves[:2]).view(2, 2, 16000).equal(waves[:2].flip(0))


def test_the_telephone_filter_removes_high_and_low_tones() -> None:
    time = torch.arange(16000) / 16000
    tones = torch.stack([torch.sin(2 * torch.pi * hertz * time) for hertz in (100.0, 1000.0, 5000.0)])
    loudness = only(telephone=1.0)(tones.unsqueeze(0), torch.full((1, 3), 16000))[0].square().mean(1).sqrt()
    assert loudness.tolist() == pytest.approx([0, 0.7071, 0], abs=1e-3)


def test_a_room_goes_on_behind_a_clap() -> None:
    clap = torch.zeros(1, 2, 16000)
    clap[..., 1000] = 1.0
    torch.manual_seed(0)
    result = only(reverberation=1.0)(clap, torch.full((1, 2), 16000))[0].abs()
    assert result[:, :1000].max() < 1e-3
    assert (result[:, 1001:3000] > 1e-3).any(1).all()
    assert result[:, 1001:2600].mean() > 10 * result[:, -1600:].mean()


def test_noises_differ_in_colour() -> None:
    torch.manual_seed(0)
    spectrum = torch.fft.rfft(coloured_noise(torch.zeros(64, 16000))).abs().square()
    ratio = spectrum[:, 100:1000].mean(1) / spectrum[:, 5000:8000].mean(1)
    assert ratio.min() < 5
    assert ratio.max() > 50


@pytest.mark.parametrize(
    ("options", "message"), [({"noise": 1.5}, "noise is the share"), ({"snr": (9.0, 3.0)}, "snr must be the least")]
)
def test_invalid_arguments_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


def test_silent_noise_leaves_the_clip_unchanged(waves: Tensor) -> None:
    torch.manual_seed(0)
    waves[1:] = 0
    for _ in range(8):
        changed = only(noise=1.0)(waves, LENGTHS)
        assert changed.isfinite().all()
        assert not changed[1:].any()
