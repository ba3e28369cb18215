"""Arithmetic on voices (section 5.5 of the paper): averages, interpolation, and differences between groups."""

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from lightning_vc.cloning import Cloner
from lightning_vc.console import short
from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.voice import Voice

_MAX_AMOUNT = 100.0  # largest absolute amount; 1 is the whole difference


def average(voices: Sequence[Voice]) -> Voice:
    """The mean of voices of one model.

    Raises ValueError for no voices, for voices of several models or lengths, and for one with changed model weights.
    """
    return _combined("average", _vectors("voices", voices).mean(0), voices)


def interpolate(first: Voice, second: Voice, amount: float) -> Voice:
    """The voice on the line from `first` (amount 0) to `second` (1), or beyond them; raises as `average` does."""
    _check_amount(amount)
    start, end = _vectors("voices", [first, second])
    return _combined("interpolate", torch.lerp(start, end, amount), [first, second])


def morph(voice: Voice, plus: Sequence[Voice], minus: Sequence[Voice], amount: float = 1.0) -> Voice:
    """Move a voice by the difference of two groups: voice + amount * (mean of plus - mean of minus).

    British male + average female - average male is a British female (section 5.5). Changed model weights of `voice`
    are kept. Raises ValueError for an empty group, for voices of several models or lengths, and for one in a group that
    has changed model weights.
    """
    _check_amount(amount)
    means = {name: _vectors(name, group, voice).mean(0) for name, group in (("plus", plus), ("minus", minus))}
    embedding = voice.embedding + amount * (means["plus"] - means["minus"])
    consent = _consent([voice, *plus, *minus])
    return Voice(
        embedding, "morph", voice.tts_fingerprint, voice.clips, voice.adapted_parameters, voice.seconds, consent
    )


def is_trained_on(cloner: Cloner, index: Index) -> bool:
    """Whether the model was trained on these shards, according to the ids of the speakers."""
    return index.speaker_table == cloner.speakers


def learned_embeddings(cloner: Cloner, index: Index, /, **attributes: object) -> dict[str, Voice]:
    """Voices of the training speakers with the embeddings of the speaker table, by id, in the order of the table.

    Args:
        cloner: the model.
        index: of the shards that it was trained on.
        attributes: select speakers, such as sex="M" or accent="en-gb"; by default, all.

    Raises ValueError for an index of other speakers, an unknown attribute, and, naming the values that exist, if no
    speaker has the values of `attributes`.
    """
    if not is_trained_on(cloner, index):
        raise ValueError(
            f"{index.folder} holds other speakers than those of the model: give the shards that it was trained on"
        )
    names = [field.name for field in fields(SpeakerEntry)]
    if unknown := set(attributes) - set(names):
        raise ValueError(f"speakers have no {min(unknown)!r}: choose from {', '.join(names)}")
    entries = {entry.id: entry for entry in index.speakers}
    voices = {}
    for id in cloner.speakers:
        if all(str(getattr(entries[id], name)) == str(value) for name, value in attributes.items()):
            voices[id] = replace(cloner.speaker(id), clips=entries[id].transcribed, seconds=entries[id].seconds)
    if not voices:
        condition = ", ".join(f"{name} {value}" for name, value in attributes.items())
        values = {name: sorted({str(getattr(entries[id], name)) for id in cloner.speakers}) for name in attributes}
        choices = "; ".join(f"{name}: {', '.join(options)}" for name, options in values.items())
        raise ValueError(f"no speaker in {index.folder} with {condition}; there are {choices}")
    return voices


def _check_amount(amount: float) -> None:
    if not abs(amount) <= _MAX_AMOUNT:
        raise ValueError(f"amount must be a number from -{_MAX_AMOUNT:g} to {_MAX_AMOUNT:g}, got {amount}")


def _vectors(name: str, voices: Sequence[Voice], reference: Voice | None = None) -> Tensor:
    """Embeddings (n, E) of n voices; raises ValueError if one is incompatible with `reference` (default: the first)."""
    if not voices:
        raise ValueError(f"{name} is empty: give at least one voice")
    first = reference or voices[0]
    for number, voice in enumerate(voices, 1):
        which = f"voice {number} of {name} ({voice.method})"
        if voice.adapted_parameters:
            raise ValueError(
                f"{which} changes weights of the model, which cannot be mixed: clone it by encoder or embedding"
            )
        if voice.tts_fingerprint != first.tts_fingerprint:
            raise ValueError(
                f"{which} belongs to model {short(voice.tts_fingerprint)}, not to {short(first.tts_fingerprint)}: "
                "clone both with one model"
            )
        if voice.embedding.shape != first.embedding.shape:
            raise ValueError(
                f"{which} has {len(voice.embedding)} numbers, not {len(first.embedding)}: clone both again"
            )
    return torch.stack([voice.embedding for voice in voices])


def _combined(method: str, embedding: Tensor, voices: Sequence[Voice]) -> Voice:
    clips, seconds = sum(voice.clips for voice in voices), round(sum(voice.seconds for voice in voices), 2)
    return Voice(embedding, method, voices[0].tts_fingerprint, clips, seconds=seconds, consent=_consent(voices))


def _consent(voices: Sequence[Voice]) -> str:
    """Consent statements of the voices of a mixture, with counts; they are not consent to the mixture itself."""
    texts = [voice.consent for voice in voices if voice.consent]
    parts = [f"{texts.count(text)} of {len(voices)} voices in it: {text!r}" for text in dict.fromkeys(texts)]
    if texts and len(texts) < len(voices):
        parts.append(f"{len(voices) - len(texts)} of {len(voices)}: not stated")
    return "; ".join(parts)
