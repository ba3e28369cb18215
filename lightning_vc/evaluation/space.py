"""Where voices lie: the principal axes of those a model learnt, and a picture of voices in them (section 5.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from lightning_vc.evaluation.clones import Clones
from lightning_vc.evaluation.sounds import Sound
from lightning_vc.morphing import learned_by_speaker, learnt_from
from lightning_vc.voice import Voice

_FEWEST = 3  # voices that make a plane
_COLOURS = {"F": "tab:red", "M": "tab:blue"}
_MARKERS = "osD^vP*Xp<>hd8"


@dataclass(frozen=True)
class Space:
    """Principal axes.

    Attributes:
        centre: (E,), the mean voice.
        axes: (K, E), of length 1, the one of most variance first.
        shares: (K,), of the variance of the voices they were fitted to, each from 0 to 1.
    """

    centre: Tensor
    axes: Tensor
    shares: Tensor

    def project(self, voices: Sequence[Voice]) -> Tensor:
        """Coordinates of voices: (N, K); raises ValueError for voices of another length."""
        rows = _rows(voices)
        if rows.shape[1] != len(self.centre):
            raise ValueError(f"voices of {rows.shape[1]} numbers do not lie in a space of {len(self.centre)}")
        return (rows - self.centre) @ self.axes.T


class Place(NamedTuple):
    """A voice to draw, and what is known of its speaker."""

    voice: Voice
    sex: str | None = None
    accent: str | None = None


def fit_space(voices: Sequence[Voice], n_axes: int = 2) -> Space:
    """Principal axes of voices.

    The largest number of each axis is positive, so that a picture does not turn over from one run to the next.
    Raises ValueError for too few voices, or for voices that are all the same.
    """
    if len(voices) <= n_axes or n_axes < 1:
        raise ValueError(
            f"{len(voices)} voices cannot span {n_axes} axes: give more voices than axes, and 1 axis or more"
        )
    rows = _rows(voices)
    if rows.shape[1] < n_axes:
        raise ValueError(f"voices of {rows.shape[1]} numbers have no {n_axes} axes")
    centre = rows.mean(0)
    _, sizes, axes = torch.linalg.svd(rows - centre, full_matrices=False)
    if not sizes[0] > 0:
        raise ValueError(f"the {len(voices)} voices are all the same: they have no axes")
    axes, variances = axes[:n_axes], sizes.square()
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))  # (K, 1)
    return Space(centre, axes * largest.sign(), variances[:n_axes] / variances.sum())


def draw_space(space: Space, places: Sequence[Place]) -> Figure:
    """Voices in the first two axes of a space; raises ValueError for a space of one axis, and for no voices."""
    if len(space.axes) < 2:
        raise ValueError("a picture needs a space of 2 axes or more, got 1")
    points = space.project([place.voice for place in places])
    labels = (f"axis 1, {space.shares[0]:.0%} of the variance", f"axis 2, {space.shares[1]:.0%}")
    return _draw(points, places, labels)


def _draw(points: Tensor, places: Sequence[Place], labels: tuple[str, str]) -> Figure:
    """Places at points (N, 2 or more).

    Colour is the sex and shape the accent of the speaker; pale dots are learnt, filled ones with a black rim encoded,
    hollow ones adapted, those with a golden rim mixed.
    """
    accents = sorted({place.accent or "unknown" for place in places})
    shapes = {accent: _MARKERS[number % len(_MARKERS)] for number, accent in enumerate(accents)}
    figure = Figure(figsize=(8, 5.5), layout="constrained", dpi=100)
    axis = figure.subplots()
    for place, point in zip(places, points.tolist(), strict=True):
        colour = _COLOURS.get(place.sex or "", "tab:gray")
        marker = shapes[place.accent or "unknown"]
        axis.plot(point[0], point[1], marker, **_look(_kind(place.voice), colour))
    axis.set(xlabel=labels[0], ylabel=labels[1])
    sexes = sorted({place.sex or "unknown" for place in places})
    kinds = sorted({_kind(place.voice) for place in places})
    keys = [_key(sex, "s", _look("encoded", _COLOURS.get(sex, "tab:gray")) | {"mec": "none"}) for sex in sexes]
    keys += [_key(accent, shapes[accent], _look("encoded", "black")) for accent in accents]
    keys += [_key(kind, "o", _look(kind, "tab:gray")) for kind in kinds]
    figure.legend(handles=keys, loc="outside right upper")
    return figure


def _places(clones: Clones, sounds: Sequence[Sound]) -> tuple[list[Place], list[Place]]:
    """The voices that the model learnt, and those of these sounds; none where the shards are of other speakers.

    Voices of a joint model are left out: it has a space of its own.
    """
    speakers = {entry.id: entry for entry in clones.folder.index.speakers}
    cloner, index = clones.cloner, clones.folder.index
    if not learnt_from(cloner, index):
        return [], []
    learned = [
        Place(voice, speakers[id].sex, speakers[id].accent) for id, voice in learned_by_speaker(cloner, index).items()
    ]
    said = []
    for place, sound in {sound.path.parent: sound for sound in sounds}.items():
        about = {"sex": speakers[sound.speaker].sex, "accent": speakers[sound.speaker].accent}
        if sound.changed:
            about[sound.changed[0]] = sound.changed[1]
        said.append(Place(Voice.load(place / "voice.safetensors"), about["sex"], about["accent"]))
    return learned, [place for place in said if place.voice.base == cloner.base]


def draw_voices(clones: Clones, sounds: Sequence[Sound]) -> dict[str, Figure]:
    """Pictures of the voices of these sounds among those that the model learnt, by name; none if it learnt too few."""
    learned, said = _places(clones, sounds)
    if len(learned) < _FEWEST:
        return {}
    return {"The space of voices": draw_space(fit_space([place.voice for place in learned]), [*learned, *said])}


def _rows(voices: Sequence[Voice]) -> Tensor:
    """(N, E), in double precision; ValueError for none, and for voices of several models."""
    if not voices:
        raise ValueError("no voices: give at least one")
    if len(bases := {(voice.base, len(voice.vector)) for voice in voices}) > 1:
        raise ValueError(f"voices of {len(bases)} models or lengths lie in no common space: clone them with one model")
    return torch.stack([voice.vector.detach().cpu().double() for voice in voices])


def _kind(voice: Voice) -> str:
    kinds = {"learned": "learned", "encoder": "encoded"} | dict.fromkeys(("morph", "average", "interpolate"), "mixed")
    return kinds.get(voice.method, "adapted")


def _look(kind: str, colour: str) -> dict[str, Any]:
    looks: dict[str, dict[str, Any]] = {
        "learned": {"color": colour, "alpha": 0.4, "ms": 6},
        "encoded": {"color": colour, "mec": "black", "ms": 9},
        "adapted": {"mfc": "none", "mec": colour, "mew": 2, "ms": 9},
        "mixed": {"color": colour, "mec": "gold", "mew": 2, "ms": 9},
    }
    return looks[kind]


def _key(label: str, marker: str, look: dict[str, Any]) -> Line2D:
    return Line2D([], [], ls="none", marker=marker, label=label, **look)
