"""A few transcribed clips of one held-out speaker."""

import math
from dataclasses import replace

from lightning_vc.data.datamodule import Loading, ShardsDataModule
from lightning_vc.data.loader import Loader
from lightning_vc.data.pipeline import Clips
from lightning_vc.data.reading import clips_of
from lightning_vc.data.tts import TTSBatcher
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import TTSBatch


class AdaptationDataModule(ShardsDataModule):
    """A few transcribed clips of one held-out speaker to adapt to; the others of the same speaker to validate on.

    Args:
        shards: folder that `prepare` wrote, or its index.json.
        speaker: id of one of the test speakers.
        frontend: how texts are spelt; the model's own.
        clips: how many clips to adapt to: the first of `clips_of`, so that 5 clips are among the 10.
        batch_size: utterances in a batch; no more than there are clips.
        steps: batches that are called an epoch. The clips themselves would be one or two.
    """

    def __init__(
        self,
        shards: str,
        speaker: str,
        frontend: Frontend,
        clips: int = 5,
        batch_size: int = 4,
        steps: int = 50,
        loading: Loading = Loading(),
    ) -> None:
        super().__init__(shards, replace(loading, workers=0), clips=clips, batch_size=batch_size, steps=steps)
        transcribed = {entry.id: entry.transcribed for entry in self.index.speakers_of("test")}
        if speaker not in transcribed:
            known = ", ".join(transcribed) or "none"
            raise ValueError(f"{speaker!r} is no test speaker of {self.index.folder}; they are {known}")
        if clips >= transcribed[speaker]:
            raise ValueError(
                f"speaker {speaker} has {transcribed[speaker]} transcribed clips; "
                f"{clips} to adapt to leave none to validate on"
            )
        self.speaker, self.clips, self.steps = speaker, clips, steps
        self.batcher = TTSBatcher(frontend, {speaker: 0}, self.sample_rate, min(batch_size, clips), buffer=1, buckets=1)

    def setup(self, stage: str) -> None:
        """Read the speaker's clips."""
        clips = [clip for clip in clips_of(self.index, self.speaker, self.loading.cache) if self.batcher.keep(clip)]
        self.known, self.others = clips[: self.clips], clips[self.clips :]

    def train_dataloader(self) -> Loader[TTSBatch]:
        """The clips to adapt to, over and over."""
        return self.train_loader(Clips(self.known), self.batcher, self.steps)

    def val_dataloader(self) -> Loader[TTSBatch]:
        """The speaker's other clips."""
        steps = math.ceil(len(self.others) / self.batcher.batch_size)
        return self.validation_loader(Clips(self.others), self.batcher, steps)
