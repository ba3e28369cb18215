from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_vc import Cloner, Voice, synthesis
from lightning_vc.audio.features import Spectrograms, magnitude
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import GriffinLim, Vocoder
from lightning_vc.modules.acoustic import SynthesisOutput
from lightning_vc.synthesis import LONGEST_TEXT, write_speech
from lightning_vc.types import Spectra
from tests.tiny import TinyRun

LONG = "The friendly baker gave seven apples. Who was it, {%} then? {HH UW1} knows; nobody saw him, but all had heard."


class ZeroPhases(Vocoder):
    """Griffin-Lim makes more of what rounding leaves; this does not. It is far from full scale but for its `gain`."""

    def __init__(self, spectrograms: Spectrograms) -> None:
        super().__init__()
        self.spectrograms, self.gain = spectrograms, 0.01

    def forward(self, spectra: Spectra, post_filter: PostFilter | None = None) -> Tensor:
        made = self.spectrograms
        loud = made.undo(magnitude(spectra.linear.mT.clamp(0, 1)))
        return self.gain * torch.istft(loud + 0j, made.n_fft, made.hop, made.window, made.stft.window)


@pytest.fixture(scope="module")
def cloner(tiny_run: TinyRun) -> Cloner:
    cloner = Cloner.load(tiny_run.folder)
    cloner.vocoder = ZeroPhases(cloner.tts.spectrograms)
    cloner.tts.model.get_buffer("phases").zero_()  # angles of high harmonics make more of what rounding leaves too
    return cloner


@pytest.fixture(scope="module")
def voice(cloner: Cloner) -> Voice:
    return Voice(cloner.tts.table.weight[0].detach(), "table", cloner.tts_fingerprint, 1)


def test_streamed_is_whole(cloner: Cloner, voice: Voice) -> None:
    whole = cloner.say(LONG, voice)
    parts = list(cloner.stream(LONG, voice))
    assert [part.text[:11] for part in parts] == ["the friendl", "who was it,", "{HH UW1} kn", "but all had"]
    assert all(len(part.symbols) <= cloner.tts.max_symbols for part in parts)
    assert whole.text == LONG
    joined = torch.cat([part.wave for part in parts])
    assert joined.any()
    torch.testing.assert_close(joined, whole.wave, atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.cat([part.spectra.mel for part in parts], 1), whole.spectra.mel, atol=1e-4, rtol=0)
    assert whole.symbols == tuple(symbol for part in parts for symbol in part.symbols)
    assert len(whole.alignments) == len(parts)
    for alignment, part in zip(whole.alignments, parts, strict=True):
        torch.testing.assert_close(alignment, part.alignments[0], atol=1e-4, rtol=0)
        assert alignment.shape[1] * cloner.tts.model.reduction == part.spectra.mel.shape[1]
    assert whole.problems == tuple(problem for part in parts for problem in part.problems)
    assert all(problem.endswith(f": {part.text}") for part in parts for problem in part.problems)


def test_speech_and_streams_leave_headroom(cloner: Cloner, voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = cloner.say(LONG, voice).wave
    monkeypatch.setattr(cloner.vocoder, "gain", 0.01 * 2 / float(quiet.abs().max()))  # peaks of twice full scale
    whole, parts = cloner.say(LONG, voice), list(cloner.stream(LONG, voice))
    highest = 10 ** (-1 / 20)
    assert whole.wave.abs().max().item() == pytest.approx(highest)
    torch.testing.assert_close(whole.wave, quiet / quiet.abs().max() * highest, atol=1e-4, rtol=0)  # it is scaled
    assert 0.7 < max(float(part.wave.abs().max()) for part in parts) <= highest + 1e-6


def test_sentences_are_told_apart_by_silence(cloner: Cloner, voice: Voice) -> None:
    first, *_, last = cloner.stream(LONG, voice)
    pause = round(0.3 * cloner.sample_rate)
    assert not first.wave[-pause:].any()
    assert first.wave[: -pause - 1].any()
    assert last.wave[-pause:].any()


def test_many_texts_are_said_as_one_alone(cloner: Cloner, voice: Voice) -> None:
    texts = [LONG, "Yes.", "A man and a dog went home."]
    for together, text in zip(cloner.say_all(texts, voice), texts, strict=True):
        alone = cloner.say(text, voice)
        assert together.symbols == alone.symbols
        torch.testing.assert_close(together.spectra.mel, alone.spectra.mel, atol=1e-4, rtol=0)
        torch.testing.assert_close(together.wave, alone.wave, atol=1e-4, rtol=0)


def unfinished(cloner: Cloner, asked: list[tuple[int, bool]]) -> Callable[..., SynthesisOutput]:
    """Says, unless it is to be careful, that all texts but the shortest have no end."""

    def synthesize(text: torch.Tensor, embedding: torch.Tensor, strict: bool = False, most: int = 0) -> SynthesisOutput:
        asked.append((len(text), strict))
        batch, symbols = text.shape
        lengths, frames = (text != 0).sum(1), cloner.tts.model.reduction
        made = cloner.tts.spectrograms
        steps = torch.eye(symbols).expand(batch, 1, -1, -1)
        spectra = [torch.full((batch, frames * symbols, bins), 0.5) for bins in (made.n_mels, made.n_bins)]
        finished = torch.ones(batch, dtype=torch.bool) if strict else lengths == lengths.min()
        return SynthesisOutput(Spectra(*spectra), lengths * frames, finished, steps)

    return synthesize


def test_failed_segments_are_repeated_and_the_better_attempt_is_kept(
    cloner: Cloner, voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bool]] = []
    heard: list[Spectra] = []
    monkeypatch.setattr(cloner.tts.model, "synthesize", unfinished(cloner, asked))
    hook = cloner.vocoder.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    said = cloner.say_all(["Yes.", "A man and a dog went home."], voice)
    assert asked == [(2, False), (1, True)]
    assert len(heard) == 2  # what is not kept is not made to sound
    assert all(not each.problems and each.finished for each in said)
    hook.remove()


