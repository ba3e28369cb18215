import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from lightning_vc.speech import Speech
from lightning_vc.types import Spectra

WAVE = torch.linspace(-0.5, 0.5, 800)


@pytest.fixture
def speech() -> Speech:
    return Speech(WAVE, 16000, '"Yes" & <b>no</b>', Spectra(torch.zeros(1, 4, 2), torch.zeros(1, 4, 3)), (), (), True)


def test_its_samples_its_duration_and_its_file(speech: Speech, tmp_path: Path) -> None:
    assert speech.duration == 0.05
    assert speech.samples.dtype == np.float32
    assert np.array_equal(speech.samples, WAVE.numpy())
    speech.save(tmp_path / "new" / "a.wav")
    samples, rate = soundfile.read(tmp_path / "new" / "a.wav", dtype="float32")
    assert rate == 16000
    assert np.allclose(samples, speech.samples, atol=1e-4)
    with pytest.raises(ValueError, match=r"cannot write audio as '\.doc'"):
        speech.save(tmp_path / "a.doc")


def test_a_session_shows_one_line(speech: Speech) -> None:
    assert repr(speech) == """<Speech of 0.05 s at 16000 Hz, text '"Yes" & <b>no</b>'>"""


def test_a_notebook_shows_a_player(speech: Speech) -> None:
    shown = speech._repr_html_()
    assert '<audio controls title="&quot;Yes&quot; &amp; &lt;b&gt;no&lt;/b&gt;"' in shown
    [sound] = re.findall(r'src="data:audio/wav;base64,([^"]+)"', shown)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(sound)), dtype="float32")
    assert rate == 16000
    assert np.allclose(samples, speech.samples, atol=1e-4)
