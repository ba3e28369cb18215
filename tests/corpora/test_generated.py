import hashlib
import pickle
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest
import torch

from lightning_vc.corpora.generated import ACCENTS, VARIANTS, GeneratedCorpus
from lightning_vc.types import Speaker, Utterance

SCRIPT = """
import hashlib
from lightning_vc.corpora.generated import GeneratedCorpus
corpus = GeneratedCorpus(n_speakers=6, utterances=2)
for u in reversed(list(corpus)):
    print(u.id, u.text, hashlib.md5(corpus.read(u, 16000).numpy().tobytes()).hexdigest(), sep="|")
"""


def speakers_of(corpus: GeneratedCorpus) -> list[Speaker]:
    return [voice.speaker for voice in corpus.voices.values()]


def test_the_size_is_what_was_asked_for() -> None:
    corpus = GeneratedCorpus(n_speakers=5, utterances=3)
    utterances = list(corpus)
    assert len(utterances) == len({u.id for u in utterances}) == 15
    assert [s.id for s in speakers_of(corpus)] == list(dict.fromkeys(u.speaker.id for u in utterances))
    assert len(speakers_of(corpus)) == 5
    assert all(u.audio is None and u.text for u in utterances)


def test_default_speakers_are_balanced_over_sex_and_accent() -> None:
    corpus = GeneratedCorpus()
    speakers = speakers_of(corpus)
    assert len(speakers) == 96
    assert [s.sex for s in speakers].count("F") == 48
    for sex in "FM":
        counts = [sum(s.sex == sex and s.accent == accent for s in speakers) for accent in ACCENTS]
        assert min(counts) >= 5, f"{sex}: {counts}"


def test_men_are_lower_and_longer_than_women() -> None:
    voices = GeneratedCorpus().voices.values()
    women, men = ([v for v in voices if v.speaker.sex == sex] for sex in "FM")
    assert max(v.pitch for v in men) < min(v.pitch for v in women)
    assert max(v.tract for v in men) <= min(v.tract for v in women)
    assert all(150 <= v.rate <= 200 for v in voices)


def test_speakers_of_one_sex_and_variant_differ_clearly() -> None:
    for seed in range(5):
        voices = GeneratedCorpus(seed=seed).voices.values()
        for sex in "FM":
            for variant in VARIANTS:
                alike = [v for v in voices if v.speaker.sex == sex and v.variant == variant]
                assert len(alike) >= 4
                for one, other in combinations(alike, 2):
                    assert one.speaker.accent != other.speaker.accent
                    assert abs(one.tract / other.tract - 1) > 0.02 or abs(one.pitch / other.pitch - 1) > 0.08


def test_another_seed_is_another_corpus() -> None:
    one, other = (GeneratedCorpus(n_speakers=4, utterances=5, seed=seed) for seed in (0, 1))
    assert one.voices != other.voices
    assert not {u.text for u in one} & {u.text for u in other}


def test_more_of_it_leaves_the_rest_as_it_is() -> None:
    small, large = GeneratedCorpus(n_speakers=4, utterances=3), GeneratedCorpus(n_speakers=30, utterances=8)
    assert set(small) <= set(large)
    assert small.voices.items() <= large.voices.items()


def test_speakers_say_different_things() -> None:
    corpus = GeneratedCorpus(n_speakers=10, utterances=30)
    texts = [{u.text for u in corpus if u.speaker == speaker} for speaker in speakers_of(corpus)]
    assert max(len(one & other) for one, other in combinations(texts, 2)) <= 1


def test_the_sound_of_an_utterance() -> None:
    corpus = GeneratedCorpus(n_speakers=20, utterances=2)
    for utterance in list(corpus)[::2]:
        wave = corpus.read(utterance, 16000)
        assert wave.dtype == torch.float32
        assert 0.6 < len(wave) / 16000 < 4
        assert 0.5 < wave.abs().max() < 0.9  # loud, never clipped
    assert abs(len(corpus.read(utterance, 8000)) - len(wave) / 2) <= 1


def test_any_speaker_can_say_any_text() -> None:
    corpus = GeneratedCorpus(n_speakers=4)
    text = "Nobody in the corpus said this."
    waves = [corpus.say(speaker.id, text, 16000) for speaker in speakers_of(corpus)]
    assert len({len(wave) for wave in waves}) == 4
    utterance = next(iter(corpus))
    assert torch.equal(corpus.say(utterance.speaker.id, utterance.text or "", 16000), corpus.read(utterance, 16000))


def test_another_process_in_another_order_makes_the_same_samples() -> None:
    corpus = GeneratedCorpus(n_speakers=6, utterances=2)
    here = {f"{u.id}|{u.text}|{hashlib.md5(corpus.read(u, 16000).numpy().tobytes()).hexdigest()}" for u in corpus}
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, capture_output=True, text=True, check=True)
    assert set(run.stdout.split("\n")) - {""} == here


def test_a_pickled_corpus_is_the_same() -> None:
    corpus = GeneratedCorpus(n_speakers=3, utterances=2, seed=5)
    copy = pickle.loads(pickle.dumps(corpus))
    assert list(copy) == list(corpus)
    assert torch.equal(copy.read(next(iter(copy)), 16000), corpus.read(next(iter(corpus)), 16000))


@pytest.mark.parametrize(("name", "value"), [("n_speakers", 0), ("utterances", -1)])
def test_an_empty_corpus_is_refused(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} is {value}: give 1 or more"):
        GeneratedCorpus(**{name: value})


def test_a_speaker_who_does_not_exist() -> None:
    with pytest.raises(ValueError, match="no generated speaker 'f009': there are f000, m000, f001"):
        GeneratedCorpus(n_speakers=3).say("f009", "Hello.", 16000)


def test_an_utterance_without_text() -> None:
    corpus = GeneratedCorpus(n_speakers=1)
    with pytest.raises(ValueError, match="utterance x has no text"):
        corpus.read(Utterance("x", next(iter(corpus)).speaker), 16000)
