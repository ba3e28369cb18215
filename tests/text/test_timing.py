import pytest

from lightning_vc.text.frontend import Characters, Phonemes
from lightning_vc.text.normalize import normalize
from lightning_vc.text.timing import symbol_times


def test_symbols_share_the_time_of_their_word_and_marks_that_between_words() -> None:
    symbols = Characters()(normalize("ab, ox."))
    # a and b from 1 to 2 s, a comma and a space from there to 3 s, o and x to 4 s, a full stop and the end to 5 s
    times = symbol_times(symbols, [(1, 2), (3, 4)], 5.0)
    assert times == pytest.approx([1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75])


def test_words_that_follow_each_other_at_once_leave_their_space_no_time() -> None:
    times = symbol_times(Phonemes()(normalize("a dog")), [(0, 1), (1, 4)], 4.0)
    assert times == pytest.approx([0.5, 1, 1.5, 2.5, 3.5, 4])


@pytest.mark.parametrize("spans", [[], [(0, 1)], [(0, 1), (1, 2), (2, 3)]])
def test_nothing_is_known_of_other_words(spans: list[tuple[float, float]]) -> None:
    assert symbol_times(Characters()(normalize("a dog")), spans, 4.0) is None


def test_a_text_may_begin_with_a_mark() -> None:
    comma, *rest = Characters()(normalize("a, b"))[1:]
    assert symbol_times([comma, *rest], [(2, 3)], 4.0) == pytest.approx([0.5, 1.5, 2.5, 3.5])
