import pytest
import torch
from torch import Tensor

from lightning_vc.modules.attention import Attention, MonotonicWindow
from lightning_vc.modules.decoder import Decoder, Prenet

Inputs = tuple[Tensor, Tensor, Tensor, Tensor]  # keys, values, padding, voice


def made(
    reduction: int = 2, layers: int = 3, attending: tuple[int, ...] | None = None, done: float | None = None
) -> Decoder:
    """A small decoder; `done` makes it sure, in every step, whether it is done."""
    torch.manual_seed(0)
    decoder = Decoder(
        memory=16,
        speaker_dim=4,
        n_mels=10,
        reduction=reduction,
        layers=layers,
        attending=attending,
        prenet=lambda frames, voice: Prenet(frames, voice, (12, 16)),
        attention=lambda h, text, voice, r: Attention(h, text, voice, r, hidden=16, key_rate=4.0, position_weight=1.0),
    )
    if done is not None:
        torch.nn.init.constant_(decoder.done.bias, done)
    return decoder.eval()


def read(lengths: tuple[int, ...] = (9, 6)) -> Inputs:
    """What a text encoder makes of texts of so many symbols."""
    torch.manual_seed(1)
    shape = (len(lengths), max(lengths), 16)
    padding = torch.arange(max(lengths)) >= torch.tensor(lengths).unsqueeze(1)
    return torch.randn(shape), torch.randn(shape), padding, torch.randn(len(lengths), 4)


@pytest.mark.parametrize(("reduction", "attending", "hops"), [(1, None, 3), (2, (1,), 1), (4, (0, 2), 2)])
def test_shapes(reduction: int, attending: tuple[int, ...] | None, hops: int) -> None:
    decoder = made(reduction, attending=attending)
    decoded = decoder(*read(), torch.randn(2, 7 * reduction, 10))
    assert decoded.mel.shape == (2, 7 * reduction, 10)
    assert decoded.hidden.shape == (2, decoder.dim, 7) == (2, 16, 7)
    assert decoded.done.shape == (2, 7)
    assert decoded.alignments.shape == (2, hops, 7, 9)


@pytest.mark.parametrize("attending", [(), (3,), (-1, 0)])
def test_blocks_that_are_not_there_cannot_attend(attending: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"attending names blocks 0 to 2 and at least one, got \("):
        made(attending=attending)


def test_future_frames_do_not_change_the_past() -> None:
    decoder, inputs = made(), read()
    frames = torch.rand(2, 20, 10)
    other = frames.clone()
    other[:, 12:] += 1  # from step 6 on
    one, two = decoder(*inputs, frames), decoder(*inputs, other)
    # A step sees the group before its own, so step 6 is the last that must not change.
    torch.testing.assert_close(one.mel[:, :14], two.mel[:, :14])
    torch.testing.assert_close(one.done[:, :7], two.done[:, :7])
    torch.testing.assert_close(one.alignments[:, :, :7], two.alignments[:, :, :7])
    assert (one.mel[:, 14:16] - two.mel[:, 14:16]).abs().max() > 1e-3


def test_padding_of_the_text_is_not_looked_at() -> None:
    decoder, (keys, values, padding, voice) = made(), read((9, 6))
    frames = torch.rand(2, 12, 10)
    together = decoder(keys, values, padding, voice, frames)
    alone = decoder(keys[1:, :6], values[1:, :6], padding[1:, :6], voice[1:], frames[1:])
    torch.testing.assert_close(together.mel[1], alone.mel[0], atol=1e-5, rtol=0)
    assert not together.alignments[1, :, :, 6:].any()
    torch.testing.assert_close(together.alignments.sum(-1), torch.ones(2, 3, 6))


@pytest.mark.parametrize(("reduction", "attending"), [(1, None), (2, (1,)), (4, (0, 2))])
def test_decoding_step_by_step_is_teacher_forcing_with_its_own_frames(
    reduction: int, attending: tuple[int, ...] | None
) -> None:
    decoder, inputs = made(reduction, attending=attending, done=-100), read()
    output, _, _ = decoder.generate(*inputs, torch.tensor([12, 12]), MonotonicWindow(99, 99))
    assert output.mel.shape[1] == 12 * reduction
    teacher_forced = decoder(*inputs, output.mel.clamp(0, 1.2))
    for name in ("mel", "hidden", "done", "alignments"):
        torch.testing.assert_close(getattr(output, name), getattr(teacher_forced, name), atol=1e-4, rtol=0)


