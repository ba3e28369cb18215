from itertools import combinations

import pytest
import torch
from torch import Tensor

from lightning_vc.modules.durations import Aligner, best_path, forward_sum, symbols_of_frames


def scores(*lengths: int, frames: int = 7) -> Tensor:
    """Log probabilities (B, T, L) of texts of these lengths."""
    torch.manual_seed(0)
    logits = torch.randn(len(lengths), frames, max(lengths))
    padding = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    return logits.masked_fill(padding.unsqueeze(1), float("-inf")).log_softmax(-1)


def ways(frames: int, symbols: int) -> list[Tensor]:
    """All ways to say every symbol in order, as the symbol of each frame."""
    cuts = combinations(range(1, frames), symbols - 1)
    return [torch.bucketize(torch.arange(frames), torch.tensor(cut), right=True) for cut in cuts]


def test_the_best_path_is_the_best_of_all_paths() -> None:
    logs = scores(4, 3)
    paths = best_path(logs, torch.tensor([4, 3]), torch.tensor([7, 6]))
    for row, (symbols, frames) in enumerate([(4, 7), (3, 6)]):
        best = max(ways(frames, symbols), key=lambda way: float(logs[row, torch.arange(len(way)), way].sum()))
        assert paths[row, :frames].equal(best)
        assert (paths[row, frames:] == symbols - 1).all()


def test_a_text_longer_than_its_sound_loses_its_beginning() -> None:
    path = best_path(scores(5, frames=3), torch.tensor([5]), torch.tensor([3]))
    assert path.tolist() == [[2, 3, 4]]


def test_the_forward_sum_is_that_over_all_paths() -> None:
    logs = scores(4, 3)
    loss = forward_sum(logs, torch.tensor([4, 3]), torch.tensor([7, 6]), blank=-1e4)  # never a blank
    expected = [
        -torch.logsumexp(torch.stack([logs[row, torch.arange(frames), way].sum() for way in ways(frames, symbols)]), 0)
        for row, (symbols, frames) in enumerate([(4, 7), (3, 6)])
    ]
    assert float(loss) == pytest.approx(float(expected[0] / 4 + expected[1] / 3) / 2, rel=1e-4)


def test_a_sound_too_short_for_its_text_teaches_nothing_and_breaks_nothing() -> None:
    logits = torch.randn(1, 3, 5, requires_grad=True)
    forward_sum(logits.log_softmax(-1), torch.tensor([5]), torch.tensor([3])).backward()
    assert logits.grad is not None
    assert logits.grad.equal(torch.zeros_like(logits))


def test_the_aligner_learns_without_times_of_words() -> None:
    torch.manual_seed(0)
    text, path = torch.tensor([[2, 3, 4, 5]]), torch.tensor([0, 0, 0, 1, 2, 2, 2, 2, 3, 3])
    sounds = torch.randn(6, 8)
    mel = sounds[text[0, path]].unsqueeze(0)
    aligner = Aligner(n_mels=8, hidden=16)
    optimizer = torch.optim.Adam(aligner.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        forward_sum(aligner(text, mel, torch.tensor([10])), torch.tensor([4]), torch.tensor([10])).backward()
        optimizer.step()
    result = best_path(aligner(text, mel, torch.tensor([10])), torch.tensor([4]), torch.tensor([10]))[0]
    assert (result != path).sum() <= 2  # it hears five frames at once, so borders may be off by one


def test_a_frame_belongs_to_the_first_symbol_that_has_not_ended() -> None:
    ends = torch.tensor([[1, 3, 4, 6, 7], [2, 3, 3, 3, 3]])
    assert symbols_of_frames(ends, torch.arange(7)).tolist() == [[0, 1, 1, 2, 3, 3, 4], [0, 0, 1, 4, 4, 4, 4]]
    assert symbols_of_frames(ends.clamp(max=5), torch.arange(5)).tolist() == [[0, 1, 1, 2, 3], [0, 0, 1, 4, 4]]
