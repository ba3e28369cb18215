import pytest
import torch

from lightning_vc.audio.features import Spectrograms
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.fastpitch import ConvFastPitch, _voicing
from lightning_vc.modules.text_encoder import TextEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.text.frontend import Phonemes
from lightning_vc.types import Spectra
from tests.modules.batches import batch


def made(**encoder_options: int) -> ConvFastPitch:
    torch.manual_seed(0)
    return ConvFastPitch(
        speaker_dim=4,
        n_mels=10,
        n_fft=16,
        encoder=lambda voice: TextEncoder(voice, embedding=16, channels=16, layers=2, **encoder_options),
        converter=lambda h, voice, bins, r: Converter(h, voice, bins, r, channels=16, layers=2),
        channels=16,
        layers=2,
    )


def test_shapes() -> None:
    output = made()(*batch())
    assert output.spectra.mel.shape == (2, 20, 10)
    assert output.spectra.linear.shape == (2, 20, 9)
    assert output.done is None
    assert output.alignments.shape == (2, 1, 20, 9)
    assert output.losses.keys() == {"alignment", "duration", "pitch", "voicing", "prosody"}


def test_a_model_with_fewer_symbols_keeps_its_sizes() -> None:
    """A model that was trained before symbols were appended to the table still loads."""
    trained, rebuilt = made(n_symbols=50), made(n_symbols=50)
    rebuilt.load_state_dict(trained.state_dict())
    assert rebuilt.aligner.embed.num_embeddings == rebuilt.encoder.embed.num_embeddings == 50


def test_every_parameter_and_the_voice_learn() -> None:
    model, (text, voice, *rest) = made().train(), batch()
    voice.requires_grad_()
    output = model(text, voice, *rest)
    (sum(part.square().sum() for part in output.spectra) + sum(output.losses.values())).backward()
    untouched = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untouched == []
    assert voice.grad is not None
    assert (voice.grad != 0).all()


def test_padding_does_not_change_the_output() -> None:
    model, (text, voice, true, n_frames) = made().eval(), batch()
    together = model(text, voice, true, n_frames)
    alone = model(text[1:, :6], voice[1:], Spectra(*(item[1:, :16] for item in true)), n_frames[1:])
    torch.testing.assert_close(together.spectra.linear[1, :14], alone.spectra.linear[0, :14], atol=1e-5, rtol=0)


def test_a_sentence_is_synthesised_in_a_batch_as_alone() -> None:
    model, (text, voice, *_) = made().eval(), batch()
    together, alone = model.synthesize(text, voice), model.synthesize(text[1:, :6], voice[1:])
    frames = int(alone.frames[0])
    assert together.frames[1] == frames >= 6
    assert together.finished.all()
    torch.testing.assert_close(together.spectra.linear[1, :frames], alone.spectra.linear[0], atol=1e-5, rtol=0)


def test_a_sentence_that_is_too_long_is_cut_off_and_has_no_end() -> None:
    model, (text, voice, *_) = made().eval(), batch()
    whole = model.synthesize(text, voice)
    longer, shorter = whole.frames.tolist()
    cut = model.synthesize(text, voice, most=shorter)
    assert longer > shorter
    assert cut.frames.tolist() == [shorter, shorter]
    assert cut.finished.tolist() == [False, True]
    assert cut.spectra.linear.shape[1] == shorter
    torch.testing.assert_close(cut.spectra.mel[1], whole.spectra.mel[1, :shorter], atol=1e-5, rtol=0)


def test_durations_are_rounded_without_adding_up_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    model, (text, voice, *_) = made().eval(), batch()
    monkeypatch.setattr(model.duration_predictor, "forward", lambda *_: torch.full((2, 9, 1), 1.4).log())
    ends = model.predict_symbols(text, voice).ends
    assert ends[0].tolist() == [1, 3, 4, 6, 7, 8, 10, 11, 13]
    assert ends[1].tolist() == [1, 3, 4, 6, 7, 8, 8, 8, 8]  # padding has no frames
    assert model.synthesize(text, voice).frames.tolist() == [13, 8]


def test_it_learns_to_say_what_it_has_heard() -> None:
    """From one text in two voices, with pitch that the text does not tell, to frames that are like the heard ones."""
    torch.manual_seed(0)
    text, voice, n_frames = torch.tensor([[2, 3, 4, 5]] * 2), torch.eye(4)[:2], torch.tensor([12, 12])
    path = torch.tensor([[0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3], [0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3]])
    sounds = torch.rand(2, 6, 10)
    frames = torch.stack([sound[symbols[way]] for sound, symbols, way in zip(sounds, text, path, strict=True)])
    linear = frames[..., :9]
    model = made()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(120):
        output = model(text, voice, Spectra(frames, linear), n_frames)
        loss = (output.spectra.mel - frames).abs().mean() + (output.spectra.linear - linear).abs().mean()
        optimizer.zero_grad()
        (loss + sum(output.losses.values())).backward()
        optimizer.step()
    synthesis = model.eval().synthesize(text, voice)
    assert (synthesis.frames - 12).abs().max() <= 1
    for row in range(2):  # in the middle of each symbol
        lasting = synthesis.alignments[row, 0].sum(0)
        middles = (lasting.cumsum(0) - lasting / 2).long()
        error = (synthesis.spectra.mel[row, middles] - sounds[row, text[row]]).abs().mean()
        other = (synthesis.spectra.mel[row, middles] - sounds[1 - row, text[row]]).abs().mean()
        assert error < 0.5 * other


def test_the_silence_before_the_first_symbol_is_not_voiced() -> None:
    """A nasal that begins with 6 frames of silence has a pitch in the other 4; it hummed in all or none of them."""
    path = torch.tensor([[0] * 10 + [1] * 3 + [2] * 2])
    lasting = torch.tensor([[10.0, 3.0, 2.0]])
    for share, silent in ((0.4, 6), (0.8, 5), (0.05, 10), (1.0, 5)):
        voiced = _voicing(torch.tensor([[share, 0.6, 0.2]]), lasting, path)
        assert voiced[0].tolist() == [False] * silent + [True] * (10 - silent) + [True] * 3 + [False] * 2
    short = _voicing(torch.ones(1, 3), torch.tensor([[5.0, 3.0, 2.0]]), path[:, 5:])
    assert short.all()  # of recordings that begin at once


def test_spectrograms_of_another_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="a sample_rate of 16000, its spectrograms of 8000: give both the same"):
        TTSModel(made(), Spectrograms(8000, 16, 16, 4, 9), Phonemes(), ["a"])
