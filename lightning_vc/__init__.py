"""Clone a voice from a few recordings: Neural Voice Cloning with a Few Samples (Arik et al. 2018) on PyTorch Lightning.

In reading order: `types` (shared by all layers), `text` and `audio`, `corpora`, `data` (shards to batches), `modules`
and `losses`, `tasks` (training), `cloning` (recordings to voice to speech), `morphing` (arithmetic on voices),
`evaluation` and `callbacks`, `cli`, and `recipes`, the verbs of the command line.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_vc.cloning import Cloner
    from lightning_vc.voice import Voice

__version__ = "0.1.0"  # pyproject.toml reads it here
__all__ = ["Cloner", "Voice", "__version__"]


def __getattr__(name: str) -> Any:
    """Import `Cloner` and `Voice`, and torch with them, on first use, so that `lightning-vc --help` is fast."""
    if name in ("Cloner", "Voice"):
        from lightning_vc import cloning

        return getattr(cloning, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names too that are not imported yet."""
    return sorted({*globals(), *__all__})
