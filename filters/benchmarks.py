"""What no dataset of ours may hold: the benchmarks of `filters/benchmarks.toml`."""

BENCHMARKS = "filters/benchmarks.toml"
"""Decontaminate(BENCHMARKS); a copy of it with other entries is another registry."""
