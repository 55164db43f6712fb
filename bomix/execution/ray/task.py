"""What Ray calls in a worker process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import ray

from bomix.execution.pool import worker


def run(setting: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, Any]:
    """Run an attempt; arguments and what comes back as of :func:`bomix.execution.pool.worker.run`.

    A task that was given no GPU sees none: Ray leaves the environment as it is then.
    """
    if not ray.get_runtime_context().get_accelerator_ids().get("GPU"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    return worker.run(setting, job, ray.get_runtime_context().get_node_id())
