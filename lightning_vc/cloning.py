"""Voice cloning: recordings to a voice, and text to speech with a voice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import cancels, mix, outside, repair, shorten_pauses, trim
from lightning_vc.audio.decoding import decode
from lightning_vc.audio.loudness import level
from lightning_vc.audio.quality import clipping, quality_warnings
from lightning_vc.audio.vocoder import NeuralVocoder, Vocoder
from lightning_vc.checkpoint import fingerprint, load_model, source_of
from lightning_vc.console import print_warning, short
from lightning_vc.modules.low_rank import load_adapted_parameters
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel, check_spectrograms
from lightning_vc.pretrained import load_folder, pretrained_folder, shipped
from lightning_vc.synthesis import Synthesizer, check_length
from lightning_vc.text.normalize import normalize, unspoken
from lightning_vc.trust import trust as allow
from lightning_vc.types import Initialization, Speech
from lightning_vc.untrusted import finite
from lightning_vc.voice import Voice, check_texts

if TYPE_CHECKING:
    from lightning_vc.data.samples import Sample

GRIFFIN_LIM = "griffin_lim"  # name on the command line
_SHOWN = 40  # characters that a warning quotes
_SHORTEST = 0.3  # seconds, shortest clip
_ENCODER_PAUSE = 0.3  # seconds, longest pause for the encoder
_ADAPTATION_PAUSE = 0.5  # seconds, longest pause for adaptation: above the threshold of marked long pauses


class Cloner:
    """A trained model that clones voices and speaks with them.

    Args:
        tts: the multi-speaker acoustic model.
        encoder: the speaker encoder trained for `tts`, only needed by the method "encoder".
        vocoder: by default Griffin-Lim.

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

    @classmethod
    def load(
        cls, model: str | Path | None = None, vocoder: str | Path | None = None, trust: Sequence[str] = ()
    ) -> "Cloner":
        """Load the models of a run or an exported folder, or one TTS checkpoint.

        Args:
            model: a checkpoint, or a folder with tts/last.ckpt or tts.safetensors and optionally the same for encoder
                and vocoder; by default the model of `from_pretrained`.
            vocoder: "griffin_lim", or a vocoder checkpoint to use instead of that of the folder.
            trust: your top-level modules whose classes the checkpoints may name; they are imported.

        Raises:
            FileNotFoundError, ValueError: for a file that is missing, damaged or of another kind, and for models that
                do not belong together.
        """
        allow(trust)
        path = shipped() if model is None else Path(model)
        models: dict[str, Any] = load_folder(path) if path.is_dir() else {"tts": load_model(path, TTSModel)}
        if vocoder is not None:
            models["vocoder"] = None if vocoder == GRIFFIN_LIM else load_model(vocoder, NeuralVocoder)  # type: ignore[type-abstract]
        return cls(**models)

    @classmethod
    def from_pretrained(
        cls, name: str = "base", vocoder: str | Path | None = None, revision: str | None = None
    ) -> "Cloner":
        """Load a model of the package, a folder, or the Hugging Face Hub (organisation/repository, extra `hub`).

        `name`, `revision` and errors as in `pretrained.pretrained_folder`, `vocoder` and further errors as in `load`.
        """
        return cls.load(pretrained_folder(name, revision), vocoder)

    @property
    def methods(self) -> list[str]:
        """Names of the cloning methods that this model supports."""
        from lightning_vc.adaptation import METHODS

        return ["encoder", *METHODS] if self.encoder else list(METHODS)

    def check(self, text: str) -> None:
        """Raise ValueError for a text that this model cannot speak."""
        check_length(text)
        self.tts.frontend(normalize(text))

    def warn(self, text: str) -> None:
        """Warn about letters, digits and symbols that are not spoken."""
        if dropped := unspoken(text):
            shown = dropped if len(dropped) <= _SHOWN else f"{dropped[:_SHOWN]}..."
            print_warning(f"the text has {shown!r}, which cannot be spoken and is left out")

    def clone(
        self,
        clips: Sequence[str | Path],
        method: str = "encoder",
        transcripts: Sequence[str] | None = None,
        steps: int | None = None,
        init: str | None = None,
        consent: str = "",
        progress: bool = False,
    ) -> Voice:
        """Clone the voice of a speaker from recordings (any format that soundfile reads, any sample rate).

        Args:
            clips: paths of sound files.
            method: "encoder" (needs no transcripts), "embedding" or "whole_model" (section 3), "low_rank", or the
                import path of an `AdaptationTask`.
            transcripts: one per clip; required by adaptation.
            steps: training steps of adaptation; by default chosen by the method.
            init: initial embedding of adaptation, as in `AdaptationTask`; by default "encoder" if the model has one,
                else "mean".
            consent: what the speaker has agreed to; stored in the voice.
            progress: show a progress bar of adaptation.

        Raises:
            FileNotFoundError: for a missing clip.
            ValueError: for no clips, a clip that is no audio, empty or silent, a missing transcript or one that does
                not match its clip, an unknown method, steps below 1, and an init that the model does not support.
        """
        check_texts({"consent": consent})
        if isinstance(clips, str | Path):
            raise ValueError(f"clips is the one path {str(clips)!r}: give a list of paths")
        if not isinstance(clips, Sequence):
            raise TypeError(f"clips is of type {type(clips).__name__}: give a list of paths of sound files")
        if not clips:
            raise ValueError("no clips to clone from: give at least one recording")
        waves = [self._read(clip) for clip in clips]
        seconds = round(sum(map(len, waves)) / self.sample_rate, 2)
        if method == "encoder":
            for name, value in (("steps", steps), ("init", init)):
                if value is not None:
                    raise ValueError(f"method 'encoder' takes no {name}, got {value!r}: it does not train")
            embedding = self.embed(sorted(waves, key=_content))
            return Voice(embedding, method, self.tts_fingerprint, len(clips), seconds=seconds, consent=consent)
        init = init or ("encoder" if self.encoder else "mean")
        if init not in get_args(Initialization):
            raise ValueError(f"unknown init {init!r}: choose one of {', '.join(get_args(Initialization))}")
        if init == "encoder" and self.encoder is None:
            raise ValueError(
                f"init is 'encoder', and {source_of(self.tts)} has no speaker encoder: use mean or nearest"
            )
        if steps is not None and steps < 1:
            raise ValueError(f"steps of adaptation must be 1 or more, got {steps}")
        from lightning_vc.adaptation import adapt, voice_of  # Lightning takes seconds to import

        samples = self._samples(clips, waves, method, transcripts)
        encoder = self.encoder if init == "encoder" else None
        task = adapt(self.tts, method, samples, steps, cast("Initialization", init), encoder, progress)
        return voice_of(task, method, len(clips), seconds, consent)

    def say(self, text: str, voice: Voice) -> Speech:
        """Speak one text; raises ValueError for a text without words or too long, or a voice of another model."""
        return self.say_all([text], voice)[0]

    def say_all(self, texts: Sequence[str], voice: Voice) -> list[Speech]:
        """Speak several texts; raises whatever `say` raises."""
        for text in texts:
            self.warn(text)
        with _compatible(source_of(self.tts)):
            return self._synthesizer(voice).speak(texts)

    def stream(self, text: str, voice: Voice) -> Iterator[Speech]:
        """Speak one text in pieces, and synthesise the next piece while one is consumed; raises what `say` raises."""
        synthesizer = self._synthesizer(voice)
        self.warn(text)

        def parts() -> Iterator[Speech]:
            with _compatible(source_of(self.tts)):
                yield from synthesizer.stream(text)

        return parts()

    def _samples(
        self, clips: Sequence[str | Path], waves: Sequence[Tensor], method: str, transcripts: Sequence[str] | None
    ) -> "list[Sample]":
        """Return training samples for adaptation, independent of the order of the clips."""
        from lightning_vc.adaptation import method_named, samples_of

        method_named(method)
        if transcripts is None or len(transcripts) != len(clips):
            count = len(transcripts or ())
            raise ValueError(
                f"method {method!r} needs a transcript of each clip: {len(clips)} clips, {count} transcripts; on the "
                "command line give them by --transcripts or --clip_texts, or as a.txt beside a clip a.wav"
            )
        shortened = [level(shorten_pauses(wave, self.sample_rate, _ADAPTATION_PAUSE)) for wave in waves]
        recordings = [  # in the order of the clips, so that an error names the first wrong transcript
            (_content(wave), samples_of(str(clip), wave, text, self.sample_rate))
            for clip, wave, text in zip(clips, shortened, transcripts, strict=True)
        ]
        return [sample for _, samples in sorted(recordings, key=itemgetter(0)) for sample in samples]

    def _read(self, clip: str | Path) -> Tensor:
        channels, rate = decode(clip)
        wave, bursts = repair(io.resample(mix(channels), rate, self.sample_rate), self.sample_rate)
        wave = level(trim(wave, self.sample_rate, name=str(clip)))
        if len(wave) < _SHORTEST * self.sample_rate:
            seconds = len(wave) / self.sample_rate
            raise ValueError(f"{clip} has {seconds:.2f} s of sound: give a recording of {_SHORTEST} s or more")
        if cancels(channels):
            print_warning(f"{clip} has channels that cancel each other, one is inverted: the loudest is used alone")
        for warning in quality_warnings(wave, self.sample_rate, clipping(outside(channels, rate, bursts)), bursts):
            print_warning(f"{clip} {warning}")
        return wave

    def _synthesizer(self, voice: Voice) -> Synthesizer:
        """Return a synthesizer for a voice and its adapted parameters; raises ValueError for one of another model."""
        if voice.tts_fingerprint != self.tts_fingerprint:
            raise ValueError(
                f"this voice belongs to model {short(voice.tts_fingerprint)}, and {source_of(self.tts)} is "
                f"{self.tts_fingerprint}: clone it again"
            )
        size = self.tts.model.speaker_dim
        if voice.embedding.shape != (size,):
            raise ValueError(
                f"this voice has {tuple(voice.embedding.shape)} numbers, {source_of(self.tts)} needs {size}"
            )
        if not voice.adapted_parameters:
            return Synthesizer(self.tts, voice.embedding, self.vocoder)
        if not self._adapted or self._adapted[0] is not voice:
            network = deepcopy(self.tts.model)
            try:
                load_adapted_parameters(network, voice.adapted_parameters)
            except ValueError as error:
                raise ValueError(
                    f"this voice has parameters that {source_of(self.tts)} does not have ({error}): clone it again"
                ) from error
            self._adapted = voice, self.tts.with_model(network)
        return Synthesizer(self._adapted[1], voice.embedding, self.vocoder, adapted=True)

    @torch.no_grad()
    def embed(self, waves: Sequence[Tensor]) -> Tensor:
        """Predict the speaker embedding (E,) from recordings (W,) of one speaker at `sample_rate`.

        Pauses are shortened to 0.3 s, as the encoder averages over all frames. Raises ValueError without an encoder.
        """
        if self.encoder is None:
            raise ValueError(
                f"{source_of(self.tts)} has no speaker encoder: load the folder of a run that trained one, or adapt"
            )
        waves = [level(shorten_pauses(wave, self.sample_rate, _ENCODER_PAUSE)) for wave in waves]
        lengths = torch.tensor([[len(wave) for wave in waves]])
        with _compatible(source_of(self.encoder)):
            batch = pad_sequence(list(waves), batch_first=True).unsqueeze(0)
            embedding = self.encoder.predict(batch, lengths, self.tts.table.weight)[0]
        return finite(embedding, f"the embedding that {source_of(self.encoder)} predicts")


@contextmanager
def _compatible(what: str) -> Iterator[None]:
    """Convert errors of incompatible layers of a loaded model to ValueError."""
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except (RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{what} cannot be used, its settings do not go together ({reason[:200]})") from error


def _content(wave: Tensor) -> bytes:
    """Sort key of recordings, so that the voice does not depend on the order of the clips."""
    return wave.numpy().tobytes()
