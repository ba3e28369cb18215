import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_vc.files import atomic_write, inside, plain_name, read_file, read_text, refuse_links, remove_folder

WRITER = """
import sys, time
from lightning_vc.files import atomic_write
with atomic_write(sys.argv[1]) as partial:
    partial.write_text("half of it")
    print("written", flush=True)
    time.sleep(60)
"""


def test_a_file_with_nul_characters_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "environ"
    path.write_bytes(b"HOME=/root\0SECRET=x\0")
    for file in (path, Path("/proc/self/environ")):
        with pytest.raises(ValueError, match="has a NUL character, so it is no text: give a text file"):
            read_text(file)
    path.write_bytes(b"\xef\xbb\xbfGood dog.\n")
    assert read_text(path) == "Good dog.\n"


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a [b].txt"
    path.write_text("before")
    with pytest.raises(TypeError), atomic_write(path) as partial:
        partial.write_text(5)  # type: ignore[arg-type]
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with atomic_write(path) as partial:
        partial.write_text("after")
    assert path.read_text() == "after"


def test_a_killed_write_leaves_what_was_there_and_is_cleaned_up_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    with atomic_write(path) as partial:  # the other writer lives: its file is left alone
        partial.write_text("between")
    assert len(list(tmp_path.iterdir())) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert path.read_text() == "between"
    with atomic_write(path) as partial:
        partial.write_text("after")
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_named_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(OSError, match=r"a\.txt cannot be written: No space left on device"), atomic_write(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "before"


def test_folders_devices_and_links(tmp_path: Path) -> None:
    for path in (tmp_path, "/dev/null"):
        with pytest.raises(OSError, match="not a regular file"), atomic_write(path):
            pytest.fail("must not be reached")
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    link.symlink_to(target)
    with atomic_write(link) as partial:
        partial.write_text("after")
    assert link.is_symlink()
    assert target.read_text() == "after"


@pytest.mark.parametrize("name", ["ls-32", "p225_v2.1", "Ünal", "a@b", "0"])
def test_plain_names(name: str) -> None:
    assert plain_name(name, "speaker") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "/tmp/victim", "a/b", "a\\b", "a b", "a\n", "a\0", "x" * 201, 7, "-rf", "~"]
)
def test_names_that_are_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"speaker .* is not a plain name"):
        plain_name(name, "speaker")


def test_paths_stay_inside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "victim"
    folder.mkdir()
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "own").mkdir()
    for name in ("..", ".", "", "../victim", str(outside), "link", "link/x", "own/../.."):
        with pytest.raises(ValueError, match="is not inside of"):
            inside(folder, name)
        with pytest.raises(ValueError, match="is not inside of"):
            remove_folder(folder, name)
    assert outside.is_dir()
    remove_folder(folder, "own")
    remove_folder(folder, "own")
    assert sorted(os.listdir(folder)) == ["link"]


def test_a_log_of_wandb_may_be_a_link_to_a_file_but_not_to_a_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    (folder / "wandb" / "a" / "logs").mkdir(parents=True)
    outside.mkdir()
    (folder / "wandb" / "a" / "logs" / "debug.log").symlink_to(tmp_path / "debug.log")
    refuse_links(folder)
    (folder / "wandb" / "a" / "logs" / "all.log").symlink_to(outside)
    with pytest.raises(ValueError, match=r"all\.log is a symbolic link: give a folder without links"):
        refuse_links(folder)


@pytest.mark.timeout(20)
def test_only_regular_files_of_bounded_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_file(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ValueError, match=r"file has more than 4 bytes"):
        read_file(tmp_path / "file", 4)
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        read_file(tmp_path, 4)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zeros").symlink_to("/dev/zero")
    for name in ("pipe", "zeros"):
        with pytest.raises(ValueError, match=f"{name} is not a regular file"):
            read_file(tmp_path / name, 5)


@pytest.mark.timeout(20)
def test_a_temporary_file_is_never_somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "aa")
    monkeypatch.setattr("platform.node", lambda: "host")
    partial = tmp_path / ".file.host-aa.partial"
    partial.symlink_to(tmp_path / "profile")
    with pytest.raises(FileExistsError), atomic_write(tmp_path / "file"):
        pytest.fail("must not be reached")
    assert not (tmp_path / "profile").exists()
    partial.unlink(missing_ok=True)
    os.mkfifo(tmp_path / ".file.host-bb.partial")  # nobody waits for its other end
    with atomic_write(tmp_path / "file") as written:
        written.write_text("it")
    assert (tmp_path / "file").read_text() == "it"


def test_links_are_refused_that_lead_out_of_a_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    outside.mkdir()
    (folder / "wandb" / "run-1" / "logs").mkdir(parents=True)
    (folder / "wandb" / "latest-run").symlink_to("run-1")
    (folder / "wandb" / "run-1" / "logs" / "debug-core.log").symlink_to(outside / "core.log")
    (folder / "again").symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")
    refuse_links(folder)
    refuse_links(tmp_path / "missing")
    (folder / "clones" / "wandb").mkdir(parents=True)
    (folder / "stash").mkdir()
    (folder / "clones" / "m001").symlink_to(folder / "stash")
    links = ("clones/wandb/01.wav", "clones/wandb/new", "wandb/01.wav", "stash/01.wav", "wandb/run-1/logs/01.wav")
    for name in links:
        (folder / name).symlink_to(outside / "new" if name.endswith("new") else outside)
        place = name.replace("stash", "(stash|clones/m001)")
        with pytest.raises(ValueError, match=f"{place} is a symbolic link: give a folder without links that lead out"):
            refuse_links(folder)
        (folder / name).unlink()
    (folder / "stash" / "01.wav").symlink_to(outside)
    with pytest.raises(ValueError, match=r"clones/m001/01\.wav is a symbolic link"):
        refuse_links(folder / "clones", folder)
    refuse_links(folder / "clones", tmp_path)


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scandir(path: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", path)  # root may list all folders

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        refuse_links(tmp_path)
