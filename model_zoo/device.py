"""The machine that a model computes on."""

import ctypes
import platform

import torch
from torch import nn

from sightline.model_zoo.spec import ModelError, printable


def choose_device(name: str) -> torch.device:
    """Return the device of a name: auto (the first GPU where there is one), cpu or cuda.

    Raises ModelError for another name, or where there is no such device.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ModelError(f"There is no device {printable(str(name))!r}; choose from: auto, cpu, cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("--device cuda: this machine has no GPU that torch can use; choose --device cpu or auto.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def device_of(model: nn.Module) -> torch.device:
    """Return where the parameters of a model lie; the CPU where it has none.

    >>> device_of(nn.Linear(2, 2))
    device(type='cpu')
    """
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the number type of a name: float32, bfloat16, or auto, which is the faster one on this device.

    auto is bfloat16 only where the hardware multiplies in it: elsewhere it is emulated, and slower than float32.

    benchmarks/RESULTS.md ("Arithmetic of a training step") has the measurements behind this rule.
    """
    if name != "auto":
        return torch.float32 if name == "float32" else torch.bfloat16
    if device.type == "cuda":
        pays = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        pays = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if pays else torch.float32


def keep_freed_memory() -> None:
    """Tell glibc to reuse large blocks instead of returning them to the kernel after every tensor.

    On a CPU a step allocates the same hundreds of megabytes again and again, and a fresh page costs a fault:
    benchmarks/RESULTS.md has the gain. Elsewhere than on glibc this does nothing.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    m_trim_threshold, m_mmap_max = -1, -4  # from malloc.h
    libc = ctypes.CDLL(None)
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, -1)
