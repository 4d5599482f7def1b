"""Compiles the CUDA C files of this folder to PTX with NVRTC.

Needs `pip install nvidia-cuda-nvrtc` in the Python that runs it. `python make_ptx.py [NAME ...]` writes NAME.ptx for compute_80;
without names it compiles every .cu file. The PTX is checked in, so nobody needs this to use or test vgpu.
"""

import ctypes
import pathlib
import sys
import sysconfig

FOLDER = pathlib.Path(__file__).parent


def library():
    """The NVRTC library of this Python's site-packages."""
    places = pathlib.Path(sysconfig.get_path("purelib")) / "nvidia"
    found = sorted(path for path in places.glob("**/libnvrtc.so.*") if ".alt." not in path.name)
    if not found:
        sys.exit("no libnvrtc: pip install nvidia-cuda-nvrtc")
    return ctypes.CDLL(str(found[-1]))


def compile_file(nvrtc, source):
    """PTX of one file; ends the program with NVRTC's log when it does not compile."""
    program = ctypes.c_void_p()
    text = source.read_bytes()
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, source.name.encode(), 0, None, None)
    options = (ctypes.c_char_p * 1)(b"--gpu-architecture=compute_80")
    status = nvrtc.nvrtcCompileProgram(program, 1, options)
    size = ctypes.c_size_t()
    if status != 0:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(f"{source.name}: {log.value.decode()}")
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return ptx.value


def main():
    nvrtc = library()
    names = sys.argv[1:] or sorted(path.stem for path in FOLDER.glob("*.cu"))
    for name in names:
        (FOLDER / f"{name}.ptx").write_bytes(compile_file(nvrtc, FOLDER / f"{name}.cu"))
        print(name)


if __name__ == "__main__":
    main()
