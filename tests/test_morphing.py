from dataclasses import replace

import pytest
import torch

from lightning_vc import Cloner, Voice
from lightning_vc.morphing import average, interpolate, learned_embeddings, morph
from tests.tiny import TinyRun


def voice(*numbers: float, consent: str = "", base: str = "b", moved: bool = False) -> Voice:
    parameters = {"weight": torch.ones(2)} if moved else {}
    return Voice(torch.tensor(numbers), "encoder", base, 2, parameters, 3.5, consent)


def test_an_average() -> None:
    made = average([voice(0.0, 2.0), voice(4.0, 0.0)])
    assert made.embedding.tolist() == [2.0, 1.0]
    assert (made.method, made.tts_fingerprint, made.clips, made.seconds) == ("average", "b", 4, 7.0)


def test_a_mixture_ends_at_both_voices() -> None:
    first, second = voice(0.0, 2.0), voice(4.0, 0.0)
    made = [interpolate(first, second, amount) for amount in (0, 0.25, 1)]
    assert [item.embedding.tolist() for item in made] == [[0.0, 2.0], [1.0, 1.5], [4.0, 0.0]]
    assert made[0].method == "interpolate"


def test_morph_adds_the_difference_of_groups_and_keeps_adapted_parameters() -> None:
    adapted = voice(1.0, 1.0, moved=True)
    made = morph(adapted, [voice(2.0, 0.0), voice(4.0, 0.0)], [voice(0.0, 1.0)], amount=2.0)
    assert made.embedding.tolist() == [7.0, -1.0]
    assert (made.method, made.clips, made.seconds) == ("morph", 2, 3.5)
    assert made.adapted_parameters.keys() == adapted.adapted_parameters.keys()


def test_a_mixture_lists_the_consents_of_its_sources() -> None:
    yes, silent = voice(0.0, consent="yes"), voice(1.0)
    assert average([silent, silent]).consent == ""
    assert interpolate(yes, silent, 0.5).consent == "1 of 2 voices in it: 'yes'; 1 of 2: not stated"
    both = morph(yes, [yes], [voice(0.0, consent="for tests")]).consent
    assert both == "2 of 3 voices in it: 'yes'; 1 of 3 voices in it: 'for tests'"


def test_a_mixture_can_be_read_again() -> None:
    long = replace(voice(1.0), seconds=1e308)
    with pytest.raises(ValueError, match="a voice of 4 clips and inf seconds: both are numbers from 0"):
        average([long, long])


def test_voices_that_do_not_go_together_are_named() -> None:
    one = voice(0.0)
    with pytest.raises(ValueError, match="voices is empty"):
        average([])
    with pytest.raises(ValueError, match=r"voice 2 of voices \(encoder\) belongs to model 'other', not to 'b'"):
        interpolate(one, voice(0.0, base="other"), 0.5)
    with pytest.raises(ValueError, match=r"voice 1 of minus \(encoder\) has 2 numbers, not 1: clone both"):
        morph(one, [one], [voice(0.0, 0.0)])
    with pytest.raises(ValueError, match=r"voice 2 of plus \(encoder\) changes weights .* by encoder or embedding"):
        morph(one, [one, voice(0.0, moved=True)], [one])
    with pytest.raises(ValueError, match="amount must be a number from -100 to 100, got nan"):
        interpolate(one, one, float("nan"))


def test_the_voices_that_a_model_learnt(tiny_run: TinyRun) -> None:
    cloner, index = Cloner.load(tiny_run.tts), tiny_run.index
    every = learned_embeddings(cloner, index)
    assert list(every) == cloner.tts.speakers
    women, men = (list(learned_embeddings(cloner, index, sex=sex).values()) for sex in "FM")
    assert len(women) + len(men) == len(every)
    assert women[0].method == "learned"
    entry = next(entry for entry in index.speakers_of("train", "validation") if entry.sex == "F")
    assert every[entry.id].embedding.equal(women[0].embedding)
    assert women[0].clips == entry.transcribed


def test_speakers_that_there_are_not(tiny_run: TinyRun) -> None:
    cloner, index = Cloner.load(tiny_run.folder), tiny_run.index
    for name in ("cloner", "index"):  # names of arguments
        with pytest.raises(ValueError, match=f"speakers have no '{name}'"):
            learned_embeddings(cloner, index, **{name: "F"})
    cloner, index = Cloner.load(tiny_run.tts), tiny_run.index
    with pytest.raises(ValueError, match="with sex X; there are sex: F, M"):
        learned_embeddings(cloner, index, sex="X")
    with pytest.raises(ValueError, match="speakers have no 'height': choose from id, sex, accent"):
        learned_embeddings(cloner, index, height=2)
    with pytest.raises(ValueError, match="holds other speakers than"):
        learned_embeddings(cloner, replace(index, speakers=index.speakers[:1]))
