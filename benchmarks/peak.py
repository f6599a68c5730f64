"""
The machine's float32 peak and bandwidths, measured.

    python -m benchmarks.peak
"""

from __future__ import annotations

import os

from ovc.runtime.drivers.peak import measure as measure_peak
from ovc.runtime.drivers.peak import measure_flops


def measure(threads: int, seconds: float = 1.5) -> float:
    """Most float operations a second that `threads` threads reached together."""
    return measure_flops(threads, seconds)


def main() -> None:
    """Print what one thread, and all of them, reach."""
    for count in sorted({1, os.cpu_count() or 1}):
        peak = measure_peak(count)
        speeds = ", ".join(
            f"{speed / 1e9:.0f} GB/s from {size >> 10} KiB"
            for size, speed in peak.bandwidths
        )
        print(f"{count} threads: {peak.flops / 1e9:.0f} GFLOP/s, {speeds}")


if __name__ == "__main__":
    main()
