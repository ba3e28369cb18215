import logging

import pytest

from lightning_vc.console import print_warning, printable, reported, warn


def test_printable_escapes_what_a_terminal_would_obey() -> None:
    assert printable("a\x1b[2Jb\nc\u202ed\udcff é 日本") == r"a\x1b[2Jb\nc\u202ed\udcff é 日本"


def test_a_warning_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_warning("a\nwarning: b")
    assert capsys.readouterr().err == "warning: a\\nwarning: b\n"


def test_messages_of_the_library_are_logged_and_printed_by_verbs(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    warn("a\nb 100%")
    assert [(record.name, record.message) for record in caplog.records] == [("lightning_vc", "a\\nb 100%")]
    assert capsys.readouterr().err == ""
    with reported(), reported():  # as in a verb that calls another function of the command line
        warn("a\nb 100%")
    assert capsys.readouterr().err == "warning: a\\nb 100%\n"
    assert not logging.getLogger("lightning_vc").handlers


@pytest.mark.parametrize("error", [OSError("no\x07file"), ValueError("no\x07file"), ImportError("no\x07file")])
def test_bad_input_is_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, reported():
        raise error
    assert end.value.code == 1
    assert capsys.readouterr().err == "error: no\\x07file\n"


def test_ctrl_c_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, reported():
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
