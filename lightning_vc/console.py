"""Console output that all verbs share: warnings, errors in one line, and exit status."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

INTERRUPTED, STOPPED = 130, 143  # exit status after Ctrl-C and after SIGTERM, as in shells


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
    r"""Text with control characters, surrogates and direction marks escaped, as in `\x1b`."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in str(text))


def short(value: object, length: int = 60) -> str:
    """The `repr` of a value, cut off after `length` characters."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def print_warning(message: str) -> None:
    """Print a warning in one line of stderr, or give it to the handlers of the logger "lightning_vc" if it has any."""
    logger = logging.getLogger("lightning_vc")
    if logger.handlers:
        logger.warning(printable(message))
    else:
        print(f"warning: {printable(message)}", file=sys.stderr)


@contextmanager
def reported(*more: type[Exception]) -> Iterator[None]:
    """End the program with one line and status 1 for bad input, and with status 130 for Ctrl-C.

    Args:
        more: exception classes that mean bad input, besides OSError, ValueError and ImportError.
    """
    kinds: tuple[type[Exception], ...] = (OSError, ValueError, ImportError, *more)
    try:
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
