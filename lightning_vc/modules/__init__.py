"""Networks: plain `torch.nn`, no files, no training."""
