"""Data: corpora are written as shards, which webdataset pipelines and Lightning data modules read as batches."""

import os

# webdataset reads this when it is imported: no shell commands in addresses, no unpickling of members.
os.environ["WDS_SECURE"] = "1"
