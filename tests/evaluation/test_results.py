import csv
import json
from pathlib import Path

import pytest

from lightning_vc.evaluation.results import shown, summarise, write_results
from lightning_vc.evaluation.sounds import Opinions, Row, Sound

ROW = Row("encoder", 5)


def sounds(*speakers: str, row: Row = ROW) -> list[Sound]:
    return [Sound(Path(f"{row.voice}{number}.wav"), row, who, "a text", ()) for number, who in enumerate(speakers)]


def test_a_mean_and_its_interval() -> None:
    heard = sounds(*"aaabbbcccddd")
    opinions: Opinions = {sound.path: {"similarity": number / 10, "said": "x"} for number, sound in enumerate(heard)}
    (result,) = summarise(heard, opinions)
    assert (result.row, result.measure, result.sounds) == (ROW, "similarity", 12)
    assert result.value == pytest.approx(0.55)
    assert 0.1 < result.low < 0.45
    assert 0.65 < result.high < 1
    assert summarise(heard, opinions) == [result]
    assert summarise(heard, opinions, seed=1) != [result]


def test_sounds_of_one_speaker_say_less_than_those_of_several() -> None:
    alike = sounds(*"aaaabbbb")
    opinions: Opinions = {sound.path: {"x": float(sound.speaker == "a")} for sound in alike}
    (result,) = summarise(alike, opinions)
    assert (result.low, result.high) == (0, 1)  # either of the two may be drawn twice
    constant: Opinions = {sound.path: {"x": True} for sound in alike}
    (result,) = summarise(alike, constant)
    assert (result.low, result.value, result.high) == (1, 1, 1)


def test_a_rate_is_of_all_words_and_not_the_mean_of_rates() -> None:
    heard = sounds("a", "b")
    opinions: Opinions = {
        heard[0].path: {"words": 10, "word_errors": 1},
        heard[1].path: {"words": 1, "word_errors": 1},
    }
    (result,) = summarise(heard, opinions)
    assert (result.measure, result.value) == ("word_error_rate", pytest.approx(2 / 11))


def test_error_rates_are_of_all_trials_of_a_row() -> None:
    heard = sounds(*"abcd")
    right: Opinions = {sound.path: {"trials_5": {"own": 3.0, "others": [-1.0, -2.0, 0.5]}} for sound in heard}
    values = {each.measure: each.value for each in summarise(heard, right)}
    assert values == {"eer_5": 0, "min_dcf_5": 0}
    wrong: Opinions = {sound.path: {"trials_5": {"own": -3.0, "others": [1.0, 2.0, 3.0]}} for sound in heard}
    assert {each.measure: each.value for each in summarise(heard, wrong)}["eer_5"] == 1


def test_a_sound_of_which_nothing_was_said_does_not_count() -> None:
    heard = sounds(*"ab") + sounds("a", row=Row("nobody"))
    (result,) = summarise(heard, {heard[0].path: {"x": 1}, heard[1].path: {"y": "words"}})
    assert (result.row, result.sounds) == (ROW, 1)


def test_results_as_files(tmp_path: Path) -> None:
    heard = sounds("a", "a") + sounds("a", row=Row("real recordings"))
    opinions: Opinions = {sound.path: {"x": 0.25, **({"y": 1} if sound.row == ROW else {})} for sound in heard}
    results = summarise(heard, opinions)
    write_results(tmp_path, results, {"seed": 0})
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["seed"] == 0
    assert saved["results"][0] == {
        "voice": "encoder",
        "clips": 5,
        "steps": None,
        "measure": "x",
        "value": 0.25,
        "low": None,  # there is but one speaker
        "high": None,
        "sounds": 2,
    }
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["voice"], row["clips"], row["measure"]) for row in rows] == [
        ("encoder", "5", "x"),
        ("encoder", "5", "y"),
        ("real recordings", "", "x"),
    ]
    assert (tmp_path / "results.md").read_text().splitlines() == [
        "| voice | clips | steps | x | y |",
        "| --- | --- | --- | --- | --- |",
        "| encoder | 5 |  | 0.25 | 1.00 |",
        "| real recordings |  |  | 0.25 |  |",
    ]
    assert shown(None) == ""
    assert shown(summarise(sounds("a", "b"), opinions)[0]) == "0.25 [0.25, 0.25]"
