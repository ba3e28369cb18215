"""LightningModules: losses, and which parameters they train."""
