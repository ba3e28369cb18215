"""Messages of the library and of all verbs: warnings, errors in one line, and exit status.

The library logs to the logger "lightning_vc"; a verb prints what it logs, see `reported`.
"""

import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

INTERRUPTED, STOPPED = 130, 143  # exit status after Ctrl-C and after SIGTERM, as in shells
_LOGGER = logging.getLogger("lightning_vc")
_NOTICES = (  # loggers
    "lightning.fabric",
    "lightning.pytorch.utilities.rank_zero",
    "lightning.pytorch.trainer.connectors.checkpoint_connector",
)
_WARNINGS = (  # beginnings of warnings that name nothing a user of a verb can change
    r".*isinstance\(treespec, LeafSpec\)",  # Lightning 2.6 with torch 2.13
    r"Checkpoint directory .* exists and is not empty",  # as after every resumed run
    r"The '\w+_dataloader' does not have many workers",  # `workers: 0` is the default of small recipes
)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning exits with status 1 after Ctrl-C, and restore its signal handler."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt from None


@contextmanager
def without_notices() -> Iterator[None]:
    """Silence what Lightning says at every start: seed, devices, tips, deprecations of its own calls."""
    loggers = [logging.getLogger(name) for name in _NOTICES]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        for message in _WARNINGS:
            warnings.filterwarnings("ignore", message)
        for logger in loggers:
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def report_interrupts() -> None:
    """End the program with one line and status 130 after Ctrl-C outside `reported`, such as during imports."""
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            return previous(kind, error, trace)
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED)

    sys.excepthook = hook


def printable(text: object) -> str:
    r"""Escape control characters, surrogates and direction marks of a text, as in `\x1b`."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


def short(value: object, length: int = 60) -> str:
    """The `repr` of a value, cut off after `length` characters."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def warn(message: str) -> None:
    """Log a warning of the library in one line, to the logger "lightning_vc"."""
    _LOGGER.warning(printable(message))


def print_warning(message: str) -> None:
    """Print a warning of a verb in one line of stderr."""
    print(f"warning: {printable(message)}", file=sys.stderr)


def count(number: int, noun: str) -> str:
    """A number of things in words: "1 clip", "2 clips"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def print_speech(path: object, duration: float, elapsed: float) -> None:
    """Print where speech was written, its duration and the time of synthesis, in seconds."""
    factor = elapsed / duration
    print(printable(f"{path}: {duration:.1f} s of speech in {elapsed:.1f} s, real-time factor {factor:.2f}"))


class _Lines(logging.Handler):
    """Print each message in one line of stderr, after its level."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"{record.levelname.lower()}: {printable(record.getMessage())}", file=sys.stderr)


@contextmanager
def printed_messages() -> Iterator[None]:
    """Print the messages of the library, unless a caller does already."""
    handlers = [] if any(isinstance(handler, _Lines) for handler in _LOGGER.handlers) else [_Lines()]
    for handler in handlers:
        _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            _LOGGER.removeHandler(handler)


@contextmanager
def reported(*more: type[Exception]) -> Iterator[None]:
    """End the program with one line and status 1 for bad input, with status 130 for Ctrl-C; print logged warnings.

    Args:
        more: exception classes that mean bad input, besides OSError, ValueError and ImportError.
    """
    kinds: tuple[type[Exception], ...] = (OSError, ValueError, ImportError, *more)
    try:
        with printed_messages():
            yield
    except kinds as error:
        message = str(error).strip()
        if message.startswith("Caught "):  # of a data loading process: the message includes its traceback
            message = message.splitlines()[-1].partition(": ")[2]
        print(f"error: {printable(' '.join(message.splitlines()))}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
