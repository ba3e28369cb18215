"""Files of what clips say, and of what clones are to say."""

from pathlib import Path

import pytest

from lightning_vc.text.transcripts import read_lines, read_transcripts, transcripts_beside


def test_texts_are_lines(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("One two.\n\n  Three.  \n", encoding="utf-8")
    assert read_lines(tmp_path / "lines.txt") == ["One two.", "Three."]
    (tmp_path / "lines.txt").write_text(" \n\n")
    with pytest.raises(ValueError, match=r"lines\.txt is empty"):
        read_lines(tmp_path / "lines.txt")


def test_transcripts_by_name_or_in_order(tmp_path: Path) -> None:
    table = tmp_path / "table.txt"
    table.write_text("b.wav\tBee.\nfolder/a.wav\tAye.\nc.wav\tSea.\n")
    assert read_transcripts(table, ["x/a.wav", "x/b.wav"]) == ["Aye.", "Bee."]
    with pytest.raises(ValueError, match=r"table\.txt has no transcript of x/d\.wav"):
        read_transcripts(table, ["x/a.wav", "x/d.wav"])
    table.write_text("Aye.\nBee.\n")
    assert read_transcripts(table, ["x/a.wav", "x/b.wav"]) == ["Aye.", "Bee."]
    with pytest.raises(ValueError, match=r"table\.txt has 2 lines for 1 clips"):
        read_transcripts(table, ["x/a.wav"])


def test_transcripts_as_corpora_have_them(tmp_path: Path) -> None:
    table = tmp_path / "1-2.trans.txt"
    table.write_text("1-2-0000 AYE AYE\n1-2-0001 BEE\n1-2-0002 SEA\n")
    assert read_transcripts(table, ["x/1-2-0002.flac", "x/1-2-0000.flac"]) == ["SEA", "AYE AYE"]
    with pytest.raises(ValueError, match=r"has no transcript of x/1-2-0009\.flac"):
        read_transcripts(table, ["x/1-2-0002.flac", "x/1-2-0009.flac"])
    with pytest.raises(ValueError, match=r"clips of the same name"):
        read_transcripts(table, ["x/1-2-0002.flac", "x/1-2-0002.wav"])
    table.write_text("b\tBee.\nfolder/a\tAye.\n")
    assert read_transcripts(table, ["x/a.wav", "x/b.wav"]) == ["Aye.", "Bee."]


def test_transcripts_as_ljspeech_has_them(tmp_path: Path) -> None:
    table = tmp_path / "metadata.csv"
    table.write_text("LJ001-0001|In 1455, Dr. A|In fourteen fifty-five, Doctor A\nLJ001-0002|Bee.|\nLJ001-0003|Sea.\n")
    clips = ["wavs/LJ001-0002.wav", "wavs/LJ001-0003.wav", "wavs/LJ001-0001.wav"]
    assert read_transcripts(table, clips) == ["Bee.", "Sea.", "In fourteen fifty-five, Doctor A"]
    with pytest.raises(ValueError, match=r"metadata\.csv has no transcript of x/other\.wav"):
        read_transcripts(table, ["x/other.wav"])
    with pytest.raises(ValueError, match=r"metadata\.csv has no transcript of a\.wav, b\.wav, c\.wav"):
        read_transcripts(table, ["a.wav", "b.wav", "c.wav"])  # as many clips as lines


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("c-1|Aye.|Aye.|1.5\nb|Bee.\n", r"has the line 'c-1\|Aye\.\|Aye\.\|1\.5': write id\|text\|normalised text"),
        ("a|\nb|Bee.\n", r"has the line 'a\|': write the clip"),
        ("a|Aye.\nBee.\n", r"has the line 'a\|Aye\.': write the clip"),
        ("c-1,Aye.\nc-2,Bee.\n", r"has the line 'c-1,Aye\.': write the clip"),
        ("'c-1';'Aye.'\n'c-2';'Bee.'\n", r'has the line "\'c-1\';\'Aye\.\'"'),
        ("a.wav\tAye.\nb.wav\t\n", r"has the line 'b\.wav': write the clip, a tab, and its transcript"),
        ("a.wav\tAye.\nb.wav Bee.\n", r"has the line 'b\.wav Bee\.'"),
        ("a.wav,Aye.\nb.wav,Bee.\n", r"has the line 'a\.wav,Aye\.'"),
        ("a.wav\tAye.\nb.wav\tBee.\nb.wav\tSea.\n", r"has two transcripts of b\.wav"),
    ],
)
def test_a_table_with_an_odd_line_is_no_list_of_texts(tmp_path: Path, lines: str, message: str) -> None:
    names = ["c-1", "c-2"] if "c-1" in lines else ["a", "b"]
    (tmp_path / "table.txt").write_text(lines)
    with pytest.raises(ValueError, match=rf"table\.txt {message}"):
        read_transcripts(tmp_path / "table.txt", [f"x/{name}.wav" for name in names])


def test_tables_as_other_systems_write_them(tmp_path: Path) -> None:
    table = tmp_path / "table.txt"
    table.write_bytes("\ufeffé.wav\tAye.\r\nb.wav\tBee.\r\n".encode())
    assert read_transcripts(table, ["x/e\u0301.wav", "x/b.wav"]) == ["Aye.", "Bee."]


def test_transcripts_beside_the_clips(tmp_path: Path) -> None:
    clips = [tmp_path / "a.wav", tmp_path / "b.mp3"]
    assert transcripts_beside(clips) is None
    (tmp_path / "b.txt").write_text("Bee,\nor not.\n")
    with pytest.raises(FileNotFoundError, match=r"a\.txt: no such transcript, but other clips have one"):
        transcripts_beside(clips)
    (tmp_path / "a.txt").write_text("Aye.")
    assert transcripts_beside(clips) == ["Aye.", "Bee, or not."]
