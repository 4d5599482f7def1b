"""Peers of `cargo xtask bench num` that live in Python packages, or are easiest to call from Python.

One process per peer and case, named by a JSON object as the only argument. It prints `ready`, or `na` and why; then it
does the work once for each line it reads, prints `done`, and on the line `save` writes the last result to a file first.
"""

import ctypes
import json
import sys

case = json.loads(sys.argv[1])


def load(index, dtype):
    import numpy

    shape = case["shapes"][index]
    return numpy.fromfile(case["files"][index], dtype=dtype).reshape(shape)


def einsum():
    import numpy

    arrays = [load(i, numpy.float32) for i in range(len(case["files"]))]
    text, shapes = case["text"], [a.shape for a in arrays]
    if case["peer"] == "numpy":
        if len(arrays) > 4:
            raise RuntimeError("its path search does not finish")
        path = numpy.einsum_path(text, *arrays, optimize="optimal")[0]
        return lambda: numpy.einsum(text, *arrays, optimize=path)
    if case["peer"] == "opt_einsum":
        import opt_einsum

        expression = opt_einsum.contract_expression(text, *shapes, optimize="auto-hq")
        return lambda: expression(*arrays)
    import cotengra

    expression = cotengra.einsum_expression(text, *shapes)
    return lambda: expression(*arrays)


def convolution():
    """oneDNN through its C interface, images and weights as plain arrays."""
    import numpy

    library = ctypes.CDLL(case["library"])
    x, w = load(0, numpy.float32), load(1, numpy.float32)
    rows, cols, stride, padding = case["rows"], case["cols"], case["stride"], case["padding"]
    out = numpy.zeros((x.shape[0], w.shape[0], rows, cols), numpy.float32)
    handle = ctypes.c_void_p

    def call(name, *arguments):
        status = getattr(library, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} returned {status}")

    def made(name, *arguments):
        result = handle()
        call(name, ctypes.byref(result), *arguments)
        return result

    def numbers(*values):
        return (ctypes.c_int64 * 12)(*values)

    engine = made("dnnl_engine_create", 1, ctypes.c_size_t(0))
    stream = made("dnnl_stream_create", engine, 1)
    f32, inference, either = 3, 96, 3

    def described(array):
        strides = [s // array.itemsize for s in array.strides]
        return made("dnnl_memory_desc_create_with_strides", 4, numbers(*array.shape), f32, numbers(*strides))

    descriptions = [described(array) for array in (x, w, out)]
    plan = made(
        "dnnl_convolution_forward_primitive_desc_create", engine, inference, either, descriptions[0], descriptions[1],
        None, descriptions[2], numbers(stride, stride), numbers(0, 0), numbers(padding, padding),
        numbers(padding, padding), None,
    )
    primitive = made("dnnl_primitive_create", plan)

    class Argument(ctypes.Structure):
        _fields_ = [("place", ctypes.c_int), ("memory", handle)]

    places = (1, 33, 17)
    memories = [
        made("dnnl_memory_create", description, engine, handle(array.ctypes.data))
        for description, array in zip(descriptions, (x, w, out))
    ]
    arguments = (Argument * 3)(*[Argument(place, memory) for place, memory in zip(places, memories)])

    def run():
        call("dnnl_primitive_execute", primitive, stream, 3, arguments)
        call("dnnl_stream_wait", stream)
        # The library keeps no operand alive.
        assert x.size and w.size
        return out

    return run


def transfer_entropy():
    import numpy
    from scipy.spatial import cKDTree
    from scipy.special import digamma

    source, target = load(0, numpy.float64), load(1, numpy.float64)
    k, workers = case["k"], case["threads"]

    def run():
        following, past, pasts = target[1:], target[:-1], source[:-1]
        joint = numpy.stack([following, past, pasts], axis=1)
        distance = cKDTree(joint).query(joint, k=k + 1, p=numpy.inf, workers=workers)[0][:, -1]
        nearer = numpy.nextafter(distance, 0)

        def count(points):
            found = cKDTree(points).query_ball_point(points, nearer, p=numpy.inf, workers=workers, return_length=True)
            return found - 1

        first = count(numpy.stack([following, past], axis=1))
        second = count(numpy.stack([pasts, past], axis=1))
        third = count(past[:, None])
        terms = digamma(third + 1) - digamma(first + 1) - digamma(second + 1)
        return numpy.array([digamma(k) + terms.mean()])

    return run


try:
    work = {"einsum": einsum, "convolution": convolution, "transfer_entropy": transfer_entropy}[case["kind"]]()
except Exception as error:
    print("na", repr(error).replace("\n", " "), flush=True)
    sys.exit(0)
print("ready", flush=True)
result = None
for line in sys.stdin:
    if line.strip() == "save":
        import numpy

        numpy.asarray(result).tofile(case["out"])
    else:
        result = work()
    print("done", flush=True)
