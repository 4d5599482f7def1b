"""Devices, memory, streams, events, kernels."""

import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import vgpu


def test_device_and_properties():
    device = vgpu.Device(0)
    properties = device.properties()
    assert properties.name and properties.multiProcessorCount >= 1 and properties.warpSize == 32
    assert properties.totalGlobalMem > 1 << 20
    free, total = device.mem_info
    assert 0 < free <= total
    assert f"{properties.major}{properties.minor}" == device.compute_capability
    assert "Device 0" in repr(device) and device == vgpu.Device() and hash(device) == hash(vgpu.Device())
    with pytest.raises(ValueError, match=f"found {vgpu.device_count()}, expected 0 to"):
        vgpu.Device(vgpu.device_count())
    with pytest.raises(TypeError, match="found str"):
        vgpu.Device("0")


def test_runtime_name():
    import vgpu_runtime

    assert vgpu_runtime is vgpu


def test_copies():
    device = vgpu.Device(0)
    host = np.arange(1000, dtype=np.float64)
    memory, other = device.malloc(host.nbytes), device.malloc(host.nbytes)
    device.memcpy_host_to_device(memory, host)
    device.memcpy(other, memory)
    back = np.zeros_like(host)
    device.memcpy_device_to_host(back, other)
    assert (back == host).all()
    device.memset(memory, 0xFF, 8)
    device.memcpy_device_to_host(back, memory)
    assert np.isnan(back[0]) and back[1] == 1.0
    device.memcpy(int(other), int(memory), 16)
    device.memcpy(back, other)
    assert np.isnan(back[0])
    with pytest.raises(ValueError, match="source has 8 bytes and the destination 8000"):
        device.memcpy(memory, b"12345678")
    with pytest.raises(ValueError, match="fewer than the 9000"):
        device.memcpy(memory, other, 9000)
    with pytest.raises(TypeError, match="two addresses"):
        device.memcpy(int(memory), int(other))
    with pytest.raises(BufferError, match="read-only"):
        device.memcpy_device_to_host(bytes(8), memory)
    with pytest.raises(BufferError, match="not contiguous"):
        device.memcpy(memory, np.zeros((1000, 2))[:, 0])
    with pytest.raises(TypeError, match="found float"):
        device.memcpy(memory, 1.5)
    device.free(memory)
    assert repr(memory) == "<vgpu.Memory freed>"
    with pytest.raises(ValueError, match="was freed"):
        device.memcpy(memory, other)
    device.free(memory)


def test_no_memory():
    with pytest.raises(MemoryError, match="no memory for"):
        vgpu.Device(0).malloc(1 << 60)
    with pytest.raises(ValueError, match="found -1"):
        vgpu.Device(0).malloc(-1)
    with vgpu.Device(0).malloc(0) as nothing:
        assert nothing.nbytes == 0


def test_kernel(scale_text):
    device = vgpu.Device(0)
    kernel = vgpu.RawKernel(scale_text, "scale")
    assert kernel.parameters == [("values", "u64"), ("factor", "f32"), ("n", "u32")]
    assert repr(kernel) == "<vgpu.RawKernel scale(values: .u64, factor: .f32, n: .u32)>"
    assert kernel.max_threads_per_block >= 256
    host = np.arange(1000, dtype=np.float32)
    memory = device.malloc(host.nbytes)
    device.memcpy_host_to_device(memory, host)
    kernel.launch(grid=8, block=128, args=[memory, 3, np.int32(1000)])
    device.synchronize()
    assert device.last_kernel_time() > 0
    back = np.empty_like(host)
    device.memcpy_device_to_host(back, memory)
    assert (back == host * 3).all()
    # Arrays of the host are memory as well.
    kernel((8, 1), (128, 1, 1), (back, np.float32(0.5), 1000))
    device.synchronize()
    assert (back == host * 1.5).all()


@pytest.mark.parametrize(
    ("args", "error", "text"),
    [
        ((0, 1.0), TypeError, "found 2 arguments, expected 3"),
        ((0, "x", 1), TypeError, "argument 1 .factor, .f32.: found str"),
        ((0, 1.0, 1.5), TypeError, "argument 2 .n, .u32.: found float, expected an int"),
        ((0, 1.0, 2**32), OverflowError, "4294967296 does not fit 32 bits"),
        ((0.5, 1.0, 1), TypeError, "argument 0 .values, .u64.: found float"),
        ((0, np.zeros(3), 1), TypeError, "found an array, expected a number"),
        ((b"12345678", 1.0, 1), TypeError, "found bytes"),
    ],
)
def test_wrong_arguments(scale_text, args, error, text):
    with pytest.raises(error, match=text):
        vgpu.RawKernel(scale_text, "scale")(1, 1, args)


def test_wrong_launches(scale_text):
    kernel = vgpu.RawKernel(scale_text, "scale")
    memory = vgpu.Device(0).malloc(4)
    for grid, block in [(0, 1), (1, ()), (1, (1, 1, 1, 1)), (-1, 1), (2**32, 1)]:
        with pytest.raises(ValueError, match="grid|block"):
            kernel(grid, block, (memory, 1.0, 1))
    with pytest.raises(vgpu.Error) as info:
        kernel(1, 4096, (memory, 1.0, 1))
    assert info.value.args[1] == 1
    with pytest.raises(ValueError, match="no kernel 'other'; there are: scale, forever"):
        vgpu.RawKernel(scale_text, "other")
    with pytest.raises(ValueError, match=r"kernel.ptx:\d+:\d+"):
        vgpu.RawKernel(scale_text.replace("mul.f32", "mull.f32"), "scale")


