import pytest
import torch

from lightning_vc import Cloner, Voice
from lightning_vc.evaluation.space import Place, draw_space, fit_space
from lightning_vc.morphing import learned_by_speaker
from tests.tiny import TinyRun


def voices_of(rows: torch.Tensor, base: str = "b") -> list[Voice]:
    return [Voice(row, "learned", base, 1) for row in rows]


def test_axes_are_those_of_most_variance() -> None:
    rows = torch.zeros(6, 3)
    rows[:2, 1], rows[2:4, 1] = 4.0, -4.0
    rows[4, 2], rows[5, 2] = 1.0, -1.0
    space = fit_space(voices_of(rows + 7))
    torch.testing.assert_close(space.axes, torch.tensor([[0, 1, 0], [0, 0, 1]]).double())
    torch.testing.assert_close(space.shares, torch.tensor([64 / 66, 2 / 66]).double())
    torch.testing.assert_close(
        space.project(voices_of(torch.tensor([[7.0, 9.0, 4.0]]))), torch.tensor([[2.0, -3.0]]).double()
    )


def test_no_axis_turns_over() -> None:
    rows = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    space, again = fit_space(voices_of(rows)), fit_space(voices_of(rows.flip(0)))
    torch.testing.assert_close(space.axes, again.axes)


def test_what_spans_no_space_is_named() -> None:
    with pytest.raises(ValueError, match="2 voices cannot span 2 axes"):
        fit_space(voices_of(torch.eye(2)))
    with pytest.raises(ValueError, match="the 3 voices are all the same"):
        fit_space(voices_of(torch.ones(3, 2)))
    with pytest.raises(ValueError, match="voices of 2 models or lengths"):
        fit_space([*voices_of(torch.eye(3)), *voices_of(torch.eye(3), base="other")])
    with pytest.raises(ValueError, match="voices of 4 numbers do not lie in a space of 3"):
        fit_space(voices_of(torch.eye(3))).project(voices_of(torch.eye(4)))


def test_a_picture_says_what_is_in_it(tiny_run: TinyRun) -> None:
    cloner, index = Cloner(tiny_run.tts), tiny_run.index
    learned = learned_by_speaker(cloner, index)
    entries = {entry.id: entry for entry in index.speakers}
    places = [Place(voice, entries[speaker].sex, entries[speaker].accent) for speaker, voice in learned.items()]
    row = next(iter(learned.values())).vector
    places += [Place(Voice(row, method, cloner.base, 1)) for method in ("encoder", "embedding", "morph")]
    figure = draw_space(fit_space(list(learned.values())), places)
    (legend,) = figure.legends
    told = {text.get_text() for text in legend.get_texts()}
    assert {"F", "M", "unknown", "learned", "encoded", "adapted", "mixed"} <= told
    assert len(figure.axes[0].lines) == len(places)
