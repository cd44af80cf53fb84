"""Let the processes of one command work together, as torchrun starts them; without it there is one."""

import _thread
import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from sightline.run_store.run import Run
from sightline.run_store.writer import RunWriter

PATIENCE = 5  # seconds
LONGEST_WAIT = timedelta(days=1)  # for a process that still decodes or computes; torch would wait ten to thirty minutes
T = TypeVar("T")
Values = TypeVar("Values", Tensor, np.ndarray, list[Any])


class WorldError(Exception):
    """A sentence for the user: why these processes cannot go on together."""


@dataclass(frozen=True)
class World:
    """The place of this process among those of the command: rank of size, on this machine local_rank of local_size.

    Both ranks count from 0. One that is alone talks to nobody.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def of_environment(cls) -> "World":
        """Return what torchrun says in the environment."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        return cls(*(int(os.environ[name]) for name in names)) if all(name in os.environ for name in names) else cls()

    @property
    def is_first(self) -> bool:
        """Tell whether this process is the one that prints and writes."""
        return self.rank == 0

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Connect the processes: those of GPUs, each with its own, through nccl, those of CPUs through gloo.

        Raises WorldError where there are fewer GPUs than processes, or once another process has ended.
        """
        if device.type == "cuda":
            gpus = torch.cuda.device_count()
            if self.local_size > gpus:
                raise WorldError(
                    f"{self.local_size} processes on this machine need a GPU each, and it has {gpus}; "
                    f"start {gpus} (--nproc-per-node {gpus}), or choose --device cpu."
                )
            torch.cuda.set_device(self.local_rank)
        with self.reporting_ends():
            if self.size > 1:
                dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=LONGEST_WAIT)
            yield

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """End a process that was connected, with the exit code of SystemExit, before its interpreter is taken apart.

        A thread of torch lets go of the tensors it has sent when it is next given a processor, and needs the
        interpreter for that. Where that is just then taken apart, C++ ends the process: "terminate called without an
        active exception". To destroy the group does not end its threads while anything holds it, and
        torch.distributed.nn takes it as a default value. So a process ends here as those of multiprocessing do.
        """
        try:
            yield
        except SystemExit as end:
            self._leave(end.code)
            raise
        self._leave(0)

    def _leave(self, code: str | int | None) -> None:
        if self.size == 1 or not dist.is_initialized():
            return
        if isinstance(code, str):  # which the interpreter would say
            with suppress(OSError):
                print(code, file=sys.stderr, flush=True)
        if not code:  # after an error there may be nobody left to say goodbye to
            with suppress(RuntimeError):  # nor perhaps now, but all is done
                dist.destroy_process_group()
        atexit._run_exitfuncs()
        os._exit(1 if isinstance(code, str) else code or 0)

    @contextmanager
    def reporting_ends(self) -> Iterator[None]:
        """Turn what torch says when another process has ended into a WorldError."""
        try:
            yield
        except RuntimeError as error:
            said = str(error).lower()
            if self.size > 1 and (isinstance(error, dist.DistError) or "gloo" in said or "connection" in said):
                raise WorldError(
                    "another process of this command has ended, see what it said; what was finished is kept."
                ) from error
            raise

    def interrupt(self, *_: object) -> None:
        """End this process politely, as Ctrl-C does: a handler of SIGTERM.

        Of several processes, those that are left get it when one has ended, and are given a while to say so.
        """
        if self.size == 1:
            raise KeyboardInterrupt
        signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores for what it runs with &
        patience = threading.Timer(PATIENCE, _thread.interrupt_main)
        patience.daemon = True  # who has something to say ends earlier
        patience.start()

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Let the first process do it, then the others, who find in a cache what it left."""
        if not self.is_first:
            self.wait_for_all()
        yield
        if self.is_first:
            self.wait_for_all()

    def wait_for_all(self) -> None:
        """Return once every process has come here."""
        if self.size > 1:
            dist.barrier()

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return the model, with gradients that are the mean over all processes."""
        return nn.parallel.DistributedDataParallel(model) if self.size > 1 else model

    def part(self, values: Values) -> Values:
        """Return every size-th value, from the rank-th on."""
        return values[self.rank :: self.size] if self.size > 1 else values

    def sum(self, values: Tensor) -> Tensor:
        """Add up over all processes, in place, and return that."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def share(self, value: T) -> T:
        """Return what the first process has."""
        values = [value]
        if self.size > 1:
            dist.broadcast_object_list(values)
        return values[0]

    def gather(self, part: np.ndarray) -> np.ndarray | None:
        """Put together in the first process what `part` took apart; return None in the others."""
        if self.size == 1:
            return part
        parts: list[np.ndarray] | None = [part] * self.size if self.is_first else None
        dist.gather_object(part, parts)
        if parts is None:
            return None
        whole = np.empty((sum(map(len, parts)), *part.shape[1:]), part.dtype)
        for rank, of_rank in enumerate(parts):
            whole[rank :: self.size] = of_rank
        return whole

    def gather_all(self, part: list[T]) -> list[T]:
        """Put together in every process what `part` took apart: things that can be pickled."""
        if self.size == 1:
            return part
        parts: list[list[T]] = [[] for _ in range(self.size)]
        dist.all_gather_object(parts, part)
        whole: list[Any] = [None] * sum(map(len, parts))
        for rank, of_rank in enumerate(parts):
            whole[rank :: self.size] = of_rank
        return whole


ALONE = World()


@contextmanager
def together(world: World, run: Run, device: torch.device) -> Iterator[None]:
    """Connect the processes that work on a run, whose lock the first one holds before any of them looks at it.

    Raises WorldError where they are on several machines: they write into the same mapped memory.
    """
    if world.local_size < world.size:
        raise WorldError(
            f"{world.size} processes on several machines cannot share {run.path}; "
            "start all of them on one: torchrun --standalone --nproc-per-node NUMBER."
        )
    with world.joined(device), RunWriter.reopen(run.path, run.record) if world.is_first else nullcontext():
        world.wait_for_all()
        yield
