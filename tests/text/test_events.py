import pytest

from lightning_vc.text.events import without_events


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the [noise] cat", "the cat"),
        ("[laughter] the cat [LIP SMACK]", "the cat"),
        ("<noise> the cat <sil>", "the cat"),
        ("(laughs) the cat (clears throat)", "the cat"),
        ("the cat (LAUGHTER)", "the cat"),
        ("*coughs* the cat", "the cat"),
        ("{SL} the cat {BREATH}", "the cat"),
        ("!SIL the cat %hesitation", "the cat"),
        ("the(2) cat", "the cat"),
        ("so [laughter-yeah] right", "so yeah right"),
        ("[noise]", ""),
    ],
)
def test_events_are_no_words(text: str, expected: str) -> None:
    assert without_events(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "the  cat, (said the king) slept.",
        "3 < 5 and 7 > 2",
        "100 % of it!",
        "I {R EH1 D} it {/} twice {ɹ ˈɛ d}",
        "he laughs, and clears his throat",
    ],
)
def test_words_stay_as_they_are(text: str) -> None:
    assert without_events(text) == text


@pytest.mark.parametrize(
    "mark", ["<unk>", "<UNK>", "[unintelligible]", "(inaudible)", "<spoken_noise>", "[SPN]", "{xxx}"]
)
def test_a_text_that_lacks_words_is_refused(mark: str) -> None:
    with pytest.raises(ValueError, match="where a word was not understood"):
        without_events(f"the {mark} cat")
