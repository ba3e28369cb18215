import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from lightning_vc.evaluation import outside
from lightning_vc.evaluation.outside import Judge
from lightning_vc.evaluation.sounds import Opinion
from lightning_vc.recipes import evaluate
from tests.evaluation.command import SENTENCES, evaluate_flags
from tests.tiny import TinyRun


def test_sounds_are_scored_once_and_make_a_table(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Path] = []

    def opinion(judges: Sequence[Judge], sound: Path, references: Sequence[Path], text: str | None) -> Opinion:
        assert references
        assert text
        heard.append(sound)
        clips = re.findall(r"clones/\w+-(\d+)/", str(sound))
        return {"similarity": int(*clips or [9]) / 10, "words": len(text.split()), "word_errors": 1, "understood": "x"}

    monkeypatch.setattr(outside, "opinion", opinion)
    joint = tmp_path / "joint"  # any model with an encoder will do
    shutil.copytree(tiny_run.folder, joint, ignore=shutil.ignore_patterns("shards"))
    out = tmp_path / "out"
    flags = [*evaluate_flags(tiny_run, out), "--methods", "[encoder,joint]", "--joint", str(joint)]
    flags += ["--objective_metrics", "true", "--metric_sentences", "1"]
    evaluate.main(flags)
    results = json.loads((out / "results.json").read_text())["results"]
    scores = {(each["voice"], each["clips"]): each["value"] for each in results if each["measure"] == "similarity"}
    for bound in ("real recordings", "real voices, the sentences", "the mean voice", "the model's own speakers"):
        assert scores[bound, None] == pytest.approx(0.9)
    assert [scores[method, clips] for method in ("encoder", "joint") for clips in (1, 3)] == [0.1, 0.3, 0.1, 0.3]
    rates = {(each["voice"], each["clips"]): each["value"] for each in results if each["measure"] == "word_error_rate"}
    assert rates["encoder", 3] == pytest.approx(1 / len(SENTENCES[0].split()), abs=1e-4)
    assert len(heard) == len(set(heard)) == 2 * (4 + 1 + 4 + 1)  # clones, the real voices, bounds, real recordings
    evaluate.main(flags)  # knows it all
    assert len(heard) == 20
    record = out / "judged.jsonl"
    lines = record.read_text().splitlines()
    record.write_text("\n".join([*lines[:5], lines[5][:20]]))  # killed while it wrote
    evaluate.main(flags)
    assert heard[20:] == heard[5:20]
    assert record.read_text().splitlines() == lines


@pytest.mark.parametrize("content", ["{}", "[1]}", '{"key"}', "1}"])
def test_a_damaged_record_of_scores(content: str, tmp_path: Path) -> None:
    (tmp_path / "judged.jsonl").write_text(content)
    with pytest.raises(ValueError, match=r"judged\.jsonl is damaged"):
        outside.score(tmp_path, [])
