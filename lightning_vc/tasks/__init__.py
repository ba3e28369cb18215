"""LightningModules: what is minimised, and which parameters move."""
