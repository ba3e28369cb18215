"""From a corpus to batches: shards on disk, generators over their samples, Lightning datamodules."""

import os

# webdataset reads this when it is imported: no shell commands in addresses, no unpickling of members.
os.environ["WDS_SECURE"] = "1"
