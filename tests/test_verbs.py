"""Command lines of verbs that are functions."""

import time
from typing import Any

import pytest

from lightning_vc.verbs import call
from tests.test_settings import LAUGHS

CALLED: list[dict[str, Any]] = []


def speak(text: str = "", clips: list[str] | None = None, loud: bool = False) -> None:
    """Keep the options."""
    CALLED.append({"text": text, "clips": clips, "loud": loud})


@pytest.mark.parametrize(
    "text", ["#1 fan", "null", "~", "- a", "3", "[a, b", "{a: b}", "yes", 'it\'s: "so"', "é\n", ""]
)
def test_a_text_arrives_as_it_is(text: str) -> None:
    call(speak, ["--text", text, "--clips", "a.wav", "-5 is cold", "null", "--loud"])
    call(speak, [f"--text={text}"])
    assert CALLED.pop() == {"text": text, "clips": None, "loud": False}
    assert CALLED.pop() == {"text": text, "clips": ["a.wav", "-5 is cold", "null"], "loud": True}


def test_the_help_of_lists_shows_that_words_follow(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call(speak, ["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "usage: lightning-vc speak" in printed
    assert "--text TEXT (type: str) --clips CLIPS ... (type: list[str]) --loud" in printed


def test_an_option_without_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--text"], ["--clips"], ["--bogus", "1"]):
        with pytest.raises(SystemExit) as end:
            call(speak, words)
        assert end.value.code == 2
        assert words[0].removeprefix("--") in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--count", LAUGHS], [f"--count={LAUGHS}"]])
def test_aliases_that_grow_are_refused_on_a_command_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def verb(count: int | list[int] = 1) -> None:
        raise AssertionError("it must not be called")

    started = time.process_time()
    with pytest.raises(SystemExit) as end:
        call(verb, words)
    assert end.value.code == 2
    assert "it has the alias *a" in capsys.readouterr().err
    assert time.process_time() - started < 2


def test_text_with_alias_characters_is_a_plain_value() -> None:
    values = []

    def verb(text: str) -> None:
        values.append(text)

    call(verb, ["--text", "AT&T: *two* & {more"])
    assert values == ["AT&T: *two* & {more"]
