"""Runs a CUDA test suite on a machine without a GPU.

With `--vgpu` (or `vgpu = true` in the configuration file), pytest starts itself again under `vgpu run --`, so that every
library of the tests finds the software device as it would find a GPU. `--vgpu-devices N` gives it several devices. The command
is `vgpu` on the path, or what the variable `VGPU_COMMAND` names. Without the option the plugin does nothing, so a suite
runs on a machine with a GPU as before.
"""

import os
import shutil
import sys

import pytest

# Set in the environment of the pytest that runs under `vgpu run --`.
MARK = "VGPU_PYTEST"


def pytest_addoption(parser):
    group = parser.getgroup("vgpu", "a software device for CUDA tests")
    group.addoption("--vgpu", action="store_true", default=False, help="run the tests on vgpu's software device")
    group.addoption("--vgpu-devices", type=int, default=None, metavar="N", help="devices that the tests find (implies --vgpu)")
    parser.addini("vgpu", "run the tests on vgpu's software device", type="bool", default=False)


def wanted(config):
    return config.getoption("--vgpu") or config.getini("vgpu") or config.getoption("--vgpu-devices") is not None


def command():
    """The `vgpu` command, or a usage error that says how to get it."""
    named = os.environ.get("VGPU_COMMAND")
    found = shutil.which(named or "vgpu")
    if found is None:
        what = f"VGPU_COMMAND is {named!r}, which is no program" if named else "there is no `vgpu` on the path"
        raise pytest.UsageError(f"--vgpu: {what}; install it with `cargo xtask install --prefix DIR`")
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    # Workers of pytest-xdist are started by a pytest that runs on the device already.
    if not wanted(config) or MARK in os.environ or hasattr(config, "workerinput"):
        return None
    devices = config.getoption("--vgpu-devices")
    environment = dict(os.environ, **{MARK: "1"})
    if devices is not None:
        if not 1 <= devices <= 16:
            raise pytest.UsageError(f"--vgpu-devices is {devices}; accepted is a number from 1 to 16")
        environment["VGPU_DEVICES"] = str(devices)
    program = command()
    # Output that pytest holds back belongs to the process that ends here.
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.stop_global_capturing()
    sys.stdout.flush()
    sys.stderr.flush()
    arguments = [program, "run", "--", sys.executable, "-m", "pytest", *config.invocation_params.args]
    os.chdir(config.invocation_params.dir)
    os.execve(program, arguments, environment)


def pytest_report_header(config):
    if MARK in os.environ:
        return "vgpu: CUDA runs on the software device"
    return None
