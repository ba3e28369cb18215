import os
import runpy
import sys

import pytest
import torch

from lightning_vc.audio import backend

IMPORTS_EXTENSION = "from . import _extension\n"


@pytest.fixture
def import_with(tmp_path, monkeypatch):
    """Run the backend beside a torchaudio made of the given files, then forget that one again."""

    def is_torchaudio(name):
        return name.split(".")[0] == "torchaudio"

    loaded = {name: module for name, module in sys.modules.items() if is_torchaudio(name)}

    def run(**files):
        package = tmp_path / "torchaudio"
        package.mkdir()
        for name, source in files.items():
            (package / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        for name in loaded:
            monkeypatch.delitem(sys.modules, name)
        return runpy.run_path(backend.__file__)["torchaudio"]

    yield run
    for name in [name for name in sys.modules if is_torchaudio(name)]:
        del sys.modules[name]
    sys.modules.update(loaded)


def test_the_used_torchaudio_functions_run():
    transforms = backend.torchaudio.transforms
    wave = torch.randn(2, 4000)
    assert transforms.MelSpectrogram(16000, n_fft=512, n_mels=20)(wave).shape == (2, 20, 16)
    assert backend.torchaudio.functional.resample(wave, 16000, 8000).shape == (2, 2000)
    assert transforms.GriffinLim(n_fft=512, n_iter=2)(torch.rand(2, 257, 16)).shape == (2, 3840)


def test_speechbrain_is_kept_from_switching_tf32_on():
    assert "allow_tf32" in os.environ["SB_DISABLE_QUIRKS"]


def test_a_choice_of_the_user_for_speechbrain_stays(monkeypatch):
    monkeypatch.setenv("SB_DISABLE_QUIRKS", "disable_jit_profiling")
    runpy.run_path(backend.__file__)
    assert os.environ["SB_DISABLE_QUIRKS"] == "disable_jit_profiling"


def test_a_torchaudio_that_loads_is_left_alone(import_with):
    torchaudio = import_with(__init__=IMPORTS_EXTENSION, _extension="mine = True\n")
    assert torchaudio._extension.mine


@pytest.mark.parametrize(
    "error", ["OSError('libc10_cuda.so: cannot open')", "RuntimeError('PyTorch has CUDA version 13.2')"]
)
def test_a_torchaudio_whose_extension_fails_gets_an_empty_one(import_with, error):
    init = IMPORTS_EXTENSION + "available = _extension._IS_TORCHAUDIO_EXT_AVAILABLE\n"
    torchaudio = import_with(__init__=init, _extension=f"raise {error}\n")
    assert torchaudio.available is False
    assert sys.modules["torchaudio"] is torchaudio
    needs_alignment = sys.modules["torchaudio._extension"].fail_if_no_align(lambda: None)
    with pytest.raises(RuntimeError, match="forced alignment and the CTC decoder need builds of torch and torchaudio"):
        needs_alignment()


def test_the_check_of_the_cuda_version_is_empty_too(import_with):
    checks = "def _check_cuda_version():\n    raise RuntimeError('CUDA 13.2 and 13.0')\n"
    init = IMPORTS_EXTENSION + "_extension._check_cuda_version()\nworks = True\n"
    assert import_with(__init__=init, _extension=checks).works


def test_a_torchaudio_that_is_broken_otherwise_says_so(import_with):
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_with(__init__="import no_such_module\n")
