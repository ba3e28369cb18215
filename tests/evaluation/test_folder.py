"""Whatever the ids of speakers are, an evaluation writes and deletes inside of its folder only."""

import shutil
from pathlib import Path

import pytest

from lightning_vc.data.index import Index, SpeakerEntry
from lightning_vc.evaluation.folder import EvaluationFolder
from lightning_vc.evaluation.report import PARTS, _table
from lightning_vc.evaluation.results import Result, write_results
from lightning_vc.evaluation.sounds import Row
from tests.tiny import TinyRun

INDEX = Index("shards", 16000, {}, (), {}, 0, 0, "")


def folder_of(path: Path, *ids: str) -> EvaluationFolder:
    speakers = [SpeakerEntry(id, None, None, None, "test", 9, 9, 9.0) for id in ids]
    return EvaluationFolder(path, INDEX, speakers, ["a"], clips=1, sample_rate=16000)


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
        for ask in (
            lambda speaker: folder.sentence("clones/encoder-05", speaker, 0),
            folder.clips_of,
            folder.real_of,
            lambda speaker: folder.transcripts("real", speaker),
            lambda speaker: folder._write(speaker, {"clips": []}),
        ):
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
    for name, target in (("real", tmp_path), ("results.json", victim / "file"), ("known", victim)):
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
    folder = EvaluationFolder(tmp_path / "out", tiny_run.index, [entry], ["a"], clips=1, sample_rate=16000)
    assert not old.exists()
    assert len(folder.clips_of(entry.id)) == 1
    assert folder.transcripts("clips", entry.id)[0].split()


def test_names_in_tables_stay_in_their_cells(tmp_path: Path) -> None:
    results = [Result(Row("<b>a|b</b>\n| c", 5), "p808", 3.0, None, None, 1)]
    write_results(tmp_path, results, {})
    assert (tmp_path / "results.md").read_text().splitlines()[2] == r"| <b>a\|b</b>\n\| c | 5 |  | 3.00 |"
    page = _table(results, PARTS["p808"])
    assert "<b>" not in page
    assert "&lt;b&gt;a|b&lt;/b&gt;" in page
