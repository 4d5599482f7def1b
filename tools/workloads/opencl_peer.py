"""Runs workloads through an OpenCL runtime for CPUs. Requests and answers are JSON lines (see opencl.rs).

Prefers Intel's runtime when several are installed. A failure of one request is its answer; the process goes on.
"""

import json
import os
import sys
import time
import warnings


def prepare_environment():
    """Lets the OpenCL loader find the runtime that pip installed into this environment."""
    library = os.path.join(sys.prefix, "lib", "libintelocl.so")
    if "OCL_ICD_VENDORS" not in os.environ and os.path.exists(library):
        os.environ["OCL_ICD_VENDORS"] = library


prepare_environment()
warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
import pyopencl as cl  # noqa: E402


def cpu_device():
    """The CPU device to use, Intel's before others."""
    devices = []
    for platform in cl.get_platforms():
        try:
            devices += platform.get_devices(cl.device_type.CPU)
        except cl.Error:
            continue
    if not devices:
        raise RuntimeError("no OpenCL device of type CPU")
    return min(devices, key=lambda device: "Intel" not in device.platform.name)


class Peer:
    """One device, and the workload that is loaded."""

    def __init__(self):
        self.device = cpu_device()
        self.context = cl.Context([self.device])
        self.queue = cl.CommandQueue(self.context)
        self.unload({})

    def unload(self, _request):
        self.buffers, self.first, self.paths, self.launches, self.program = [], {}, [], [], None
        return {}

    def load(self, request):
        self.unload({})
        with open(request["source"], encoding="utf-8") as file:
            self.program = cl.Program(self.context, file.read()).build()
        flags = cl.mem_flags.READ_WRITE
        for idx, buffer in enumerate(request["buffers"]):
            data = np.fromfile(buffer["path"], dtype=np.uint8)
            device_buffer = cl.Buffer(self.context, flags, size=data.nbytes)
            cl.enqueue_copy(self.queue, device_buffer, data)
            self.buffers.append(device_buffer)
            self.paths.append(buffer["path"])
            if buffer["written"]:
                self.first[idx] = data
        for launch in request["launches"]:
            kernel = cl.Kernel(self.program, request["kernel"])
            for idx, (kind, value) in enumerate(launch["args"]):
                kernel.set_arg(idx, self.argument(kind, value))
            work = [blocks * threads for blocks, threads in zip(launch["grid"], launch["block"])]
            self.launches.append((kernel, work, launch["block"]))
        self.queue.finish()
        return {}

    def argument(self, kind, value):
        if kind == "buffer":
            return self.buffers[value]
        if kind == "f32":
            return np.uint32(value).view(np.float32)
        return {"u32": np.uint32, "i32": np.int32}[kind](value)

    def restore(self, _request):
        for idx, data in self.first.items():
            cl.enqueue_copy(self.queue, self.buffers[idx], data)
        self.queue.finish()
        return {}

    def run(self, _request):
        started = time.perf_counter()
        for kernel, work, group in self.launches:
            cl.enqueue_nd_range_kernel(self.queue, kernel, work, group)
        self.queue.finish()
        return {"seconds": time.perf_counter() - started}

    def read(self, _request):
        for idx, data in self.first.items():
            found = np.empty_like(data)
            cl.enqueue_copy(self.queue, found, self.buffers[idx])
            found.tofile(self.paths[idx])
        return {}


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main():
    try:
        peer = Peer()
    except Exception as error:  # The other side shows it as the reason for `na`.
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    device = peer.device
    answer({"platform": f"{device.platform.name}, {device.driver_version}, pyopencl {cl.VERSION_TEXT}"})
    actions = {name: getattr(peer, name) for name in ("load", "restore", "run", "read", "unload")}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(actions[request["do"]](request))
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"[:2000]})


if __name__ == "__main__":
    main()
