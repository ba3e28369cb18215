from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lightning_vc import Voice


def test_a_file_that_is_no_voice(tmp_path: Path) -> None:
    path = tmp_path / "voice.safetensors"
    with pytest.raises(FileNotFoundError, match=r"no voice at .*voice\.safetensors: make one with .*recipes\.clone"):
        Voice.load(path)
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"voice\.safetensors is not a voice"):
        Voice.load(path)
    save_file({"vector": torch.zeros(8)}, path)
    with pytest.raises(ValueError, match=r"voice\.safetensors is a safetensors file, but not a voice"):
        Voice.load(path)
