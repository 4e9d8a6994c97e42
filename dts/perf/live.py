# SPDX-License-Identifier: BSD-3-Clause
"""A generator in the kernel: /usr/bin/python3 live.py PROGRAM.o INTERFACE FRAME [FRAMES]

BPF's test run makes frames as a network card's driver does, without packets of the kernel's (skb),
and an XDP program that answers XDP_TX puts them out of the interface. It runs until it is killed.
After so many frames it makes new buffers, which takes the kernel 30 ms.
"""

import ctypes
import socket
import sys

LIVE_FRAMES = 1 << 1
BATCH, REPEAT = 64, 1 << 16

_bpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
_bpf.bpf_object__open_file.restype = ctypes.c_void_p
_bpf.bpf_object__next_program.restype = ctypes.c_void_p


class Context(ctypes.Structure):
    """struct xdp_md of linux/bpf.h."""

    _fields_ = [
        (name, ctypes.c_uint32)
        for name in (
            "data",
            "data_end",
            "data_meta",
            "ingress_ifindex",
            "rx_queue",
            "egress_ifindex",
        )
    ]


class Options(ctypes.Structure):
    """struct bpf_test_run_opts of bpf/bpf.h."""

    _fields_ = [
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_char_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    ]


def load(path: str) -> int:
    """The descriptor of the only program of an object file."""
    loaded = ctypes.c_void_p(_bpf.bpf_object__open_file(path.encode(), None))
    if not loaded or _bpf.bpf_object__load(loaded) != 0:
        sys.exit(f"{path}: cannot be loaded")
    program = ctypes.c_void_p(_bpf.bpf_object__next_program(loaded, None))
    return int(_bpf.bpf_program__fd(program))


def main() -> None:
    path, interface, frame = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
    context = Context(data_end=len(frame), ingress_ifindex=socket.if_nametoindex(interface))
    options = Options(
        sz=ctypes.sizeof(Options), data_in=frame, data_size_in=len(frame),
        ctx_in=ctypes.addressof(context), ctx_size_in=ctypes.sizeof(context),
        repeat=int(sys.argv[4]) if len(sys.argv) > 4 else REPEAT, flags=LIVE_FRAMES, batch_size=BATCH,
    )  # fmt: skip
    fd = load(path)
    while True:
        if _bpf.bpf_prog_test_run_opts(fd, ctypes.byref(options)) != 0:
            sys.exit(f"test run: error {ctypes.get_errno()}")


if __name__ == "__main__":
    main()
