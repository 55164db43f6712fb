"""Processes that train one model together: each reads its rows of every batch, and their gradients are summed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from bomix.training.data_order import Plan


@dataclass(frozen=True)
class Ranks:
    """Which of them this process is.

    Attributes:
        rank: Its number, from 0.
        count: How many there are; all have joined torch's default process group where there are several.
    """

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one measures, reports and writes."""
        return self.rank == 0

    def own(self, plan: Plan) -> Plan:
        """A plan with this process's rows of every batch; as many for each process."""
        if self.count == 1:
            return plan
        size = plan.domain.shape[1] // self.count
        rows = slice(self.rank * size, (self.rank + 1) * size)
        return replace(plan, domain=plan.domain[:, rows], sequence=plan.sequence[:, rows])

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.count > 1:
            import torch.distributed

            for tensor in tensors:
                torch.distributed.all_reduce(tensor)


ALONE = Ranks()
