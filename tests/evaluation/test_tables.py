import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.evaluation.folder import Row, Sound
from lightning_vc.evaluation.report import write_report
from lightning_vc.evaluation.tables import Result, summarise, write_results

ROW = Row("encoder", 5)
AllScores = dict[Sound, dict[str, Any]]


def sounds(*speakers: str, row: Row = ROW) -> list[Sound]:
    return [Sound(Path(f"{row.system}{number}.wav"), row, who, "a text") for number, who in enumerate(speakers)]


def test_a_mean_and_its_interval() -> None:
    scores: AllScores = {sound: {"similarity": n / 10} for n, sound in enumerate(sounds(*"aaabbbcccddd"))}
    (result,) = summarise(scores)
    assert (result.row, result.measure, result.sounds) == (ROW, "similarity", 12)
    assert result.value == pytest.approx(0.55)
    assert result.low is not None
    assert result.high is not None
    assert 0.1 < result.low < 0.45
    assert 0.65 < result.high < 1
    assert summarise(scores) == [result]
    assert summarise(scores, seed=1) != [result]


def test_sounds_of_one_speaker_say_less_than_those_of_several() -> None:
    alike = sounds(*"aaaabbbb")
    (result,) = summarise({sound: {"x": float(sound.speaker == "a")} for sound in alike})
    assert (result.low, result.high) == (0, 1)  # either of the two may be drawn twice
    (result,) = summarise({sound: {"x": 1.0} for sound in alike})
    assert (result.low, result.value, result.high) == (1, 1, 1)


def test_the_word_error_rate_is_averaged_over_words() -> None:
    first, second = sounds("a", "b")
    (result,) = summarise({first: {"words": 10, "word_errors": 1}, second: {"words": 1, "word_errors": 1}})
    assert (result.measure, result.value) == ("word_error_rate", pytest.approx(2 / 11))


def test_error_rates_are_of_all_trials_of_a_row() -> None:
    (right,) = summarise({sound: {"trials_5": [3.0, -1.0, -2.0, 0.5]} for sound in sounds(*"abcd")})
    assert (right.measure, right.value) == ("eer_5", 0)
    (wrong,) = summarise({sound: {"trials_5": [-3.0, 1.0, 2.0, 3.0]} for sound in sounds(*"abcd")})
    assert wrong.value == 1


def test_a_sound_that_was_not_measured_does_not_count() -> None:
    first, second = sounds(*"ab")
    (other,) = sounds("a", row=Row("nobody"))
    (result,) = summarise({first: {"x": 1.0}, second: {}, other: {}})
    assert (result.row, result.sounds) == (ROW, 1)


def test_results_as_files(tmp_path: Path) -> None:
    scores: AllScores = {sound: {"x": 0.25, "y": 1.0} for sound in sounds("a", "a")}
    scores |= {sound: {"x": 0.0} for sound in sounds("a", row=Row("real recordings"))}
    write_results(tmp_path, summarise(scores), {"about": 0})
    saved = json.loads((tmp_path / "results.json").read_text())
    assert saved["about"] == 0
    assert saved["results"][0] == {
        "system": "encoder",
        "clips": 5,
        "steps": None,
        "measure": "x",
        "value": 0.25,
        "low": None,  # there is but one speaker
        "high": None,
        "sounds": 2,
    }
    assert saved["results"][2]["value"] == 0
    assert (tmp_path / "results.md").read_text().splitlines() == [
        "| system | clips | steps | x | y |",
        "| --- | --- | --- | --- | --- |",
        "| encoder | 5 |  | 0.25 | 1.00 |",
        "| real recordings |  |  | 0.00 |  |",
    ]
    assert str(summarise({sound: {"x": 0.25} for sound in sounds("a", "b")})[0]) == "0.25 [0.25, 0.25]"


def test_names_in_tables_stay_in_their_cells(tmp_path: Path) -> None:
    evil = "<b>a|b</b>\n| c"
    results = [
        Result(Row(evil, 5), "p808", 3.0, None, None, 1),
        Result(Row(evil, 5, 9), "likeness", 1.0, None, None, 1),
    ]
    write_results(tmp_path, results, {})
    assert (tmp_path / "results.md").read_text().splitlines()[2] == r"| <b>a\|b</b>\n\| c | 5 |  | 3.00 |  |"
    entry = SpeakerEntry("id", None, "<i>accent</i>", None, "test", 9, 9, 9.0)
    index = Index("shards", 16000, {}, (), {"id": entry}, 0, 0, "")
    costs = {Row(evil, 5): {"cloning_seconds": 1.0, "real_time_factor": 1.0, "parameters": 1000.0, "bytes": 1.0}}
    write_report(tmp_path / "page.html", index, [], results, {evil: Figure()}, costs, [evil])
    page = (tmp_path / "page.html").read_text()
    assert "<b>" not in page
    assert (
        page.count("&lt;b&gt;a|b&lt;/b&gt;") == 5
    )  # a table, costs, the title and description of a figure, what is missing
    assert "<td>1,000</td>" in page
