"""ONNX graphs of the shipped model compute what PyTorch does, for inputs of other sizes than those of the export."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_vc import onnx_export
from lightning_vc.pretrained import load_folder, shipped
from lightning_vc.recipes import export
from lightning_vc.text.normalize import normalize


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_exported_graphs_agree_with_pytorch(tmp_path: Path) -> None:
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name, reason="pip install 'lightning_vc[onnx]'")
    runtime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
    export.main(["--model", str(shipped()), "--out", str(tmp_path), "--onnx"])
    models = load_folder(tmp_path)
    tts, encoder, vocoder = models["tts"].eval(), models["encoder"].eval(), models["vocoder"].eval()

    def run(name: str, **inputs: Tensor) -> list[Tensor]:
        session = runtime.InferenceSession(tmp_path / f"{name}.onnx")
        values: list[Any] = session.run(None, {key: value.numpy() for key, value in inputs.items()})
        return [torch.from_numpy(np.asarray(value)) for value in values]

    rate = tts.spectrograms.sample_rate
    generator = torch.Generator().manual_seed(0)
    waves = 0.1 * torch.randn(1, 2, 3 * rate, generator=generator)
    lengths = torch.tensor([[3 * rate, rate]])
    with torch.no_grad():
        speaker = encoder.predict(waves, lengths, tts.table.weight)
        (embedding,) = run("encoder", waves=waves, lengths=lengths)
        torch.testing.assert_close(embedding, speaker, rtol=1e-3, atol=1e-4)

        text = torch.tensor([tts.frontend(normalize("The quiet farmer painted nine golden boats."))])
        wanted = tts.model.synthesize(text, speaker).spectra
        names = ("values", "prosody", "pitch", "ends")
        symbols = dict(zip(names, run("symbols", text=text, speaker=speaker), strict=True))
        times = torch.arange(int(symbols["ends"][0, -1]))
        mel, linear = run("frames", **symbols, times=times, speaker=speaker)
        torch.testing.assert_close(mel, wanted.mel, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(linear, wanted.linear, rtol=1e-3, atol=1e-3)

        (vocoded,) = run("vocoder", linear_spectrogram=linear)
        torch.testing.assert_close(vocoded, vocoder.linear(tts.spectrograms.mel_of(linear)), rtol=1e-3, atol=1e-3)


def test_what_has_no_graph_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tts = load_folder(shipped())["tts"]
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"lightning_vc\[onnx\]"):
        onnx_export.export_onnx(tmp_path, tts)
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, object())
    with pytest.raises(ValueError, match="ONNX graphs are made of ConvFastPitch, not of Linear"):
        onnx_export.export_onnx(tmp_path, tts.with_model(torch.nn.Linear(1, 1)))
