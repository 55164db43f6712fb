"""What a slot has for itself: devices by their environment, CPUs by their affinity."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path

import pytest

from bomix.contracts.executor import Attempt, Ended
from bomix.errors import EvaluationError
from bomix.execution.local.executor import LocalExecutor
from bomix.execution.local.slots import DEVICE_SHARE, HIP_VISIBLE, VISIBLE, Slot, slots
from bomix.execution.local.spec import LocalExecution
from bomix.training import device
from bomix.trial import Result, Trial

UUIDS = ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "GPU-11111111-d72c-4106-c12f-20bd9faed9f6")


def visible(workers: int, *devices: int | str, **environment: str) -> list[str]:
    """What each slot's trials see."""
    return [slot.environment[VISIBLE] for slot in slots(workers, devices=devices, environment=environment)]


@pytest.mark.parametrize(
    ("workers", "devices", "seen"),
    [
        (2, (0, 1), ["0", "1"]),
        (2, (3, 1), ["3", "1"]),
        (1, (0, 1), ["0,1"]),
        (2, (0, 1, 2, 3), ["0,1", "2,3"]),
        (4, (0, 1), ["0", "1", "0", "1"]),
        (3, (0,), ["0", "0", "0"]),
        (2, UUIDS, list(UUIDS)),
        (2, ("MIG-1c2d", 0), ["MIG-1c2d", "0"]),
    ],
)
def test_devices_are_dealt_out_over_the_slots(workers: int, devices: tuple[int | str, ...], seen: list[str]) -> None:
    assert visible(workers, *devices) == seen


def test_numbers_count_among_the_devices_that_are_visible() -> None:
    assert visible(2, 0, 1, CUDA_VISIBLE_DEVICES="4, 6,7") == ["4", "6"]
    assert visible(2, 1, 0, CUDA_VISIBLE_DEVICES=",".join(UUIDS)) == [UUIDS[1], UUIDS[0]]
    assert visible(1, "GPU-8932f937", CUDA_VISIBLE_DEVICES=",".join(UUIDS)) == ["GPU-8932f937"]
    assert visible(1, UUIDS[0], CUDA_VISIBLE_DEVICES="0,1") == [UUIDS[0]]


@pytest.mark.parametrize(
    ("devices", "value", "said"),
    [
        ((2,), "4,6", "names 2, and CUDA_VISIBLE_DEVICES lets this process see 2 (4,6)"),
        ((0,), "", "lets this process see 0 (none)"),
        ((1,), "4,-1,6", "lets this process see 1 (4)"),
        (("GPU-5555",), ",".join(UUIDS), "names GPU-5555"),
    ],
)
def test_a_device_that_bomix_does_not_see_is_an_error(devices: tuple[int | str, ...], value: str, said: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        visible(1, *devices, CUDA_VISIBLE_DEVICES=value)
    assert said in str(caught.value)


def test_the_order_of_numbers_is_that_of_nvidia_smi_unless_somebody_chose_another() -> None:
    (slot,) = slots(1, devices=[0], environment={})
    assert slot.environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    for chosen in ({VISIBLE: "3"}, {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}):
        (slot,) = slots(1, devices=[0], environment=chosen)
        assert "CUDA_DEVICE_ORDER" not in slot.environment


def test_amds_own_variable_goes_before_the_other_and_is_set_too() -> None:
    first, second = slots(2, devices=[0, 1], environment={HIP_VISIBLE: "2,5", VISIBLE: "0"})
    assert (first.environment[HIP_VISIBLE], second.environment[HIP_VISIBLE]) == ("2", "5")
    assert first.environment[VISIBLE] == "2"
    assert HIP_VISIBLE not in slots(1, devices=[0], environment={})[0].environment


def test_slots_that_share_a_device_are_told_how_much_of_it_is_theirs() -> None:
    def shares(workers: int, *devices: int) -> list[str]:
        return [slot.environment[DEVICE_SHARE] for slot in slots(workers, devices=devices, environment={})]

    assert shares(2, 0, 1) == ["1", "1"]
    assert shares(4, 0, 1) == ["0.5"] * 4
    assert shares(3, 0, 1) == ["0.5", "1", "0.5"]
    assert shares(1, 0, 1) == ["1"]


def test_models_fill_the_share_of_a_device_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (70, 80))
    cuda = device.Hardware("cuda:0", "bf16", compile=False)
    assert device._free(cuda) == pytest.approx(63.0)
    monkeypatch.setenv(DEVICE_SHARE, "0.5")
    assert device._free(cuda) == pytest.approx(36.0)