def test_cuda_source():
    source = 'extern "C" __global__ void add_one(int* x) { x[threadIdx.x] += 1; }'
    try:
        kernel = vgpu.RawKernel(source, "add_one")
    except OSError as error:
        assert "pip install nvidia-cuda-nvrtc" in str(error)
        return
    values = np.arange(32, dtype=np.int32)
    kernel(1, 32, (values,))
    vgpu.Device(0).synchronize()
    assert (values == np.arange(1, 33)).all()
    with pytest.raises(ValueError, match="error"):
        vgpu.RawKernel("__global__ void broken() { nothing; }", "broken")


def test_streams_and_events(scale_text):
    kernel = vgpu.RawKernel(scale_text, "scale")
    values = np.ones(256, dtype=np.float32)
    assert vgpu.get_current_stream() is vgpu.Stream.null
    with vgpu.Stream() as stream:
        assert vgpu.get_current_stream() is stream
        start = stream.record()
        with vgpu.Event() as end:
            kernel(1, 256, (values, 2.0, 256))
        with vgpu.Stream(non_blocking=True) as other:
            other.wait_event(end)
            kernel(1, 256, (values, 4.0, 256))
            last = other.record()
        assert vgpu.get_current_stream() is stream
    last.synchronize()
    assert last.done and stream.done and (values == 8).all()
    assert vgpu.get_elapsed_time(start, end) >= 0
    assert vgpu.get_current_stream() is vgpu.Stream.null
    with pytest.raises(TypeError, match="found int"):
        kernel(1, 1, (values, 1.0, 1), stream=3)


def test_other_threads_run_while_one_waits(scale_text):
    """A kernel that waits for a flag which another Python thread sets: only without the lock does it end."""
    kernel = vgpu.RawKernel(scale_text, "forever")
    flag = np.zeros(1, dtype=np.uint32)
    kernel(1, 1, (flag,))
    began = threading.Event()

    def set_flag():
        began.wait()
        flag[0] = 1

    thread = threading.Thread(target=set_flag)
    thread.start()
    before = sys.getswitchinterval()
    # Nobody takes the lock away: the other thread runs only when this one gives it up.
    sys.setswitchinterval(1000)
    try:
        began.set()
        vgpu.Device(0).synchronize()
    finally:
        sys.setswitchinterval(before)
    thread.join()
    assert vgpu.Stream.null.done


def test_interrupt(scale_text, tmp_path):
    """Ctrl-C ends the waiting for a kernel that never ends."""
    program = textwrap.dedent(
        """
        import signal, sys
        import vgpu
        import numpy as np
        kernel = vgpu.RawKernel(open(sys.argv[1]).read(), "forever")
        flag = np.zeros(1, dtype=np.uint32)
        kernel(1, 1, (flag,))
        # Whoever runs this may have the signal switched off.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            print("waiting", flush=True)
            vgpu.Device(0).synchronize()
        except KeyboardInterrupt:
            flag[0] = 1
            vgpu.Device(0).synchronize()
            print("interrupted", flush=True)
        """
    )
    text = tmp_path / "kernel.ptx"
    text.write_text(scale_text)
    child = subprocess.Popen([sys.executable, "-c", program, str(text)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "waiting\n"
    os.kill(child.pid, signal.SIGINT)
    out, _ = child.communicate(timeout=120)
    assert out == "interrupted\n" and child.returncode == 0


def test_unified_memory():
    manager = vgpu.UnifiedMemoryManager(limit_bytes=1000)
    memory = manager.allocate("a", 600)
    assert manager.get("a") is memory and manager.names() == ["a"]
    with pytest.raises(MemoryError, match="400 of 1000 are left"):
        manager.allocate("b", 500)
    with pytest.raises(ValueError, match="'a' is allocated already"):
        manager.allocate("a", 1)
    with pytest.raises(KeyError, match="there are: a"):
        manager.get("c")
    manager.free("a")
    statistics = manager.statistics()
    assert statistics == {"used_bytes": 0, "peak_bytes": 600, "limit_bytes": 1000, "allocations": 0}


def test_structures_are_bytes():
    text = """
.version 7.0
.target sm_70
.address_size 64
.visible .entry second(.param .align 4 .b8 pair[8], .param .u64 out)
{
    .reg .b32 %r<2>; .reg .b64 %rd<2>;
    ld.param.u32 %r1, [pair+4];
    ld.param.u64 %rd1, [out];
    st.global.u32 [%rd1], %r1;
    ret;
}"""
    kernel = vgpu.RawKernel(text, "second")
    out = np.zeros(1, dtype=np.uint32)
    kernel(1, 1, (struct.pack("II", 7, 9), out))
    vgpu.Device(0).synchronize()
    assert out[0] == 9
    with pytest.raises(TypeError, match="expected 8 bytes"):
        kernel(1, 1, (b"123", out))
