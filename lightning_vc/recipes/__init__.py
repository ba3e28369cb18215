"""The commands: each verb of `python -m lightning_vc.recipes.<verb>` decides what meets what, and holds no number."""

from lightning_vc.console import report_interrupts

report_interrupts()
