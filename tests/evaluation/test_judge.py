import json
import shutil
import sys
from pathlib import Path

import pytest

from lightning_vc.recipes import evaluate
from tests.evaluation.command import SENTENCES, evaluate_flags
from tests.tiny import TinyRun

JUDGE = """
import json, sys, pathlib
for line in open(sys.argv[1]):
    sound, others, text = line.rstrip("\\n").split("\\t")
    with open(pathlib.Path(sys.argv[1]).with_name("asked"), "a") as asked:
        asked.write(sound + "\\n")
    clips = sound.split("clones/")[-1].split("/")[0].split("-")[-1] if "clones/" in sound else 9
    words = len(text.split())
    print(json.dumps({"clip": sound, "similarity": int(clips) / 10, "words": words, "word_errors": 1, "heard": "x"}))
for odd in ({"clips": 3}, 1, ["clip"], {"clip": 5}):
    print(json.dumps(odd))
"""


def test_an_outside_judge_makes_a_table(tiny_run: TinyRun, tmp_path: Path) -> None:
    (tmp_path / "judge.py").write_text(JUDGE)
    joint = tmp_path / "joint"  # any model with an encoder will do
    shutil.copytree(tiny_run.folder, joint, ignore=shutil.ignore_patterns("shards"))
    out = tmp_path / "out"
    flags = [*evaluate_flags(tiny_run, out), "--methods", "[encoder,joint]", "--joint", str(joint)]
    flags += ["--judge", f"{sys.executable} {tmp_path / 'judge.py'}", "--judged", "1"]
    evaluate.main(flags)
    results = json.loads((out / "results.json").read_text())["results"]
    said = {(each["voice"], each["clips"]): each["value"] for each in results if each["measure"] == "similarity"}
    for bound in ("real recordings", "real voices, the sentences", "the mean voice", "the model's own speakers"):
        assert said[bound, None] == pytest.approx(0.9)
    assert [said[method, clips] for method in ("encoder", "joint") for clips in (1, 3)] == [0.1, 0.3, 0.1, 0.3]
    rates = {(each["voice"], each["clips"]): each["value"] for each in results if each["measure"] == "word_error_rate"}
    assert rates["encoder", 3] == pytest.approx(1 / len(SENTENCES[0].split()), abs=1e-4)
    asked = (out / "asked").read_text().splitlines()
    assert len(asked) == len(set(asked)) == 2 * (4 + 1 + 4 + 1)  # clones, the real voices, bounds, and real recordings
    evaluate.main(flags)  # knows it all
    assert (out / "asked").read_text().splitlines() == asked
    lines = (out / "judged.jsonl").read_text().splitlines()
    (out / "judged.jsonl").write_text("\n".join([*lines[:5], lines[5][:20]]))  # killed while it wrote
    evaluate.main(flags)
    assert (out / "asked").read_text().splitlines()[20:] == asked[5:]


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ("false", "judge 'false' ended with status 1"),
        ("echo no", "prints 'no "),
        ("true", "judge 'true' says nothing of "),
    ],
)
def test_a_judge_that_does_not_judge(
    tiny_run: TinyRun, tmp_path: Path, judge: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        evaluate.main([*evaluate_flags(tiny_run, tmp_path / "out"), "--methods", "[encoder]", "--judge", judge])
    assert message in capsys.readouterr().err
