import pytest
import torch
from torch import Tensor

from lightning_vc.devices import set_precision
from lightning_vc.modules.acoustic import DeepVoice3
from lightning_vc.modules.attention import Attention
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.decoder import Decoder, Prenet
from lightning_vc.modules.text_encoder import TextEncoder
from tests.modules.batches import batch


def made(scheduled_sampling: float = 0.0, frames_per_symbol: int = 4) -> DeepVoice3:
    torch.manual_seed(0)
    return DeepVoice3(
        speaker_dim=4,
        n_mels=10,
        n_fft=16,
        reduction=2,
        encoder=lambda voice: TextEncoder(voice, embedding=16, channels=16, layers=2),
        decoder=lambda text, voice, mels, r: Decoder(
            text,
            voice,
            mels,
            r,
            layers=2,
            prenet=lambda frames, voice: Prenet(frames, voice, (16, 16)),
            attention=lambda h, text, voice, r: Attention(h, text, voice, r, hidden=16),
        ),
        converter=lambda h, voice, bins, r: Converter(h, voice, bins, r, channels=16, layers=2),
        frames_per_symbol=frames_per_symbol,
        scheduled_sampling=scheduled_sampling,
    )


def test_shapes() -> None:
    output = made()(*batch())
    assert output.spectra.mel.shape == (2, 20, 10)
    assert output.spectra.linear.shape == (2, 20, 9)
    assert output.done.shape == (2, 10)
    assert output.alignments.shape == (2, 2, 10, 9)


def test_every_parameter_and_the_voice_learn() -> None:
    model, (text, voice, true, n_frames) = made().train(), batch()
    voice.requires_grad_()
    output = model(text, voice, true, n_frames)
    torch.cat([part.flatten() for part in (*output.spectra, output.done)]).square().sum().backward()
    untouched = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untouched == []
    assert voice.grad is not None
    assert (voice.grad != 0).all()


@pytest.mark.parametrize("done", [-100, 100])
def test_a_sentence_is_synthesised_in_a_batch_as_alone(done: float) -> None:
    model, (text, voice, *_) = made().eval(), batch()
    torch.nn.init.constant_(model.decoder.done.bias, done)
    together = model.synthesize(text, voice)
    alone = model.synthesize(text[1:, :6], voice[1:])
    frames = int(alone.frames[0])
    assert together.frames[1] == frames > 2
    assert together.finished[1] == alone.finished[0] == (done > 0)
    torch.testing.assert_close(together.spectra.mel[1, :frames], alone.spectra.mel[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(together.spectra.linear[1, :frames], alone.spectra.linear[0], atol=1e-4, rtol=0)


def test_synthesis_is_cut_off_after_so_many_frames_a_symbol() -> None:
    model, (text, voice, *_) = made(frames_per_symbol=3).eval(), batch()
    torch.nn.init.constant_(model.decoder.done.bias, -100)
    output = model.synthesize(text, voice)
    assert output.finished.tolist() == [False, False]
    assert output.frames.tolist() == [26, 18]  # 9 symbols of 3 frames make 13 steps of 2, and 6 make 9
    assert output.spectra.mel.shape == (2, 26, 10)
    assert output.spectra.linear.shape == (2, 26, 9)


def test_a_sentence_that_is_too_long_is_cut_off_and_has_no_end() -> None:
    model, (text, voice, *_) = made(frames_per_symbol=3).eval(), batch()
    torch.nn.init.constant_(model.decoder.done.bias, -100)
    output = model.synthesize(text, voice, most=21)
    assert output.finished.tolist() == [False, False]
    assert output.frames.tolist() == [20, 18]
    assert output.spectra.linear.shape == (2, 20, 9)


def test_synthesis_ends_at_the_predicted_last_step() -> None:
    model, (text, voice, *_) = made(frames_per_symbol=100).eval(), batch()
    torch.nn.init.constant_(model.decoder.done.bias, 100)
    output = model.synthesize(text, voice)
    assert output.finished.all()
    assert output.frames.max() == output.spectra.mel.shape[1] < 900
    assert (output.frames % 2 == 0).all()


def test_synthesis_leaves_no_graph_and_repeats_itself() -> None:
    model, (text, voice, *_) = made().eval(), batch()
    one, two = model.synthesize(text, voice), model.synthesize(text, voice)
    assert not one.spectra.linear.requires_grad
    assert one.spectra.linear.equal(two.spectra.linear)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_scheduled_sampling_is_used_in_training_only(share: float) -> None:
    plain, mixed = made(), made(scheduled_sampling=share)
    text, voice, true, n_frames = batch()
    evaluated = mixed.eval()(text, voice, true, n_frames).spectra
    torch.testing.assert_close(evaluated, plain.eval()(text, voice, true, n_frames).spectra)
    received: list[Tensor] = []  # by the decoder: the recording, then the mixture
    mixed.decoder.register_forward_pre_hook(lambda _, inputs: received.append(inputs[4]))
    mixed.train()(text, voice, true, n_frames)
    assert received[0].equal(true.mel)
    replaced = (received[1] != true.mel).any(-1)  # (B, T)
    assert replaced[:, ::2].equal(replaced[:, 1::2])  # groups are replaced as a whole
    assert replaced.all() if share == 1 else 0 < replaced.float().mean() < 1


def test_attention_finds_durations_which_no_speed_scales() -> None:
    text, voice, *_ = batch()
    with pytest.raises(ValueError, match=r"speed is 1\.5, and DeepVoice3 predicts no durations to scale: leave it out"):
        made().eval().synthesize(text, voice, speed=1.5)


def test_half_precision_is_refused_where_attention_counts_positions() -> None:
    with pytest.raises(ValueError, match=r"dtype is torch\.float16, and DeepVoice3 finds its alignments by attention"):
        set_precision(made(), torch.float16, DeepVoice3.has_attention)


def test_the_defaults_are_the_papers_sizes() -> None:
    with torch.device("meta"):
        model = DeepVoice3()
    assert model.speaker_dim == 512
    assert model.converter.leave.out_features == 2049
    assert len(model.encoder.blocks) == 7
    assert len(model.decoder.layers) == len(model.converter.blocks) == 8
    assert 20e6 < sum(weight.numel() for weight in model.parameters()) < 30e6
