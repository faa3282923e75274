"""Benchmarks of octomodel: each asserts the work it did and compares exactly before it times anything."""