def test_a_sentence_is_decoded_in_a_batch_as_alone() -> None:
    decoder, (keys, values, padding, voice) = made(done=-100), read((9, 6, 8))
    limits = torch.tensor([10, 4, 7])
    together, steps, _ = decoder.generate(keys, values, padding, voice, limits, MonotonicWindow())
    assert steps.equal(limits)
    assert together.mel.shape == (3, 20, 10)
    for row, length in enumerate((9, 6, 8)):
        one, count = slice(row, row + 1), int(limits[row])
        inputs = keys[one, :length], values[one, :length], padding[one, :length], voice[one], limits[one]
        alone, _, _ = decoder.generate(*inputs, MonotonicWindow())
        for name in ("mel", "hidden", "done"):
            mine, its = getattr(together, name)[row], getattr(alone, name)[0]
            mine = mine[:, :count] if name == "hidden" else mine[: len(its)]
            torch.testing.assert_close(mine, its, atol=1e-5, rtol=0)
        torch.testing.assert_close(together.alignments[row, :, :count, :length], alone.alignments[0], atol=1e-5, rtol=0)
    assert not together.hidden[1, :, 4:].any()


@pytest.mark.parametrize("window", [(0, 1), (1, 3), (0, 0)])
def test_attention_stays_in_its_window(window: tuple[int, int]) -> None:
    back, ahead = window
    output, _, _ = made(layers=2, done=-100).generate(
        *read((30, 30)), torch.tensor([25, 25]), MonotonicWindow(back, ahead)
    )
    looked = output.alignments.argmax(-1)  # (B, A, S)
    before = torch.cat([torch.zeros_like(looked[..., :1]), looked[..., :-1]], -1)
    assert (looked >= before - back).all()
    assert (looked <= before + ahead).all()
    symbols = torch.arange(30)
    outside = (symbols < before.unsqueeze(-1) - back) | (symbols > before.unsqueeze(-1) + ahead)
    assert not output.alignments[outside].any()
    torch.testing.assert_close(output.alignments.sum(-1), torch.ones(2, 2, 25))
    if ahead:
        assert looked.max() > 0  # it walks


def test_decoding_is_cut_off_where_the_decoder_never_says_that_it_is_done() -> None:
    output, steps, finished = made(done=-100).generate(*read(), torch.tensor([11, 7]), MonotonicWindow(99, 99))
    assert output.mel.shape == (2, 22, 10)
    assert steps.tolist() == [11, 7]
    assert not finished.any()


def test_decoding_stops_where_attention_lingers_at_the_end() -> None:
    decoder, inputs, window = made(done=-100), read((9, 6)), MonotonicWindow(0, 1, max_dwell=4)
    output, steps, finished = decoder.generate(*inputs, torch.tensor([200, 200]), window, end_patience=5)
    whole, *_ = decoder.generate(*inputs, torch.tensor([200, 200]), window)
    assert finished.all()
    for row, (last, count) in enumerate(zip((8, 5), steps.tolist(), strict=True)):
        reached = int(
            ((whole.alignments[row].argmax(-1) >= last - 1).float().mean(0) >= 0.5).nonzero()[0]
        )  # the first step there
        assert 5 <= count - reached <= 10
        torch.testing.assert_close(output.mel[row, : 2 * count], whole.mel[row, : 2 * count], atol=1e-5, rtol=0)
    assert steps.max() < 200


def test_one_layer_that_runs_ahead_ends_nothing() -> None:
    decoder = made(layers=4, done=100)
    output, steps, finished = decoder.generate(
        *read((40, 40)), torch.tensor([300, 300]), MonotonicWindow(), end_patience=6
    )
    assert finished.all()
    for row, count in enumerate(steps.tolist()):
        places = output.alignments[row, :, :count].argmax(-1)  # (A, S)
        arrived = (places >= 38).sum(0)
        assert arrived[-1] >= 2
        assert (arrived[:-1] == 1).any()  # one was there before, and the sentence went on


def test_decoding_stops_when_all_are_done_and_not_before_the_text_is_read() -> None:
    decoder = made(attending=(1,), done=100)
    output, steps, finished = decoder.generate(*read((9, 6)), torch.tensor([200, 200]), MonotonicWindow(0, 1))
    assert finished.all()
    assert output.done.shape[1] == steps.max() < 200
    for row, length in enumerate((9, 6)):
        looked = output.alignments[row, 0].argmax(-1).tolist()
        first = next(step for step, symbol in enumerate(looked) if symbol >= length - 2)
        assert steps[row] == first + 1 >= length - 2


def test_the_output_depends_on_the_speaker_embedding() -> None:
    decoder, (keys, values, padding, voice) = made(), read()
    frames = torch.rand(2, 12, 10)
    one, two = (decoder(keys, values, padding, item, frames) for item in (voice, -voice))
    assert (one.mel - two.mel).abs().mean() > 0.01
    assert (one.alignments - two.alignments).abs().max() > 1e-3


def test_fed_back_frames_are_clamped() -> None:
    decoder, inputs = made(done=-100), read()
    torch.nn.init.constant_(decoder.mel.bias, 100)
    output, _, _ = decoder.generate(*inputs, torch.tensor([3, 3]), MonotonicWindow(99, 99))
    assert output.mel.min() > 50
    teacher_forced = decoder(*inputs, torch.full_like(output.mel, 1.2))
    torch.testing.assert_close(output.mel, teacher_forced.mel, atol=1e-4, rtol=0)