def test_endless_segments_are_cut_off_and_batched_by_size(
    cloner: Cloner, voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = cloner.tts.model
    asked: list[tuple[int, int]] = []

    def synthesize(text: Tensor, embedding: Tensor, strict: bool = False, most: int = 0) -> SynthesisOutput:
        asked.append((len(text), most))
        return original(text, embedding, strict, most)

    original, width = model.synthesize, max(size for weight in model.parameters() for size in weight.shape)
    monkeypatch.setattr(model, "synthesize", synthesize)
    texts = ["A man and a dog went home."] * 9
    assert all(not speech.problems for speech in cloner.say_all(texts, voice))
    ((together, _most),) = asked
    assert together == 9
    made = cloner.tts.spectrograms
    monkeypatch.setattr(synthesis, "_SEGMENT_SECONDS", 20.5 * made.hop / made.sample_rate)
    monkeypatch.setattr(synthesis, "_BATCH_VALUES", 4 * 20 * width)
    asked.clear()
    for speech in cloner.say_all(texts, voice):
        assert speech.problems[0] == "the model found no end: a man and a dog went home."
        assert not speech.finished
        assert speech.spectra.linear.shape[1] == speech.alignments[0].shape[1] == 20
    assert asked == [(4, 20), (4, 20), (1, 20)] * 2  # and once more, as they failed
    monkeypatch.setattr(synthesis, "_OUTPUT_VALUES", 1000)
    monkeypatch.setattr(synthesis, "_OUTPUT_VALUES_PER_SYMBOL", 10)
    with pytest.raises(ValueError, match=r"far too much audio for 'a man and a dog went home\.': take"):
        cloner.say_all(texts, voice)


def test_paragraphs_are_told_apart_by_silence_too(cloner: Cloner, voice: Voice) -> None:
    first, *_ = cloner.stream("Chapter One\n\nIt was late", voice)
    assert first.text == "chapter one"
    assert not first.wave[-round(0.3 * cloner.sample_rate) :].any()


def test_a_very_long_word_is_synthesised_in_parts(cloner: Cloner, voice: Voice) -> None:
    said = cloner.say("a" * 3000, voice)
    assert max(alignment.shape[2] for alignment in said.alignments) <= cloner.tts.max_symbols
    assert all(len(problem) < 300 for problem in said.problems)


def test_sounds_that_nobody_knows_are_named_before_anything_is_said(cloner: Cloner, voice: Voice) -> None:
    with pytest.raises(ValueError, match=r"unknown sound 'QX' in '\{R QX D\}'"):
        next(cloner.stream("Hello there. How are you? {R QX D}.", voice))


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_a_sound_can_be_as_short_as_it_likes(cloner: Cloner, frames: int) -> None:
    made = cloner.tts.spectrograms
    spectra = Spectra(torch.rand(1, frames, made.n_mels), torch.rand(1, frames, made.n_bins))
    wave = GriffinLim(made)(spectra)
    assert wave.shape == (1, (frames - 1) * made.hop)
    assert wave.isfinite().all()


@pytest.mark.usefixtures("printed")
def test_problems_are_told(
    cloner: Cloner, voice: Voice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lightning_vc.metrics._SLOW", -1.0)  # no symbol is to last at all
    said = cloner.say("A man and a dog went home.", voice)
    assert said.problems == ("attention was stuck: a man and a dog went home.",)
    write_speech(tmp_path / "a.wav", said)
    assert f"warning: {tmp_path / 'a.wav'}: {said.problems[0]}" in capsys.readouterr().err


def test_a_text_of_any_length_is_streamed_and_one_that_is_too_long_is_not_kept(cloner: Cloner, voice: Voice) -> None:
    text = "Yes. " * (LONGEST_TEXT // 5 + 1)
    with pytest.raises(ValueError, match=r"a text of 20,005 characters .* the limit is 20,000: stream it"):
        cloner.say(text, voice)
    parts = cloner.stream(text, voice)
    assert [next(parts).text for _ in range(3)] == ["yes."] * 3
    parts.close()  # type: ignore[attr-defined]


def test_a_stream_can_be_left(cloner: Cloner, voice: Voice) -> None:
    made: list[object] = []
    hook = cloner.vocoder.register_forward_pre_hook(lambda *_: made.append(1))
    parts = cloner.stream("Yes. " * 50, voice)
    next(parts)
    parts.close()  # type: ignore[attr-defined]
    hook.remove()
    assert 1 <= len(made) <= 2  # the one that was heard, and the one that was being made
