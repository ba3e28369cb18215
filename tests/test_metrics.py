import math

import pytest
import torch
from torch import Tensor

from lightning_vc.metrics import (
    alignment_problems,
    equal_error_rate,
    pitch_error,
    retrieval_rank,
    time_warp,
)


def walk(*symbols: int, of: int = 8) -> Tensor:
    """Attention that is at these symbols, step by step."""
    return torch.eye(of)[list(symbols)].unsqueeze(0)


@pytest.mark.parametrize(
    ("alignment", "finished", "problems"),
    [
        (walk(0, 1, 2, 3, 4, 5, 6, 7), True, ()),
        (walk(0, 2, 5, 7), True, ()),  # a step may cover three symbols
        (walk(0, 1, 2, 3, 4, 5, 6, 7), False, ("the model found no end",)),
        (walk(0, 1, 2, 6, 7), True, ("something was skipped",)),
        (walk(0, 1, 2, 3, 4), True, ("something was skipped",)),  # the end
        (walk(0, 2, 4, 6, 2, 4, 6, 7), True, ("attention went back",)),
        (walk(0, 1, 2, *[3] * 9, 4, 5, 6, 7), True, ("attention was stuck",)),
        (walk(0, 1, 2, 3, *[4] * 9, 5, 6, 7), True, ()),  # at a space one may wait
        (walk(0, 1, 2, 3, 4, 5, 6, 7) * 0.1 + 0.9 / 8, True, ("attention is blurred",)),
        (torch.cat([torch.full((1, 8, 8), 1 / 8), walk(0, 1, 2, 3, 4, 5, 6, 7)]), True, ()),  # the best layer
        (torch.cat([walk(*[7] * 8), walk(0, 1, 2, 3, 4, 5, 6, 7) * 0.9 + 0.1 / 8]), True, ()),  # if it is less sharp
        (walk(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7), True, ("attention was stuck",)),  # slow throughout
    ],
)
def test_what_goes_wrong_is_seen(alignment: Tensor, finished: bool, problems: tuple[str, ...]) -> None:
    symbols = ["a", "b", "c", "d", " ", "e", ".", "<end>"]
    assert alignment_problems(alignment, symbols, 0.1, finished) == problems


def melody(frames: int) -> Tensor:
    torch.manual_seed(3)
    return torch.rand(frames, 20).cumsum(0) / frames


def test_distortion_of_equal_sounds_is_zero() -> None:
    assert time_warp(melody(12), melody(12)).distortion == pytest.approx(0, abs=0.02)


def test_distortion_does_not_mind_stretching_in_time() -> None:
    mel = melody(12)
    stretched = mel.repeat_interleave(torch.tensor([1, 3, 2] * 4), 0)
    assert time_warp(mel, stretched).distortion == pytest.approx(0, abs=0.02)
    assert time_warp(mel, mel.flip(0)).distortion > 1  # but time must run forward


def test_distortion_does_not_mind_loudness() -> None:
    assert time_warp(melody(12), melody(12) + 0.1).distortion == pytest.approx(0, abs=0.05)


def test_distortion_by_hand() -> None:
    # One band pattern of 3 dB amplitude, the first cosine: all of its power is in coefficient 1.
    bands = torch.arange(20)
    cosine = 0.03 * torch.cos(math.pi * (bands + 0.5) / 20)
    quiet = torch.full((7, 20), 0.5)
    assert time_warp(quiet, quiet + cosine).distortion == pytest.approx(3 / math.sqrt(2), rel=1e-3)


def test_distortion_takes_the_cheapest_path() -> None:
    cosine = torch.cos(math.pi * (torch.arange(20) + 0.5) / 20)
    heights = torch.tensor([0.0, 0.1, 0.2, 0.3]), torch.tensor([0.0, 0.2, 0.3])
    first, second = (height.unsqueeze(1) * cosine for height in heights)
    # (0, 0), (1, 0) or (1, 1), (2, 1), (3, 2): one of four pairs is 0.1 off, 10 dB of amplitude
    assert time_warp(first, second).distortion == pytest.approx(10 / math.sqrt(2) / 4, rel=1e-3)
    assert time_warp(second, first).distortion == pytest.approx(10 / math.sqrt(2) / 4, rel=1e-3)


def test_pitch_error_is_in_semitones_where_there_are_two_voices() -> None:
    first = torch.tensor([100.0, 200.0, torch.nan, 150.0, 400.0])
    second = torch.tensor([200.0, 200.0, 100.0, torch.nan, 400.0 * 2 ** (1 / 12)])
    assert pitch_error(first, second) == pytest.approx(1, abs=1e-4)  # of 12, 0 and 1
    assert pitch_error(first[2:4], second[2:4]) is None


def test_time_warp_says_which_frames_go_together() -> None:
    mel = melody(6)
    warp = time_warp(mel, mel.repeat_interleave(2, 0))
    assert [*zip(warp.rows.tolist(), warp.columns.tolist(), strict=True)][::2] == [(i, 2 * i) for i in range(6)]


def test_retrieval_rank() -> None:
    voices = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    answers = torch.tensor([[0.1, 0.0], [0.1, 0.0], [0.1, 0.0]])
    assert float(retrieval_rank(answers[:1], voices, torch.tensor([0]))) == 1
    assert float(retrieval_rank(answers, voices, torch.tensor([0, 1, 2]))) == 2


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_equal_error_rate_by_hand(scale: float) -> None:
    scores = scale * torch.tensor([0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.1, 0.0])
    same = torch.tensor([True, True, True, True, False, False, False, False])
    assert equal_error_rate(scores, same) == pytest.approx(0.25)  # one of four refused, one of four accepted
    assert equal_error_rate(scores, ~same) == pytest.approx(0.75)
    assert equal_error_rate(scores, scores > 0.5 * scale) == 0


def test_equal_error_rate_is_that_of_speechbrain() -> None:
    from speechbrain.utils.metric_stats import EER

    import lightning_vc.audio.backend  # noqa: F401  # before speechbrain

    torch.manual_seed(0)
    positive, negative = torch.tanh(0.5 + 0.3 * torch.randn(200)), torch.tanh(0.3 * torch.randn(300))
    scores, same = torch.cat([positive, negative]), torch.arange(500) < 200
    assert equal_error_rate(scores, same) == pytest.approx(EER(positive, negative)[0], abs=2e-3)
