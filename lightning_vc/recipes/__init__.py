"""The commands `python -m lightning_vc.recipes.<verb>`: each connects components; values are in configs."""

from lightning_vc.console import report_interrupts

report_interrupts()
