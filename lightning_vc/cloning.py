"""Voice cloning: recordings to a voice, and text to speech with a voice."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from operator import attrgetter
from pathlib import Path
from typing import Any, cast, get_args

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.audio.vocoder import NeuralVocoder, Vocoder
from lightning_vc.checkpoint import fingerprint, layer_errors, load_model, source_of
from lightning_vc.clips import Clip, for_encoder, read_clips
from lightning_vc.console import short, warn
from lightning_vc.devices import AUTO, find_device, set_precision
from lightning_vc.modules.acoustic import check_speed
from lightning_vc.modules.low_rank import load_adapted_parameters
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel, check_spectrograms
from lightning_vc.pretrained import load_folder, pretrained_folder, shipped
from lightning_vc.speakers import find_voice, learned_voice
from lightning_vc.speech import Speech
from lightning_vc.synthesis import Synthesizer, check_length
from lightning_vc.text.normalize import normalize, unspoken
from lightning_vc.trust import trust as allow
from lightning_vc.types import Initialization
from lightning_vc.untrusted import finite
from lightning_vc.voice import Voice, check_texts

GRIFFIN_LIM = "griffin_lim"  # name on the command line
_SHOWN = 40  # characters that a warning quotes


class Cloner:
    """A trained model that clones voices and speaks with them.

    Args:
        tts: the multi-speaker acoustic model.
        encoder: the speaker encoder trained for `tts`, only needed by the method "encoder".
        vocoder: by default Griffin-Lim.

    All models are moved to the device of `tts`. Voices and speech are on the CPU. Several threads may speak at once.

    Raises:
        TypeError: for a path instead of a model.
        ValueError: for an encoder of another model, or a vocoder of other spectrograms.
    """

    def __init__(self, tts: TTSModel, encoder: SpeakerEncoder | None = None, vocoder: Vocoder | None = None) -> None:
        if not isinstance(tts, TTSModel):
            raise TypeError(f"tts is of type {type(tts).__name__}: Cloner.load takes the path of a model")
        self.tts, self.encoder, self.vocoder = tts, encoder, vocoder or tts.griffin_lim()
        self.tts_fingerprint = fingerprint(tts)
        self.sample_rate = tts.spectrograms.sample_rate
        if encoder is not None and encoder.tts_fingerprint != self.tts_fingerprint:
            raise ValueError(
                f"{source_of(encoder)} was trained for the speaker embeddings of another model than {source_of(tts)}: "
                "train it again"
            )
        if isinstance(vocoder, NeuralVocoder):
            check_spectrograms(vocoder, tts, source_of(vocoder))
        self._adapted: tuple[Voice, TTSModel] | None = None  # the last voice with adapted parameters, and its model
        self._place(tts.table.weight.device)

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        vocoder: str | Path | None = None,
        trust: Sequence[str] = (),
        device: str | torch.device = AUTO,
        dtype: torch.dtype | None = None,
    ) -> "Cloner":
        """Load the models of a run or an exported folder, or one TTS checkpoint.

        Args:
            model: a checkpoint, or a folder with tts/last.ckpt or tts.safetensors and optionally the same for encoder
                and vocoder; by default the model of `from_pretrained`.
            vocoder: "griffin_lim", or a vocoder checkpoint to use instead of that of the folder.
            trust: your top-level modules whose classes the checkpoints may name; they are imported.
            device: "cpu", "cuda", "cuda:1", or "auto": CUDA if there is a GPU, else the CPU.
            dtype: precision of the acoustic model: float32 (the default), bfloat16 or float16; encoder, vocoder and
                results stay float32. In half precision it cannot be adapted; models with attention need float32.

        Raises:
            FileNotFoundError, ValueError: for a file that is missing, damaged or of another kind, for models that do
                not belong together, and for a device or precision that is unknown or not available.
        """
        found = find_device(device)  # first, as loading takes seconds
        allow(trust)
        path = shipped() if model is None else Path(model)
        models: dict[str, Any] = load_folder(path) if path.is_dir() else {"tts": load_model(path, TTSModel)}
        if vocoder is not None:
            models["vocoder"] = None if vocoder == GRIFFIN_LIM else load_model(vocoder, NeuralVocoder)  # type: ignore[type-abstract]
        cloner = cls(**models)
        if dtype is not None:
            set_precision(cloner.tts.model, dtype, cloner.tts.model.has_attention)
        return cloner.to(found)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path = "base",
        vocoder: str | Path | None = None,
        device: str | torch.device = AUTO,
        dtype: torch.dtype | None = None,
        revision: str | None = None,
    ) -> "Cloner":
        """Load a model of the package, a folder, or the Hugging Face Hub (organisation/repository, extra `hub`).

        `name`, `revision` and errors as in `pretrained.pretrained_folder`; the rest is as in `load`.
        """
        return cls.load(pretrained_folder(name, revision), vocoder, device=device, dtype=dtype)

    def to(self, device: str | torch.device) -> "Cloner":
        """Move all models to a device, as in `load`, and return the cloner; not while a thread speaks or clones."""
        self._place(find_device(device))
        return self

    def _place(self, device: torch.device) -> None:
        for module in (self.tts, self.encoder, self.vocoder):
            if module is not None:
                module.to(device)
        self._adapted = None

    @property
    def device(self) -> torch.device:
        """The device of the models."""
        return self.tts.table.weight.device

    @property
    def speakers(self) -> list[str]:
        """Names of the training speakers, such as "ls-19", with whose learned voices the model can speak."""
        return list(self.tts.speakers)

    def speaker(self, name: str) -> Voice:
        """The learned voice of a training speaker; raises ValueError for an unknown one, naming similar names."""
        return learned_voice(self.tts, self.tts_fingerprint, name)

    @property
    def methods(self) -> list[str]:
        """Names of the cloning methods that this model supports."""
        from lightning_vc.adaptation import METHODS

        return ["encoder", *METHODS] if self.encoder else list(METHODS)

    def check(self, text: str, speed: float = 1.0) -> None:
        """Raise ValueError for a text or a speed that this model cannot speak."""
        check_length(text)
        check_speed(speed, self.tts.model)
        self.tts.frontend(normalize(text))

    def clone(
        self,
        clips: Sequence[Clip],
        method: str = "encoder",
        transcripts: Sequence[str] | None = None,
        steps: int | None = None,
        init: str | None = None,
        consent: str = "",
        progress: bool | Callable[[int, int], None] = False,
        sample_rate: int | None = None,
    ) -> Voice:
        """Clone the voice of a speaker from recordings (any format that soundfile reads, any sample rate).

        Not thread-safe: adaptation seeds the random generator of the process, so clone in one thread at a time.

        Args:
            clips: paths of sound files, open binary files, (samples, sample rate) tuples, or arrays and tensors of
                samples, which are (W,), (W, channels) or (channels, W).
            method: "encoder" (needs no transcripts), "embedding" or "whole_model" (section 3), "low_rank", or the
                import path of an `AdaptationTask`.
            transcripts: one per clip; required by adaptation.
            steps: training steps of adaptation; by default chosen by the method.
            init: initial embedding of adaptation, as in `AdaptationTask`; by default "encoder" if the model has one,
                else "mean".
            consent: what the speaker has agreed to; stored in the voice.
            progress: True to show a progress bar of adaptation, or a function that is called with the number of steps
                done and of all steps after each; adaptation stops at an error that it raises.
            sample_rate: hertz, of clips that are arrays or tensors alone.

        Raises:
            FileNotFoundError: for a missing clip.
            TypeError: for a clip of another type.
            ValueError: for no clips, a clip that is no audio, empty or silent, a missing transcript or one that does
                not match its clip, an unknown method, steps below 1, and an init that the model does not support.
        """
        check_texts({"consent": consent})
        recordings = read_clips(clips, self.sample_rate, sample_rate)
        seconds = round(sum(len(recording.wave) for recording in recordings) / self.sample_rate, 2)
        if method == "encoder":
            for name, value in (("steps", steps), ("init", init)):
                if value is not None:
                    raise ValueError(f"method 'encoder' takes no {name}, got {value!r}: it does not train")
            embedding = self.embed([recording.wave for recording in sorted(recordings, key=attrgetter("content"))])
            return Voice(embedding, method, self.tts_fingerprint, len(clips), seconds=seconds, consent=consent)
        init = self._check_adaptation(steps, init or ("encoder" if self.encoder else "mean"))
        from lightning_vc.adaptation import adapt, samples_of_clips, voice_of  # Lightning takes seconds to import

        samples = samples_of_clips(recordings, method, transcripts, self.sample_rate)
        encoder = self.encoder if init == "encoder" else None
        task = adapt(self.tts, method, samples, steps, init, encoder, progress)
        return voice_of(task, method, len(clips), seconds, consent)

    def say(self, text: str, voice: Voice | str | Path, speed: float = 1.0) -> Speech:
        """Speak one text; thread-safe. Nothing is random: the same text and voice give the same samples.

        Args:
            text: of up to 20,000 characters.
            voice: a voice, the path of a voice file, a name in the library of voices, or one of `speakers`.
            speed: from 0.5 to 2; durations are divided by it.

        Raises:
            FileNotFoundError: for an unknown voice.
            ValueError: for a text without words or too long, a voice of another model, and a speed that is out of
                bounds, or other than 1 where the model predicts no durations.
        """
        return self.say_all([text], voice, speed)[0]

    def say_all(self, texts: Sequence[str], voice: Voice | str | Path, speed: float = 1.0) -> list[Speech]:
        """Speak several texts in batches; arguments and errors as in `say`."""
        synthesizer = self._synthesizer(voice, speed)
        for text in texts:
            _warn_unspoken(text)
        with layer_errors(self.tts):
            return synthesizer.speak(texts)

    def stream(self, text: str, voice: Voice | str | Path, speed: float = 1.0) -> Iterator[Speech]:
        """Speak one text of any length in pieces, and synthesise the next piece while one is consumed; as `say`."""
        synthesizer = self._synthesizer(voice, speed)
        _warn_unspoken(text)

        def parts() -> Iterator[Speech]:
            with layer_errors(self.tts):
                yield from synthesizer.stream(text)

        return parts()

    def _check_adaptation(self, steps: int | None, init: str) -> Initialization:
        """Return the initialization; raises ValueError for one that is unknown or impossible, and for other options."""
        if init not in get_args(Initialization):
            raise ValueError(f"unknown init {init!r}: choose one of {', '.join(get_args(Initialization))}")
        if init == "encoder" and self.encoder is None:
            raise ValueError(f"init is 'encoder', and {source_of(self.tts)} has no speaker encoder: use mean")
        if steps is not None and steps < 1:
            raise ValueError(f"steps of adaptation must be 1 or more, got {steps}")
        if any(parameter.dtype != torch.float32 for parameter in self.tts.model.parameters()):
            raise ValueError("adaptation trains in float32: load the model without dtype, or clone by encoder")
        return cast("Initialization", init)

    def _synthesizer(self, voice: Voice | str | Path, speed: float) -> Synthesizer:
        """Return a synthesizer for a voice and its adapted parameters; raises ValueError for one of another model."""
        voice = find_voice(self.tts, self.tts_fingerprint, voice)
        if voice.tts_fingerprint != self.tts_fingerprint:
            raise ValueError(
                f"this voice belongs to model {short(voice.tts_fingerprint)}, and {source_of(self.tts)} is "
                f"{self.tts_fingerprint}: clone it again"
            )
        shape, size = tuple(voice.embedding.shape), self.tts.model.speaker_dim
        if shape != (size,):
            raise ValueError(f"this voice has {shape} numbers, {source_of(self.tts)} needs {size}")
        if not voice.adapted_parameters:
            return Synthesizer(self.tts, voice.embedding, self.vocoder, speed=speed)
        adapted = self._adapted  # read once, as another thread may replace it
        if not adapted or adapted[0] != voice:
            network = deepcopy(self.tts.model)
            try:
                load_adapted_parameters(network, voice.adapted_parameters)
            except ValueError as error:
                raise ValueError(
                    f"this voice has parameters that {source_of(self.tts)} does not have ({error}): clone it again"
                ) from error
            self._adapted = adapted = voice, self.tts.with_model(network)
        return Synthesizer(adapted[1], voice.embedding, self.vocoder, adapted=True, speed=speed)

    @torch.no_grad()
    def embed(self, waves: Sequence[Tensor]) -> Tensor:
        """Predict the speaker embedding (E,) from recordings (W,) of one speaker at `sample_rate`.

        Pauses are shortened to 0.3 s, as the encoder averages over all frames. Raises ValueError without an encoder.
        """
        if self.encoder is None:
            raise ValueError(
                f"{source_of(self.tts)} has no speaker encoder: load the folder of a run that trained one, or adapt"
            )
        waves = [for_encoder(wave, self.sample_rate) for wave in waves]
        lengths = torch.tensor([[len(wave) for wave in waves]], device=self.device)
        with layer_errors(self.encoder):
            batch = pad_sequence(waves, batch_first=True).unsqueeze(0).to(self.device)
            embedding = self.encoder.predict(batch, lengths, self.tts.table.weight)[0].cpu()
        return finite(embedding, f"the embedding that {source_of(self.encoder)} predicts")


def _warn_unspoken(text: str) -> None:
    """Warn about letters, digits and symbols that are not spoken."""
    if dropped := unspoken(text):
        warn(f"the text has {short(dropped, _SHOWN)}, which cannot be spoken and is left out")
