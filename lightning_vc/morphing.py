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
    return _made_of("average", _vectors("voices", voices).mean(0), voices)


def interpolate(first: Voice, second: Voice, amount: float) -> Voice:
    """The voice on the line from `first` (amount 0) to `second` (1), or beyond them; raises what `average` raises."""
    _check_amount(amount)
    start, end = _vectors("voices", [first, second])
    return _made_of("interpolate", torch.lerp(start, end, amount), [first, second])


def morph(voice: Voice, plus: Sequence[Voice], minus: Sequence[Voice], amount: float = 1.0) -> Voice:
    """A voice with what one group has and another has not: voice + amount * (mean of plus - mean of minus).

    British male + average female - average male is a British female (section 5.5). What `voice` moved in the model
    it keeps. Raises ValueError for an empty group, for voices of several models or lengths, and for one in a group that
    moved the model.
    """
    _check_amount(amount)
    more, less = (_vectors(name, group, voice).mean(0) for name, group in (("plus", plus), ("minus", minus)))
    embedding = voice.embedding.detach().cpu() + amount * (more - less)
    consent = _consent([voice, *plus, *minus])
    return Voice(embedding, "morph", voice.base, voice.clips, voice.moved, voice.seconds, consent)


def learnt_from(cloner: Cloner, index: Index) -> bool:
    """Whether these are the shards of a model's training, as far as their speakers tell."""
    return index.speaker_table == list(cloner.tts.speakers)


def learned_embeddings(cloner: Cloner, index: Index, **attributes: object) -> dict[str, Voice]:
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
    found = {}
    for id, row in zip(cloner.tts.speakers, cloner.tts.table.weight.detach().cpu(), strict=True):
        if all(str(getattr(entries[id], name)) == str(value) for name, value in attributes.items()):
            clips, seconds = entries[id].transcribed, entries[id].seconds
            found[id] = Voice(row.clone(), "learned", cloner.base, clips, seconds=seconds)
    if not found:
        asked = ", ".join(f"{name} {value}" for name, value in attributes.items())
        values = {name: sorted({str(getattr(entries[id], name)) for id in cloner.tts.speakers}) for name in attributes}
        there = "; ".join(f"{name}: {', '.join(those)}" for name, those in values.items())
        raise ValueError(f"no speaker in {index.folder} with {asked}; there are {there}")
    return found


def _check_amount(amount: float) -> None:
    if not abs(amount) <= _FARTHEST:
        raise ValueError(f"amount must be a number from -{_FARTHEST:g} to {_FARTHEST:g}, got {amount}")


def _vectors(name: str, voices: Sequence[Voice], like: Voice | None = None) -> Tensor:
    """(n, E) of n voices; raises ValueError for what does not go together with `like`, or else with the first."""
    if not voices:
        raise ValueError(f"{name} is empty: give at least one voice")
    other = like or voices[0]
    for number, voice in enumerate(voices, 1):
        which = f"voice {number} of {name} ({voice.method})"
        if voice.moved:
            raise ValueError(
                f"{which} moved parameters of the model, which cannot be mixed: clone it by encoder or embedding"
            )
        if voice.base != other.base:
            raise ValueError(
                f"{which} belongs to model {short(voice.base)}, not to {short(other.base)}: clone both with one model"
            )
        if voice.embedding.shape != other.embedding.shape:
            raise ValueError(
                f"{which} has {len(voice.embedding)} numbers, not {len(other.embedding)}: clone both again"
            )
    return torch.stack([voice.embedding.detach().cpu() for voice in voices])


def _made_of(method: str, embedding: Tensor, voices: Sequence[Voice]) -> Voice:
    clips, seconds = sum(voice.clips for voice in voices), round(sum(voice.seconds for voice in voices), 2)
    return Voice(embedding, method, voices[0].base, clips, seconds=seconds, consent=_consent(voices))


def _consent(voices: Sequence[Voice]) -> str:
    """What was said of each voice in a mixture, and of how many nothing; nobody agreed to the mixture itself."""
    texts = [voice.consent for voice in voices if voice.consent]
    told = [f"{texts.count(text)} of {len(voices)} voices in it: {text!r}" for text in dict.fromkeys(texts)]
    if texts and len(texts) < len(voices):
        told.append(f"{len(voices) - len(texts)} of {len(voices)}: nobody said")
    return "; ".join(told)
