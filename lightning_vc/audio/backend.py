"""The only module that imports torchaudio: `from lightning_vc.audio.backend import torchaudio`.

The published wheel of torchaudio 2.11 is a CUDA build. Beside a CPU build of torch, or one for another CUDA, its
compiled extension does not load, so `import torchaudio` and `import speechbrain` fail. This package only uses their
plain torch code, so an empty extension then replaces the compiled one. Import this module before speechbrain.
"""

import importlib
import os
import sys
from types import ModuleType
from typing import Any

# speechbrain switches TF32 on for the whole process when it is imported; precision is the user's choice (Trainer).
os.environ.setdefault("SB_DISABLE_QUIRKS", "allow_tf32")

__all__ = ["torchaudio"]

_EXTENSION = "torchaudio._extension"


def _unavailable(*args: Any, **kwargs: Any) -> Any:
    """Replacement for a compiled function of torchaudio."""
    raise RuntimeError(
        "torchaudio's compiled extension does not load beside this torch: forced alignment and the CTC decoder need "
        "builds of torch and torchaudio for the same CUDA version"
    )


def _empty_extension() -> ModuleType:
    """Return `torchaudio._extension` as it is in a build without compiled parts."""
    extension: Any = ModuleType(_EXTENSION)
    extension._IS_TORCHAUDIO_EXT_AVAILABLE = False
    extension._IS_ALIGN_AVAILABLE = False
    extension._check_cuda_version = lambda: None
    extension._load_lib = lambda library: False
    extension.fail_if_no_align = lambda function: _unavailable
    return extension


def _forget(name: str) -> None:
    """Remove a partly imported package, so that it can be imported again."""
    for module in [module for module in sys.modules if module == name or module.startswith(f"{name}.")]:
        del sys.modules[module]


try:
    import torchaudio
except (OSError, RuntimeError):  # OSError: a CUDA library is missing; RuntimeError: built for another CUDA version
    _forget("torchaudio")
    sys.modules[_EXTENSION] = _empty_extension()
    torchaudio = importlib.import_module("torchaudio")
