"""Evaluation of cloning: systems, metrics, tables, figures and a report."""
