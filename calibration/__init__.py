"""Estimation of a workflow's distributions, frequencies and arrivals from measurements."""
