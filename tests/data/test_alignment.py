"""Where words are, by an aligner that knows real speech; and what is cut where."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from lightning_vc.corpora.generated import GeneratedCorpus
from lightning_vc.corpora.librispeech import LibriSpeech
from lightning_vc.data.alignment import align, split, split_untranscribed
from lightning_vc.data.samples import checksum_holds
from lightning_vc.data.utterance import Limits, encode
from lightning_vc.text.normalize import normalize
from lightning_vc.types import Span, Utterance, Word


def words(text: str) -> list[Word]:
    """`a b, c` as words with one phoneme each, and marks."""
    return [Word(item) if item in ",." else Word(item, ("b",)) for item in text.replace(",", " ,").split()]


def spans(*starts: float) -> list[Span]:
    """Words that take half a second each."""
    return [(start, start + 0.5) for start in starts]


def cut(text: str, places: list[Span], longest: float) -> list[tuple[float, float, str]]:
    pieces = split(words(text), places, 10.0, longest)
    return [(piece.start, piece.end, " ".join(word.text for word in piece.words)) for piece in pieces]


def test_pieces_are_as_long_as_they_may_be() -> None:
    places = spans(0.5, 1.0, 2.0, 3.0, 3.5, 5.0)  # pauses behind b, c and e
    assert cut("a b c d e f", places, 10.0) == [(0.4, 5.6, "a b , {%} c , {%} d e , {%} f")]
    assert cut("a b c d e f", places, 2.5) == [
        (0.4, 2.6, "a b , {%} c ,"),
        (pytest.approx(2.9), 4.1, "d e ,"),
        (pytest.approx(4.9), 5.6, "f"),
    ]


def test_speech_without_a_pause_is_not_cut() -> None:
    assert [text for *_, text in cut("a b c d e", spans(0, 0.5, 1.0, 1.5, 3.0), 1.0)] == ["a b c d ,", "e"]


def test_a_mark_of_the_text_is_not_written_twice() -> None:
    assert [text for *_, text in cut("a, b c.", spans(0, 1.0, 1.5), 9.0)] == ["a , {%} b c."]


def test_a_piece_has_the_times_of_its_words() -> None:
    first, second = split(words("a b c, d"), spans(0.5, 1.0, 2.0, 3.0), 10.0, 2.3)
    assert first.spans == (pytest.approx((0.1, 0.6)), pytest.approx((0.6, 1.1)), pytest.approx((1.6, 2.1)))
    assert second.spans == (pytest.approx((0.1, 0.6)),)


@pytest.fixture(scope="module")
def librispeech(shared_data: Path) -> LibriSpeech:
    return LibriSpeech(shared_data / "LibriSpeech", ["train-clean-5"])


@pytest.fixture(scope="module")
def long(librispeech: LibriSpeech) -> Utterance:
    """One of 16 s with three pauses."""
    return next(item for item in librispeech if (item.text or "").startswith("AS YOU KNOW AND AS I HAVE GIVEN"))


def test_words_are_found_in_real_speech(librispeech: LibriSpeech, long: Utterance) -> None:
    wave = librispeech.read(long, 16000)
    recordings = normalize(long.text or "")
    places = align(wave, recordings)
    assert places is not None
    assert len(places) == len(recordings)
    assert all(start < end <= later for (start, end), (later, _) in pairwise(places))
    silences = [(end, later) for (_, end), (later, _) in pairwise(places) if later - end > 0.2]
    assert len(silences) >= 2
    loudness = wave.square().mean()
    for start, end in silences:
        assert wave[round((start + 0.05) * 16000) : round((end - 0.05) * 16000)].square().mean() < loudness / 10


def test_a_name_that_no_dictionary_has_is_found_by_its_phonemes(librispeech: LibriSpeech) -> None:
    named = next(item for item in librispeech if "DURAZZO" in (item.text or ""))
    places = align(librispeech.read(named, 16000), normalize(named.text or ""))
    assert places is not None


def test_alignment_does_not_depend_on_earlier_calls(librispeech: LibriSpeech, long: Utterance) -> None:
    others = [item for item in librispeech if item.speaker != long.speaker][:3]
    recordings = [(librispeech.read(item, 16000), normalize(item.text or "")) for item in (long, *others)]
    assert [align(*item) for item in recordings] == [align(*item) for item in recordings[::-1]][::-1]


def test_words_that_are_not_in_the_recording_are_not_aligned() -> None:
    assert align(torch.zeros(1600), normalize("this is far too much to be said in a tenth of a second")) is None


def test_a_long_utterance_becomes_short_samples(librispeech: LibriSpeech, long: Utterance) -> None:
    whole = encode(librispeech, long, Limits(), 16000)
    made = encode(librispeech, long, Limits(split_seconds=7.0), 16000)
    assert len(whole.samples) == 1
    assert len(made.samples) >= 3
    assert not made.unaligned
    assert all(sample.seconds <= 7.01 for sample in made.samples)
    assert [sample.id for sample in made.samples] == [f"{long.id}_{i:02d}" for i in range(len(made.samples))]
    assert sum(sample.seconds for sample in made.samples) > 0.9 * whole.samples[0].seconds
    for sample in made.samples:
        text = sample.encode()["json"]
        content = json.loads(text)
        assert len(content["spans"]) == sum(bool(phonemes) for _, phonemes in content["words"])
        assert 0 <= content["spans"][0][0] < 0.3
        assert sample.seconds - 0.3 < content["spans"][-1][1] <= sample.seconds
        assert checksum_holds(text, sample.flac)
        assert not checksum_holds(text.replace(b"seconds", b"sekonds"), sample.flac)
        assert not checksum_holds(text, sample.flac[:20] + b"!" + sample.flac[21:])


def test_a_recording_within_the_limit_is_not_cut() -> None:
    # 0.1 s behind its last word it would be 2.2 s long, and there is a pause behind a
    (piece,) = split(words("a, b c"), spans(0.02, 0.9, 1.6), 2.12, longest=2.12)
    assert (piece.start, piece.end) == (0, 2.12)


def test_a_short_utterance_is_aligned_but_not_cut(librispeech: LibriSpeech) -> None:
    short = next(item for item in librispeech if len(item.text or "") < 60)
    (sample,) = encode(librispeech, short, Limits(split_seconds=16.0), 16000).samples
    assert sample.id == short.id
    assert len(json.loads(sample.encode()["json"])["spans"]) == len((short.text or "").split())
    (sample,) = encode(librispeech, short, Limits(), 16000).samples
    assert json.loads(sample.encode()["json"])["spans"] is None


def test_untranscribed_recordings_are_cut_at_quiet_moments() -> None:
    wave = torch.ones(16000 * 7)
    wave[int(2.6 * 16000) : int(2.7 * 16000)] = 0.01
    wave[int(4.5 * 16000) : int(4.6 * 16000)] = 0.01
    pieces = list(split_untranscribed(wave, 16000, 3.5))
    assert [(piece.start, piece.end) for piece in pieces] == [(0.0, 3.5), (3.5, 7.0)]
    pieces = list(split_untranscribed(wave, 16000, 3.4))
    assert pieces[0].end == pytest.approx(2.65, abs=0.05)
    assert pieces[1].end == pytest.approx(4.55, abs=0.05)
    assert pieces[2].end == 7.0


@pytest.mark.parametrize("seconds", [0.03, 0.4, 2.9, 3.0, 3.01, 6.2, 100.0])
def test_pieces_of_the_untranscribed_are_short_enough_and_cover_all(seconds: float) -> None:
    torch.manual_seed(0)
    pieces = list(split_untranscribed(torch.randn(round(seconds * 8000)), 8000, 3.0))
    assert (pieces[0].start, pieces[-1].end) == (0.0, pytest.approx(seconds))
    assert all(first.end == second.start for first, second in pairwise(pieces))
    assert all(0 < piece.end - piece.start <= 3.0 for piece in pieces)
    assert len(pieces) == -(-round(seconds * 8000) // 24000)


def test_words_between_digital_silence_are_found() -> None:
    corpus = GeneratedCorpus(n_speakers=2, utterances=4)
    silence = torch.zeros(8000)
    for speaker in corpus.voices:
        output = [item for item in corpus if item.speaker.id == speaker]
        wave = torch.cat([part for item in output for part in (corpus.read(item, 16000), silence)])
        text = " ".join(item.text or "" for item in output)
        result = align(wave, normalize(text))
        assert result is not None
        assert all(before[1] <= after[0] + 0.011 for before, after in pairwise(result))
        assert result[-1][1] > len(wave) / 16000 - 1.5
