"""Write Resemblyzer's GE2E weights as a speaker encoder to train, and compare its vectors with those of Resemblyzer.

    pip install -e '.[judges]' && pip install --no-deps resemblyzer
    python benchmarks/ge2e.py ge2e.safetensors CLIP.wav CLIP.flac ...

The file is for `encoder fit --pretrained.encoder`. Resemblyzer's weights are under the Apache License 2.0.
"""

import argparse
import json
from pathlib import Path

import resemblyzer
import torch
from safetensors.torch import save_file

from lightning_vc.audio.io import read
from lightning_vc.checkpoint import class_path
from lightning_vc.modules.ge2e import GE2EEncoder
from lightning_vc.untrusted import MODEL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="file to write, *.safetensors")
    parser.add_argument("clips", nargs="*", help="recordings to compare with")
    options = parser.parse_args()
    published = Path(resemblyzer.__file__).with_name("pretrained.pt")
    state = torch.load(published, map_location="cpu", weights_only=True)["model_state"]
    encoder = GE2EEncoder(speaker_dim=1)  # training makes a head of its own
    encoder.network.load_state_dict({name: state[name].half() for name in encoder.network.state_dict()})
    theirs = resemblyzer.VoiceEncoder("cpu", verbose=False)
    for clip in options.clips:
        wave = read(clip, encoder.network.sample_rate)
        with torch.no_grad():
            vector = encoder.network(wave.unsqueeze(0), torch.tensor([len(wave)]))[0]
        difference = (vector - torch.from_numpy(theirs.embed_utterance(wave.numpy()))).abs().max()
        print(f"{clip}  largest difference {difference:.1e}")
    weights = {
        name: value.half() if value.is_floating_point() else value for name, value in encoder.state_dict().items()
    }
    save_file(
        weights,
        options.out,
        {MODEL: json.dumps({"class_path": class_path(GE2EEncoder), "init_args": {"speaker_dim": 1}})},
    )
    print(f"{options.out}  {Path(options.out).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
