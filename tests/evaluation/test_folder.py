"""Whatever the ids of speakers are, an evaluation writes and deletes inside of its folder only."""

import shutil
from pathlib import Path

import pytest

from lightning_vc.data.index import Index
from lightning_vc.evaluation.folder import EvaluationFolder, read_scores
from tests.tiny import TinyRun

INDEX = Index("shards", 16000, {}, (), {}, 0, 0, "")


def folder_of(path: Path, *ids: str) -> EvaluationFolder:
    return EvaluationFolder(path, INDEX, ids, ["a"], clips=1, rate=16000)


@pytest.mark.parametrize("id", ["..", ".", "", "../shards", "/VICTIM", "a/../../b", "a\\nb", "a\\0b"])
def test_ids_that_lead_out_of_the_folder_are_refused(tmp_path: Path, id: str) -> None:
    victim, run = tmp_path / "victim", tmp_path / "run"
    for place in (victim, run / "shards", run / "out" / "clips" / "old"):
        place.mkdir(parents=True)
        (place / "file").write_text("before")
    (run / "out" / ".evaluation").touch()
    with pytest.raises(ValueError, match="is not a plain name"):
        folder_of(run / "out", id.replace("/VICTIM", str(victim)))
    assert len(list(tmp_path.rglob("file"))) == 3


def test_no_place_is_outside(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "out")
    for speaker in ("..", ".", "/etc", "../../x"):
        for ask in (lambda id: folder.place("clones/encoder-05", id), lambda id: folder._write("clips", id, [])):
            with pytest.raises(ValueError, match="is not a plain name"):
                ask(speaker)


def test_links_to_elsewhere_are_neither_followed_nor_emptied(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("before")
    (tmp_path / "out" / "clips").mkdir(parents=True)
    (tmp_path / "out" / ".evaluation").touch()
    (tmp_path / "out" / "clips" / "somebody").symlink_to(victim)
    with pytest.raises(ValueError, match=r"clips/somebody is a symbolic link: give a folder without links"):
        folder_of(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "clips")
    for name, target in (("real", tmp_path), ("results.json", victim / "file"), ("training", victim)):
        link = tmp_path / "out" / name
        link.symlink_to(target)
        with pytest.raises(ValueError, match=f"{name} is a symbolic link"):
            folder_of(tmp_path / "out")
        link.unlink()
    (tmp_path / "out" / ".evaluation").unlink()
    (tmp_path / "out" / ".evaluation").symlink_to(tmp_path / "new")  # a link that leads nowhere yet
    with pytest.raises(ValueError, match=r"\.evaluation is a symbolic link"):
        folder_of(tmp_path / "out")
    assert not (tmp_path / "new").exists()
    assert (victim / "file").read_text() == "before"


def test_an_evaluation_of_others_deletes_what_is_its_own(tiny_run: TinyRun, tmp_path: Path) -> None:
    old = tmp_path / "out" / "clones" / "encoder-01" / "old"
    old.mkdir(parents=True)
    (tmp_path / "out" / ".evaluation").touch()
    (entry, *_) = tiny_run.index.speakers_of("test")
    folder = EvaluationFolder(tmp_path / "out", tiny_run.index, [entry.id], ["a"], clips=1, rate=16000)
    assert not old.exists()
    (clip,) = folder.clips[entry.id]
    assert clip.path.is_file()
    assert clip.text.split()


@pytest.mark.parametrize(
    "line",
    ["{}", "[1]}", '{"key"}', "1}", '{"key": "a", "x": "words"}', '{"key": "a", "x": NaN}', '{"key": "a", "x": [1]}',
     '{"key": "a", "x": 1' + 400 * "0" + "}", '{"key": ' * 100_000 + "1" + "}" * 100_000,
     '{"x": ' + "[" * 100_000 + "}", '{"key": "b", "x"', ""],
    ids=range(12),
)  # fmt: skip
def test_a_damaged_record_of_scores_is_named(line: str, tmp_path: Path) -> None:
    record = tmp_path / "scores.jsonl"
    record.write_text(f'{{"key": "a", "x": 1}}\n{line}\n')
    with pytest.raises(ValueError, match=r"scores\.jsonl is damaged .*: delete it"):
        read_scores(record)


def test_an_incomplete_last_line_is_left_out(tmp_path: Path) -> None:
    record = tmp_path / "scores.jsonl"
    record.write_text('{"key": "a", "x": 1}\n{"key": "b", "x"')
    assert read_scores(record) == {"a": {"x": 1}}
    assert read_scores(tmp_path / "none") == {}
