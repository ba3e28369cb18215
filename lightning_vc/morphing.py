"""Arithmetic on voices (section 5.5): averages, mixtures, and what one group has that another has not."""

from collections.abc import Sequence
from dataclasses import fields

import torch
from torch import Tensor

from lightning_vc.cloning import Cloner
from lightning_vc.console import short
from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.voice import Voice

_FARTHEST = 100.0  # the size of an amount: 1 is the whole difference, and what is far beyond is no voice


def average(voices: Sequence[Voice]) -> Voice:
    """The mean of voices of one model.

    Raises ValueError for none, for voices of several models or lengths, and for one that moved the model.
    """
    _check_group("voices", voices)
    return _made_of("average", _mean(voices), voices)


def interpolate(first: Voice, second: Voice, amount: float) -> Voice:
    """The voice on the line from `first` (amount 0) to `second` (1), or beyond them; raises what `average` raises."""
    _check_amount(amount)
    _check_group("voices", [first, second])
    return _made_of("interpolate", torch.lerp(_plain(first), _plain(second), amount), [first, second])


def morph(voice: Voice, plus: Sequence[Voice], minus: Sequence[Voice], amount: float = 1.0) -> Voice:
    """A voice with what one group has and another has not: voice + amount * (mean of plus - mean of minus).

    British male + average female - average male is a British female (section 5.5). What `voice` moved in the model
    it keeps. Raises ValueError for an empty group, for voices of several models or lengths, and for one in a group that
    moved the model.
    """
    _check_amount(amount)
    for name, group in (("plus", plus), ("minus", minus)):
        _check_group(name, group, voice)
    vector = _plain(voice) + amount * (_mean(plus) - _mean(minus))
    consent = _consent([voice, *plus, *minus])
    return Voice(vector, "morph", voice.base, voice.clips, voice.moved, voice.seconds, consent)


def learnt_from(cloner: Cloner, index: Index) -> bool:
    """Whether these are the shards of a model's training, as far as their speakers tell."""
    return index.speaker_table == list(cloner.tts.speakers)


def learned_by_speaker(cloner: Cloner, index: Index, **attributes: object) -> dict[str, Voice]:
    """The voices that the model learnt for the speakers of its training, by id, in the order of its table.

    Args:
        cloner: the model.
        index: of the shards that it was trained on.
        attributes: of the speakers wanted, such as sex="M" or accent="en-gb"; none is all of them.

    Raises ValueError for an index of other speakers, an attribute that speakers do not have, and, with the values that
    there are, where no speaker has those wanted.
    """
    if not learnt_from(cloner, index):
        raise ValueError(
            f"{index.folder} holds other speakers than the model has learnt: give the shards that it was trained on"
        )
    known = [field.name for field in fields(SpeakerEntry)]
    if unknown := set(attributes) - set(known):
        raise ValueError(f"speakers have no {min(unknown)!r}: choose from {', '.join(known)}")
    entries = {entry.id: entry for entry in index.speakers}
    rows = dict(zip(cloner.tts.speakers, cloner.tts.table.voices.detach().cpu(), strict=True))
    wanted = {name: str(value) for name, value in attributes.items()}
    found = {
        speaker: Voice(
            row.clone(), "learned", cloner.base, entries[speaker].transcribed, seconds=entries[speaker].seconds
        )
        for speaker, row in rows.items()
        if all(str(getattr(entries[speaker], name)) == value for name, value in wanted.items())
    }
    if not found:
        asked = ", ".join(f"{name} {value}" for name, value in wanted.items())
        there = "; ".join(
            f"{name}: {', '.join(sorted({str(getattr(entries[speaker], name)) for speaker in rows}))}"
            for name in wanted
        )
        raise ValueError(f"no speaker in {index.folder} with {asked}; there are {there}")
    return found


def learned_voices(cloner: Cloner, index: Index, **attributes: object) -> list[Voice]:
    """`learned_by_speaker` without the ids."""
    return list(learned_by_speaker(cloner, index, **attributes).values())


def _plain(voice: Voice) -> Tensor:
    return voice.vector.detach().cpu()


def _mean(voices: Sequence[Voice]) -> Tensor:
    """(E,)."""
    return torch.stack([_plain(voice) for voice in voices]).mean(0)


def _check_amount(amount: float) -> None:
    if not abs(amount) <= _FARTHEST:
        raise ValueError(f"amount must be a number from -{_FARTHEST:g} to {_FARTHEST:g}, got {amount}")


def _check_group(name: str, voices: Sequence[Voice], like: Voice | None = None) -> None:
    """Raise ValueError for what does not go together with `like`, or else with the first of the group."""
    if not voices:
        raise ValueError(f"{name} is empty: give at least one voice")
    other = like or voices[0]
    for number, voice in enumerate(voices, 1):
        if voice.moved:
            raise ValueError(
                f"voice {number} of {name} ({voice.method}) moved parameters of the model, which cannot be mixed: "
                "clone it by encoder or embedding"
            )
        which = f"voice {number} of {name} ({voice.method})"
        if voice.base != other.base:
            raise ValueError(
                f"{which} belongs to model {short(voice.base)}, not to {short(other.base)}: clone both with one model"
            )
        if voice.vector.shape != other.vector.shape:
            raise ValueError(f"{which} has {len(voice.vector)} numbers, not {len(other.vector)}: clone both again")


def _made_of(method: str, vector: Tensor, voices: Sequence[Voice]) -> Voice:
    clips, seconds = sum(voice.clips for voice in voices), round(sum(voice.seconds for voice in voices), 2)
    return Voice(vector, method, voices[0].base, clips, seconds=seconds, consent=_consent(voices))


def _consent(voices: Sequence[Voice]) -> str:
    """What was said of each voice in a mixture, and of how many nothing; nobody agreed to the mixture itself."""
    said = [voice.consent for voice in voices if voice.consent]
    if not said:
        return ""
    told = [f"{said.count(text)} of {len(voices)} voices in it: {text!r}" for text in dict.fromkeys(said)]
    silent = len(voices) - len(said)
    return "; ".join(told + ([f"{silent} of {len(voices)}: nobody said"] if silent else []))