def test_nothing_is_set_unless_it_is_asked_for() -> None:
    assert slots(2) == [Slot(0), Slot(1)]


@pytest.mark.parametrize(
    ("wrong", "where", "what"),
    [
        ({"devices": (0, 0)}, "devices", "named twice"),
        ({"devices": (-1,)}, "devices[0]", "a number from 0"),
        ({"devices": (True,)}, "devices[0]", "a number from 0"),
        ({"devices": ("cuda:0",)}, "devices[0]", "a name of `nvidia-smi -L`"),
        ({"devices": (0, 1, 2), "workers": 2}, "devices", "cannot be dealt out to 2 workers alike"),
        ({"cpus_per_trial": 0}, "cpus_per_trial", "at least 1"),
        ({"grace_s": -1.0}, "grace_s", "from 0"),
        ({"grace_s": float("nan")}, "grace_s", "from 0"),
        ({"ask_ahead": -1}, "ask_ahead", "at least 0"),
    ],
)
def test_what_cannot_be_is_a_fault(wrong: dict[str, object], where: str, what: str) -> None:
    (fault,) = LocalExecution(**wrong).faults()  # type: ignore[arg-type]
    assert fault.where == where
    assert what in fault.what


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows on which CPUs a process may run")
def test_slots_have_cpus_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 3, 5, 7})
    found = slots(2, cpus_per_trial=2)
    assert sorted(found[0].cpus + found[1].cpus) == [2, 3, 5, 7]
    assert {slot.environment["OMP_NUM_THREADS"] for slot in found} == {"2"}
    with pytest.raises(EvaluationError, match="3 workers of 2 CPUs each need 6, and this process may run on 4"):
        slots(3, cpus_per_trial=2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this list")
def test_threads_of_one_core_stay_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for cpu, (chip, core) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)] * 2):
        (folder := tmp_path / f"cpu{cpu}" / "topology").mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{chip}\n")
        (folder / "core_id").write_text(f"{core}\n")
    monkeypatch.setattr("bomix.execution.local.slots._TOPOLOGY", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert [slot.cpus for slot in slots(4, cpus_per_trial=2)] == [(0, 4), (1, 5), (2, 6), (3, 7)]


@dataclasses.dataclass(frozen=True)
class Telling:
    """Says what its process has."""

    def evaluate(self, trial: Trial, workdir: Path) -> Result:
        import torch

        names = (VISIBLE, DEVICE_SHARE, "OMP_NUM_THREADS", "BOMIX_SLOT")
        info = {name: os.environ.get(name, "") for name in names}
        cpus = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
        return Result({"loss": 1.0}, info={**info, "threads": torch.get_num_threads(), "cpus": cpus})


def told(execution: LocalExecution, folder: Path) -> list[dict[str, object]]:
    """What the trials of all slots say."""
    executor = execution.start(Telling())
    try:
        return _told(executor, execution.workers, folder)
    finally:
        executor.close()


def _told(executor: LocalExecutor, count: int, folder: Path) -> list[dict[str, object]]:
    for number in range(count):
        (folder / str(number)).mkdir()
        executor.submit(Trial(number, {"web": 1.0}, 0, "sobol"), Attempt(1, folder / str(number)))
    found: dict[int, dict[str, object]] = {}
    deadline = time.monotonic() + 60
    while len(found) < count:
        assert time.monotonic() < deadline
        for event in executor.events(0.5):
            if isinstance(event, Ended):
                assert isinstance(event.outcome, Result)
                found[event.trial.id] = dict(event.outcome.info)
    return [found[number] for number in range(count)]


def test_trials_have_what_their_slot_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "5,7")
    found = told(LocalExecution(workers=2, devices=(0, 1), cpus_per_trial=1), tmp_path)
    assert [each[VISIBLE] for each in found] == ["5", "7"]
    assert [each["BOMIX_SLOT"] for each in found] == ["0", "1"]
    assert [(each["OMP_NUM_THREADS"], each["threads"]) for each in found] == [("1", 1)] * 2
    if sys.platform == "linux":
        cpus = [each["cpus"] for each in found]
        assert [len(each) for each in cpus] == [1, 1]  # type: ignore[arg-type]
        assert cpus[0] != cpus[1]


def test_a_device_that_is_not_visible_ends_the_run_before_a_trial_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "")
    with pytest.raises(EvaluationError, match=r"execution\.devices names 0"):
        LocalExecution(devices=(0,)).start(Telling())
