"""Models as ONNX graphs, for other runtimes: speaker encoder, ConvFastPitch, and the network of the vocoder.

The number of frames of a text follows from predicted durations, so ConvFastPitch is two graphs: the first predicts each
symbol, the second each frame. Between them the caller counts: times = arange(ends[0, -1]).

    encoder.onnx   waves (1, N, W), lengths (1, N) in samples -> embedding (1, E)
    symbols.onnx   text (1, L), speaker (1, E) -> values (1, L, H), prosody (1, L, P), pitch (1, L, 2), ends (1, L)
    frames.onnx    values, prosody, pitch, ends, times (T,), speaker ->
                   mel_spectrogram (1, T, M), linear_spectrogram (1, T, F)
    vocoder.onnx   linear_spectrogram (1, T, F) -> vocoder_spectrogram (1, T, F)

Spectrograms are in the normalised decibels of `Spectrograms`. The post-filter, and Griffin-Lim, which makes the
waveform, are in no graph, because Griffin-Lim needs complex numbers and a loop over frames.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.files import atomic_write
from lightning_vc.modules.fastpitch import ConvFastPitch, SymbolPredictions
from lightning_vc.modules.inverse_mel import InverseMelVocoder
from lightning_vc.modules.speaker_encoder import SpeakerEncoder, apply_gain
from lightning_vc.modules.tts import TTSModel


def export_onnx(
    folder: str | Path, tts: TTSModel, encoder: SpeakerEncoder | None = None, vocoder: NeuralVocoder | None = None
) -> list[Path]:
    """Write the ONNX graphs of models to a folder, each with its weights in it; returns the files.

    Raises:
        ImportError: without onnx and onnxscript.
        ValueError: for an acoustic model or a vocoder that has no such graph.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError("ONNX graphs need onnx and onnxscript: pip install 'lightning_vc[onnx]'") from error
    for model, kind in ((tts.model, ConvFastPitch), (vocoder, InverseMelVocoder)):
        if model is not None and not isinstance(model, kind):
            raise ValueError(f"ONNX graphs are made of {kind.__name__}, not of {type(model).__name__}: omit --onnx")
    with torch.no_grad():
        parts = _parts(tts, encoder, vocoder)
        return [_write(Path(folder, f"{name}.onnx"), *part) for name, part in parts.items()]


def _parts(tts: TTSModel, encoder: SpeakerEncoder | None, vocoder: NeuralVocoder | None) -> dict[str, Any]:
    """Each graph: its module, example inputs by name, names of the outputs, and the axes of any size by input."""
    rate, speaker = tts.spectrograms.sample_rate, tts.table.weight[:1].detach()
    text = torch.arange(1, 13).unsqueeze(0)
    model = cast("ConvFastPitch", tts.model)
    symbols, names = model.predict_symbols(text, speaker), SymbolPredictions._fields
    frames = {**symbols._asdict(), "times": torch.arange(int(symbols.ends[0, -1])), "speaker": speaker}
    axes = {name: {1: "symbols"} for name in names} | {"times": {0: "time"}}
    parts: dict[str, Any] = {
        "symbols": (_graph(model.predict_symbols), {"text": text, "speaker": speaker}, names, {"text": {1: "symbols"}}),
        "frames": (_graph(model.render_frames), frames, ("mel_spectrogram", "linear_spectrogram"), axes),
    }
    if encoder is not None:
        clips = {"waves": torch.randn(1, 3, 2 * rate), "lengths": torch.tensor([[2 * rate, rate, rate]])}
        axes = {"waves": {1: "clips", 2: "samples"}, "lengths": {1: "clips"}}
        parts["encoder"] = (_Encoder(encoder, tts.table.weight), clips, ("embedding",), axes)
    if vocoder is not None:
        network = _Magnitudes(cast("InverseMelVocoder", vocoder))
        inputs = {"linear_spectrogram": torch.rand(1, 90, tts.spectrograms.n_bins)}
        parts["vocoder"] = (network, inputs, ("vocoder_spectrogram",), {"linear_spectrogram": {1: "time"}})
    return parts


def _write(
    path: Path, module: nn.Module, inputs: dict[str, Tensor], outputs: Sequence[str], axes: dict[str, dict[int, str]]
) -> Path:
    program = torch.onnx.export(
        module.eval(),
        tuple(inputs.values()),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamic_shapes=tuple(
            {axis: torch.export.Dim.DYNAMIC for axis in axes[name]} if name in axes else None for name in inputs
        ),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # torch.onnx.export returns None only with dynamo=False
    with atomic_write(path) as partial:
        program.save(partial)
    return path


def _graph(method: Any) -> nn.Module:
    """A method of a module as the `forward` of another, which the exporter needs."""
    module = nn.Module()
    module.model, module.forward = method.__self__, method
    return module


class _Encoder(nn.Module):
    """`SpeakerEncoder.predict` with the speaker table of its model."""

    def __init__(self, encoder: SpeakerEncoder, table: Tensor) -> None:
        super().__init__()
        self.encoder, self.gain = encoder, float(encoder.embedding_gain)
        self.mean: Tensor
        self.register_buffer("mean", table.detach().mean(0))

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        return apply_gain(self.encoder(waves, lengths), self.mean.unsqueeze(0), self.gain)


class _Magnitudes(nn.Module):
    """The spectrogram of `InverseMelVocoder`, with the pseudo-inverse of the mel filter bank as a constant."""

    def __init__(self, vocoder: InverseMelVocoder) -> None:
        super().__init__()
        self.vocoder = vocoder
        self.inverse: Tensor
        self.register_buffer("inverse", torch.linalg.pinv(vocoder.spectrograms.mel_scale.fb))

    def forward(self, linear: Tensor) -> Tensor:
        mel = self.vocoder.spectrograms.mel_of(linear)
        estimate = self.vocoder.spectrograms.linear_of(mel, inverse=self.inverse)
        return (estimate + self.vocoder.network(mel).float()).clamp(0.0, 1.2)  # not (0, 1.2): it must be two floats
