"""Voices by name: files, the library, and the learned voices of the training speakers."""

from difflib import get_close_matches
from pathlib import Path

from lightning_vc.checkpoint import source_of
from lightning_vc.console import short
from lightning_vc.modules.tts import TTSModel
from lightning_vc.voice import Voice, VoiceLibrary, is_voice_file, load_voice

_NAMED = 10  # speakers that an error names


def learned_voice(tts: TTSModel, fingerprint: str, name: str) -> Voice:
    """The voice of a training speaker, with its embedding of the speaker table.

    Args:
        tts: the model.
        fingerprint: of the model.
        name: one of `tts.speakers`.

    Raises ValueError for an unknown speaker, naming similar ones.
    """
    if name not in tts.speakers:
        raise ValueError(f"{source_of(tts)} has no speaker {short(name)}; {_some_speakers(tts, name)}")
    row = tts.table.weight[tts.speakers.index(name)]
    return Voice(row.detach().cpu().clone(), "learned", fingerprint, 0)


def find_voice(tts: TTSModel, fingerprint: str, voice: Voice | str | Path) -> Voice:
    """Return a voice by its name or the path of its file, as `load_voice`, or else that of a training speaker.

    Raises FileNotFoundError for an unknown voice, ValueError for a file that is no voice, TypeError for another type.
    """
    if isinstance(voice, Voice):
        return voice
    if not isinstance(voice, str | Path):
        raise TypeError(f"voice is of type {type(voice).__name__}: give a Voice, the path of a voice file, or a name")
    if voice in tts.speakers and voice not in VoiceLibrary().names():
        return learned_voice(tts, fingerprint, str(voice))
    try:
        return load_voice(voice)
    except FileNotFoundError as error:
        if isinstance(voice, Path) or is_voice_file(voice):
            raise
        raise FileNotFoundError(f"{error}; nor is it a training speaker: {_some_speakers(tts, voice)}") from error


def _some_speakers(tts: TTSModel, name: str) -> str:
    """Say how many speakers there are, and name those of the most similar names, or the first."""
    some = get_close_matches(name, tts.speakers, _NAMED) or tts.speakers[:_NAMED]
    return f"the model has {len(tts.speakers)}, such as {', '.join(some)}"
