import random
from collections import Counter

import pytest

from lightning_vc.data.splits import Splits
from lightning_vc.types import Speaker, Utterance
from tests.data.tones import Tones


def speakers_of(sets: dict[str, list[Utterance]], split: str) -> set[str]:
    return {item.speaker.id for name in (split, f"{split}-held") for item in sets.get(name, [])}


def test_each_speaker_is_in_one_split_and_each_utterance_in_one_set() -> None:
    sets = Splits(test=2, validation=3, held=0.25).assign(list(Tones()))
    splits = [speakers_of(sets, split) for split in ("train", "validation", "test")]
    assert [len(split) for split in splits] == [5, 3, 2]
    assert len(set.union(*splits)) == 10
    ids = [item.id for utterances in sets.values() for item in utterances]
    assert sorted(ids) == [item.id for item in Tones()]


def test_of_each_learnt_speaker_the_same_share_is_put_aside() -> None:
    sets = Splits(test=2, validation=2, held=0.25).assign(list(Tones()))
    held = Counter(item.speaker.id for item in sets["train-held"] + sets["validation-held"])
    assert set(held.values()) == {2}
    assert held.keys() == speakers_of(sets, "train") | speakers_of(sets, "validation")
    assert "test-held" not in sets


def test_a_speaker_with_few_utterances_keeps_them() -> None:
    assert set(Splits(test=0, validation=0, held=0.1).assign(list(Tones()))) == {"train"}


def test_the_order_of_the_corpus_is_of_no_matter() -> None:
    utterances = list(Tones())
    shuffled = random.Random(1).sample(utterances, len(utterances))
    assert Splits().assign(shuffled) == Splits().assign(utterances)


def test_the_seed_changes_who_is_held_out() -> None:
    chosen = {frozenset(speakers_of(Splits(test=3, seed=seed).assign(list(Tones())), "test")) for seed in range(5)}
    assert len(chosen) > 1


def test_speakers_of_a_set_are_mixed() -> None:
    train = Splits(test=2, validation=2).assign(list(Tones()))["train"]
    assert len({item.speaker.id for item in train[:8]}) > 3


def test_picked_speakers_are_balanced_over_sex_and_spread_over_accents() -> None:
    speakers = {
        f"{sex}{accent}{number}": (Speaker(f"{sex}{accent}{number}", sex, accent), 20)
        for sex, count in (("F", 9), ("M", 3))
        for accent in "abc"
        for number in range(count)
    }
    splits = Splits(test=6, validation=6).of_speakers(speakers)
    for split in ("test", "validation"):
        chosen = [speakers[id][0] for id in splits if splits[id] == split]
        assert Counter(speaker.sex for speaker in chosen) == {"F": 3, "M": 3}
        assert Counter(speaker.accent for speaker in chosen) == {"a": 2, "b": 2, "c": 2}


def test_speakers_with_many_utterances_are_picked_first() -> None:
    speakers = {f"s{number}": (Speaker(f"s{number}"), 1 if number < 20 else 15) for number in range(25)}
    splits = Splits(test=4, validation=0).of_speakers(speakers)
    assert all(int(id[1:]) >= 20 for id in splits if splits[id] == "test")


def test_speakers_can_be_named() -> None:
    sets = Splits(test=["s03", "s07"], validation=["s01"]).assign(list(Tones()))
    assert speakers_of(sets, "test") == {"s03", "s07"}
    assert speakers_of(sets, "validation") == {"s01"}


def test_a_share_of_the_speakers() -> None:
    sets = Splits(test=0.2, validation=0.3).assign(list(Tones()))
    assert (len(speakers_of(sets, "test")), len(speakers_of(sets, "validation"))) == (2, 3)


@pytest.mark.parametrize(
    ("splits", "complaint"),
    [
        (Splits(test=["s03", "nobody"]), "test speakers nobody are not in the corpus; it has s00, "),
        (Splits(test=["s03"], validation=["s03"]), "s03 are named for both"),
        (Splits(test=11), "test asks for 11 speakers, the corpus has 10"),
        (Splits(test=5, validation=5), "leave none of 10 to train on"),
    ],
)
def test_impossible_splits_are_refused(splits: Splits, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        splits.assign(list(Tones()))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"held": 1.0}, "held .* got 1.0"), ({"test": -1}, "test .* got -1"), ({"validation": 1.5}, "validation .* 1.5")],
)
def test_options_out_of_range_are_refused(options: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Splits(**options)  # type: ignore[arg-type]
