"""`ghostjax doctor`: checks this machine for devices, versions and writable folders."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console

from ghostjax._cores import usable_cores
from ghostjax._files import unwritable


PACKAGES = (
    "ghostjax",
    "jax",
    "jaxlib",
    "equinox",
    "optax",
    "flax",
    "numpy",
    "scipy",
    "scikit-learn",
    "xarray",
    "plotly",
)


def examine(console: Console, folder: Path, cache: Path | None) -> bool:
    """Prints devices, versions and writable folders, and runs one small program. Returns whether all checks passed."""
    import jax
    import jax.numpy as jnp

    well = True
    console.print(f"python     {platform.python_version()} on {platform.system()} {platform.machine()}")
    console.print(f"cores      {os.cpu_count()} ({usable_cores()} usable)")
    for name in PACKAGES:
        try:
            console.print(f"{name:<10} {version(name)}")
        except PackageNotFoundError:
            console.print(f"{name:<10} missing: reinstall with pip install -e .", style="red")
            well = False
    for device in jax.devices():
        console.print(f"device     {device.device_kind} ({device.platform}:{device.id})")
    for what, where in (("runs", folder), ("cache", cache)):
        if where is None:
            console.print(f"{what:<10} off")
            continue
        problem = unwritable(where)
        said = f"not writable: {problem}" if problem else "(writable)"
        console.print(f"{what:<10} {where} {said}", style="red" if problem else None)
        well = well and problem is None
    data = os.environ.get("GHOSTJAX_DATA")
    if data and not Path(data).expanduser().is_dir():
        console.print(f"data       {data} is no folder: set GHOSTJAX_DATA to one that holds data files", style="red")
        well = False
    else:
        console.print(f"data       {data or 'GHOSTJAX_DATA is not set (only needed for MNIST and CIFAR files)'}")
    start = time.perf_counter()
    total = float(jax.jit(lambda x: (x @ x.T).sum())(jnp.ones((64, 64))))
    good = total == 64.0**3
    console.print(
        f"program    compiled and ran in {time.perf_counter() - start:.2f} s" + ("" if good else ": wrong result"),
        style=None if good else "red",
    )
    return well and good
