"""Recordings to a voice, a voice and a text to speech."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from operator import itemgetter
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lightning_vc.adapting import METHODS, AlongTheWay, adapt, method_named, samples_of, voice_of
from lightning_vc.audio import io
from lightning_vc.audio.conditioning import outside, repair, shorten_pauses
from lightning_vc.audio.decoding import decode
from lightning_vc.audio.loudness import level
from lightning_vc.audio.mixing import cancels, mix
from lightning_vc.audio.quality import clipping, complaints
from lightning_vc.audio.vocoder import Vocoder
from lightning_vc.checkpoint import finite
from lightning_vc.console import print_warning, short
from lightning_vc.data.samples import Sample
from lightning_vc.modules.acoustic import AcousticModel
from lightning_vc.modules.low_rank import load_moved
from lightning_vc.pretrained import checkpoint_in, shipped
from lightning_vc.synthesis import check_length, speak, stream
from lightning_vc.tasks.adaptation import Start
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.tasks.vocoder import load_vocoders
from lightning_vc.text.normalize import normalize, unspoken
from lightning_vc.trust import trust as allow
from lightning_vc.types import Speech
from lightning_vc.voice import Voice, check_texts

GRIFFIN_LIM = "griffin_lim"  # what the command line calls it
MODEL = "folder of a run (with tts/last.ckpt), or one TTS checkpoint; default: the model that comes with the package"
_SHOWN = 40  # signs that a warning names
_SHORTEST = 0.3  # seconds of a clip that tell anything of a voice
_PAUSE_HEARD = 0.3  # seconds of a pause that the encoder hears
_PAUSE_ADAPTED = 0.5  # seconds of a pause that adaptation hears: more than its transcripts mark as a long one


class Cloner:
    """A trained model that clones voices and speaks with them.

    Args:
        tts: checkpoint of a `TTSTask`.
        encoder: checkpoint of a `SpeakerEncoderTask` trained for it, needed by the method "encoder" alone.
        vocoder: spectrograms to sound, or the checkpoint of a `VocoderTask`; Griffin-Lim if none is given.
        trust: top-level modules of your own whose classes the checkpoints may name; they are imported.

    Raises:
        FileNotFoundError, ValueError: if a checkpoint is missing, of another kind, the encoder of another base, or the
            vocoder of other spectrograms.
    """

    def __init__(
        self,
        tts: str | Path,
        encoder: str | Path | None = None,
        vocoder: Vocoder | str | Path | None = None,
        trust: Sequence[str] = (),
    ) -> None:
        allow(trust)
        self.path = str(tts)
        self.tts = TTSTask.load(tts)
        self.base = self.tts.fingerprint()
        self.encoder = SpeakerEncoderTask.load(encoder) if encoder else None
        self.encoder_path = str(encoder) if encoder else None
        self.heard_by = self.encoder.fingerprint() if self.encoder else None
        if self.encoder and self.encoder.base_fingerprint != self.base:
            raise ValueError(f"{encoder} was trained for the voices of another model than {tts}: train it again")
        self.vocoder: Vocoder
        self.vocoder_of_adapted: Vocoder
        if isinstance(vocoder, str | Path):
            self.vocoder, self.vocoder_of_adapted = load_vocoders(vocoder, self.tts.spectrograms)
        else:
            self.vocoder = vocoder or self.tts.griffin_lim()
            self.vocoder_of_adapted = vocoder or self.tts.griffin_lim(adapted=True)
        self.sample_rate = self.tts.spectrograms.sample_rate
        self._adapted: tuple[Voice, AcousticModel] | None = None  # the last voice that moved the model, and its model

    @classmethod
    def load(
        cls, model: str | Path | None = None, vocoder: str | Path | None = None, trust: Sequence[str] = ()
    ) -> "Cloner":
        """From the folder of a run or an exported model, or one TTS checkpoint; raises what the constructor raises.

        Args:
            model: folder with tts/last.ckpt and, where they were trained, encoder/last.ckpt and vocoder/last.ckpt; or
                with tts.safetensors and so on; if none is given, the one of `from_pretrained`.
            vocoder: "griffin_lim", or the checkpoint of another vocoder than that of the folder.
            trust: as in the constructor.
        """
        allow(trust)
        if model is None:
            return cls.from_pretrained(vocoder=vocoder)
        if not Path(model).is_dir():
            return cls(model, vocoder=None if vocoder == GRIFFIN_LIM else vocoder)
        if vocoder is None:
            vocoder = checkpoint_in(model, "vocoder")
        return cls(
            checkpoint_in(model, "tts") or Path(model, "tts", "last.ckpt"),
            checkpoint_in(model, "encoder"),
            None if vocoder == GRIFFIN_LIM else vocoder,
        )

    @classmethod
    def from_pretrained(cls, name: str = "base", vocoder: str | Path | None = None) -> "Cloner":
        """A model that comes with the package: no network is needed. `vocoder` as in `load`.

        Raises FileNotFoundError and ValueError: if there is none of that name, or it is damaged.
        """
        return cls.load(shipped(name), vocoder)

    @property
    def methods(self) -> list[str]:
        """Names of the ways in which this model can clone."""
        return ["encoder", *METHODS] if self.encoder else list(METHODS)

    @property
    def start(self) -> Start:
        """The voice that adaptation begins with, unless another is asked for."""
        return "encoder" if self.encoder else "mean"

    def check(self, text: str) -> None:
        """Raise ValueError for a text that this model could not say."""
        check_length(text)
        self.tts.frontend(normalize(text))

    def warn(self, text: str) -> None:
        """Warn of letters, digits and symbols that are left out."""
        if dropped := unspoken(text):
            shown = dropped if len(dropped) <= _SHOWN else f"{dropped[:_SHOWN]}..."
            print_warning(f"the text has {shown!r}, which cannot be spoken and is left out")

    def clone(
        self,
        clips: Sequence[str | Path],
        method: str = "encoder",
        transcripts: Sequence[str] | None = None,
        steps: int | None = None,
        start: Start | None = None,
        consent: str = "",
        progress: bool = False,
    ) -> Voice:
        """The voice of the speaker of these recordings (any format that soundfile reads, any rate).

        Args:
            clips: files.
            method: "encoder" (needs no transcripts), "embedding" or "whole_model" (section 3), "low_rank", or an
                `AdaptationTask` of one's own by its import path.
            transcripts: what is said in each clip; adaptation needs it.
            steps: of adaptation; None is what suits the method.
            start: the voice that adaptation begins with, as in `AdaptationTask`; None is what the encoder hears in the
                first batch of clips, where the model has one, and else the mean.
            consent: what the speaker has agreed to; it stands in the voice.
            progress: show a bar while adapting.

        Raises:
            FileNotFoundError: for a missing clip.
            ValueError: for no clips, one path in the place of a list, a clip that is no audio, empty or silent; a
                missing transcript, or one that does not fit its clip; an unknown method; steps below 1; a start by an
                encoder that the model does not have.
        """
        check_texts({"consent": consent})
        waves = self._waves(clips)
        seconds = round(sum(map(len, waves)) / self.sample_rate, 2)
        if method == "encoder":
            if steps is not None:
                raise ValueError(f"method 'encoder' takes no steps, got {steps}: it answers at once")
            if start is not None:
                raise ValueError(f"method 'encoder' begins with no voice, got start {start!r}: it answers at once")
            return Voice(
                self.hear(sorted(waves, key=_content)), method, self.base, len(clips), seconds=seconds, consent=consent
            )
        if start not in (None, *get_args(Start)):
            raise ValueError(f"unknown start {start!r}: choose one of {', '.join(get_args(Start))}")
        if steps is not None and steps < 1:
            raise ValueError(f"steps of adaptation must be 1 or more, got {steps}")
        samples = self._samples(clips, waves, method, transcripts)
        first = start or self.start
        if first == "encoder" and self.encoder is None:
            raise ValueError(f"start is 'encoder', and {self.path} has no speaker encoder: begin with mean or nearest")
        encoder = self.encoder_path if first == "encoder" else None
        task = adapt(self.path, method, samples, self.sample_rate, steps, first, encoder, progress)
        return voice_of(task, method, len(clips), seconds, consent)

    def clone_along(
        self, clips: Sequence[str | Path], method: str, transcripts: Sequence[str] | None, steps: Sequence[int]
    ) -> list[Voice]:
        """The voices after so many steps each of one adaptation, to all clips, of which none are put aside.

        With fewer than twenty clips they are those of as many adaptations by `clone`; raises what that raises.
        """
        if method == "encoder" or not steps or min(steps) < 1:
            raise ValueError(f"steps are counted in adaptation, 1 or more, got {list(steps)} for method {method!r}")
        waves = self._waves(clips)
        seconds = round(sum(map(len, waves)) / self.sample_rate, 2)
        samples = self._samples(clips, waves, method, transcripts)
        watcher = AlongTheWay(steps, lambda task: voice_of(task, method, len(clips), seconds))
        first, encoder = self.start, self.encoder_path
        adapt(
            self.path,
            method,
            samples,
            self.sample_rate,
            max(steps),
            first,
            encoder,
            watchers=[watcher],
            to_the_end=True,
        )
        return [watcher.found[step] for step in steps]

    def say(self, text: str, voice: Voice) -> Speech:
        """Speak one text; raises ValueError for a text without words or too long, or a voice of another model."""
        return self.say_all([text], voice)[0]

    def say_all(self, texts: Sequence[str], voice: Voice) -> list[Speech]:
        """Speak several texts; what `say` raises."""
        for text in texts:
            self.warn(text)
        with _going_together(self.path):
            return speak(self._model(voice), self.tts, texts, voice.vector, self._vocoder(voice))

    def stream(self, text: str, voice: Voice) -> Iterator[Speech]:
        """Speak one text, a sentence or clause at a time, each while the next is being made; what `say` raises."""
        model = self._model(voice)
        self.warn(text)
        return self._guarded(stream(model, self.tts, text, voice.vector, self._vocoder(voice)))

    def _guarded(self, parts: Iterator[Speech]) -> Iterator[Speech]:
        with _going_together(self.path):
            yield from parts

    def _waves(self, clips: Sequence[str | Path]) -> list[Tensor]:
        if isinstance(clips, str | Path):
            raise ValueError(f"clips is the one path {str(clips)!r}: give a list of paths")
        if not isinstance(clips, Sequence):
            raise TypeError(f"clips is of type {type(clips).__name__}: give a list of paths of sound files")
        if not clips:
            raise ValueError("no clips to clone from: give at least one recording")
        return [self._read(clip) for clip in clips]

    def _samples(
        self, clips: Sequence[str | Path], waves: Sequence[Tensor], method: str, transcripts: Sequence[str] | None
    ) -> list[Sample]:
        """What a method of adaptation trains on: the same, in whatever order the clips are given."""
        method_named(method)
        if transcripts is None or len(transcripts) != len(clips):
            got = len(transcripts or ())
            raise ValueError(
                f"method {method!r} needs a transcript of each clip: {len(clips)} clips, {got} transcripts; on the "
                "command line give them by --transcripts or --said, or as a.txt beside a clip a.wav"
            )
        short = [level(shorten_pauses(wave, self.sample_rate, _PAUSE_ADAPTED)) for wave in waves]
        recordings = [  # in the order of the clips: the first wrong transcript is the one that is told
            (_content(wave), samples_of(str(clip), wave, text, self.sample_rate))
            for clip, wave, text in zip(clips, short, transcripts, strict=True)
        ]
        return [sample for _, samples in sorted(recordings, key=itemgetter(0)) for sample in samples]

    def _read(self, clip: str | Path) -> Tensor:
        channels, rate = decode(clip)
        wave, bursts = repair(io.resample(mix(channels), rate, self.sample_rate), self.sample_rate)
        wave = level(io.trim(wave, self.sample_rate, name=str(clip)))
        if len(wave) < _SHORTEST * self.sample_rate:
            seconds = len(wave) / self.sample_rate
            raise ValueError(f"{clip} has {seconds:.2f} s of sound: give a recording of {_SHORTEST} s or more")
        if cancels(channels):
            print_warning(f"{clip} has channels that cancel each other, one is inverted: the loudest is used alone")
        for complaint in complaints(wave, self.sample_rate, clipping(outside(channels, rate, bursts)), bursts):
            print_warning(f"{clip} {complaint}")
        return wave

    def _vocoder(self, voice: Voice) -> Vocoder:
        return self.vocoder_of_adapted if voice.moved else self.vocoder

    def _model(self, voice: Voice) -> AcousticModel:
        if voice.base != self.base:
            raise ValueError(
                f"this voice belongs to model {short(voice.base)}, and {self.path} is {self.base}: clone it again"
            )
        if voice.vector.shape != (self.tts.model.voice_dim,):
            raise ValueError(
                f"this voice has {tuple(voice.vector.shape)} numbers, {self.path} wants {self.tts.model.voice_dim}"
            )
        if not voice.moved:
            return self.tts.model
        if self._adapted and self._adapted[0] is voice:
            return self._adapted[1]
        model = deepcopy(self.tts.model)
        try:
            load_moved(model, voice.moved)
        except ValueError as error:
            raise ValueError(f"this voice moves what {self.path} does not have ({error}): clone it again") from error
        self._adapted = voice, model
        return model

    @torch.no_grad()
    def hear(self, waves: Sequence[Tensor]) -> Tensor:
        """What the speaker encoder makes of recordings of one speaker, each (W,), at `sample_rate` and levelled: (E,).

        Pauses are cut to 0.3 s: the encoder averages over all frames, and silence is in none of the voices.

        Raises ValueError if the model has no speaker encoder.
        """
        if self.encoder is None:
            raise ValueError(
                f"{self.path} has no speaker encoder: give the folder of a run that trained one, or adapt instead"
            )
        waves = [level(shorten_pauses(wave, self.sample_rate, _PAUSE_HEARD)) for wave in waves]
        lengths = torch.tensor([[len(wave) for wave in waves]])
        with _going_together(str(self.encoder_path)):
            voice: Tensor = self.encoder(pad_sequence(list(waves), batch_first=True).unsqueeze(0), lengths)[0]
            stretched = self.encoder.stretched(voice, self.tts.table.voices)
        return finite(stretched, f"what the speaker encoder {self.encoder_path} answers")


@contextmanager
def _going_together(path: str) -> Iterator[None]:
    """Raise ValueError where the settings of a model file, which fit its weights, make layers that do not work."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} cannot be used, its settings do not go together ({reason[:200]})") from error


def _content(wave: Tensor) -> bytes:
    """What recordings are sorted by, so that their order does not change the voice."""
    return wave.numpy().tobytes()
