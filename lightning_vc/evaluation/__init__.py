"""Clones and judges to tables and figures."""
