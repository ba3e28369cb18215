"""Clones, and metrics of them, to tables, figures and a report."""
