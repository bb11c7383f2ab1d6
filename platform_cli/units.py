"""
Amounts that carry their unit: CPU in cores, memory in bytes, durations in seconds.

In: what people write ("8Gi", "500m", "1h30m"). Out: frozen values that print as Kubernetes writes them.
Parsed once, at the edge; inside, an amount is never a bare number again.

Source: Kubernetes resource quantities, https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from typing import Self

from platform_cli.errors import UsageError

_MEMORY_FACTORS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
_DURATION_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@total_ordering
@dataclass(frozen=True)
class Memory:
    """An amount of memory, in bytes."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a Kubernetes quantity such as `8Gi`, `512M` or `1048576`."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]|[KMGT]i)?", text.strip())
        if not match:
            raise UsageError(f'memory is "{text}"', wanted="a quantity such as 8Gi, 512Mi or 4096M")
        return cls(int(float(match[1]) * _MEMORY_FACTORS[match[2] or ""]))

    @classmethod
    def mebibytes(cls, count: float) -> Self:
        """Metaflow's @resources(memory=...) counts in MiB."""
        return cls(int(count * 2**20))

    def __lt__(self, other: Memory) -> bool:
        return self.bytes < other.bytes

    def __mul__(self, factor: float) -> Memory:
        return Memory(int(self.bytes * factor))

    def __str__(self) -> str:
        for suffix in ("Ti", "Gi", "Mi", "Ki"):
            if self.bytes and self.bytes % _MEMORY_FACTORS[suffix] == 0:
                return f"{self.bytes // _MEMORY_FACTORS[suffix]}{suffix}"
        return str(self.bytes)


@total_ordering
@dataclass(frozen=True)
class Cpu:
    """An amount of CPU, in thousandths of a core."""

    millicores: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a Kubernetes quantity such as `2`, `0.5` or `250m`."""
        match = re.fullmatch(r"(\d+)m|(\d+(?:\.\d{1,3})?)", text.strip())
        if not match:
            raise UsageError(f'cpu is "{text}"', wanted="cores such as 2, 0.5 or 250m")
        return cls(int(match[1]) if match[1] else round(float(match[2]) * 1000))

    def __lt__(self, other: Cpu) -> bool:
        return self.millicores < other.millicores

    def __str__(self) -> str:
        whole, rest = divmod(self.millicores, 1000)
        return f"{self.millicores}m" if rest else str(whole)


@total_ordering
@dataclass(frozen=True)
class Duration:
    """A length of time, in seconds."""

    seconds: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `90s`, `15m`, `1h30m`, `2d`; a bare number is refused because nobody can tell its unit."""
        pieces = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
        if not pieces or "".join(number + unit for number, unit in pieces) != text.strip():
            raise UsageError(f'duration is "{text}"', wanted="a number with a unit such as 90s, 15m or 1h30m")
        return cls(sum(float(number) * _DURATION_SECONDS[unit] for number, unit in pieces))

    def __lt__(self, other: Duration) -> bool:
        return self.seconds < other.seconds

    def __str__(self) -> str:
        if self.seconds < 60:
            return f"{self.seconds:.1f} s" if self.seconds < 10 else f"{self.seconds:.0f} s"
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"
