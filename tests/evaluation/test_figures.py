import pytest
import torch

from lightning_vc import Voice
from lightning_vc.evaluation.figures import draw_embeddings

KNOWN = {"sex": "F", "accent": "en-gb"}


def voices_of(rows: torch.Tensor, method: str = "learned") -> list[Voice]:
    return [Voice(row, method, "b", 1) for row in rows]


def test_axes_are_those_of_most_variance_and_none_is_mirrored() -> None:
    rows = torch.zeros(6, 3)
    rows[:2, 1], rows[2:4, 1] = 4.0, -4.0
    rows[4, 2], rows[5, 2] = 1.0, -1.0
    clone = torch.tensor([[7.0, 9.0, 4.0]])  # of which no axis depends
    for order in (rows, rows.flip(0)):
        figure = draw_embeddings([*voices_of(order + 7), *voices_of(clone, "encoder")], [KNOWN] * 7)
        axes = figure.axes[0]
        assert axes.get_xlabel() == "axis 1, 97% of the variance"
        assert axes.get_ylabel() == "axis 2, 3%"
        (encoded,) = [line for line in axes.lines if line.get_label() == "F, encoded"]
        assert encoded.get_xydata().tolist() == [[pytest.approx(2), pytest.approx(-3)]]


def test_a_figure_says_what_is_in_it() -> None:
    voices = voices_of(torch.eye(4))
    for method in ("encoder", "embedding", "morph"):
        voices += voices_of(torch.ones(1, 4), method)
    traits = [{"sex": "F", "accent": "a"}, {"sex": "M", "accent": None}] * 3 + [{"sex": "M", "accent": "a"}]
    legends = [
        {text.get_text() for text in axes.get_legend().get_texts()} for axes in draw_embeddings(voices, traits).axes
    ]
    assert legends[0] == {"F, training speaker", "M, training speaker", "F, encoded", "M, adapted", "M, edited"}
    assert {"a, training speaker", "unknown, training speaker"} <= legends[1]
    with pytest.raises(ValueError, match="2 training speakers do not span a plane"):
        draw_embeddings(voices_of(torch.eye(2)), [KNOWN] * 2)
