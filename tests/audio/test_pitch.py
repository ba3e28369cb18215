import math

import pytest
import torch

from lightning_vc.audio.pitch import pitch


@pytest.mark.parametrize("hertz", [90.0, 210.0])
def test_the_pitch_of_a_voice_and_none_of_silence(hertz: float) -> None:
    time = torch.arange(16000) / 16000
    voice = sum(torch.sin(2 * math.pi * hertz * overtone * time) / overtone for overtone in range(1, 6))
    heard = pitch(torch.cat([voice, voice / 1000]), 16000)
    assert len(heard) == 200
    assert float(heard[5:80].nanmedian()) == pytest.approx(hertz, rel=0.03)
    assert heard[110:].isnan().all()  # the quieter half
