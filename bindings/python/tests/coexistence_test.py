"""What else a process may hold: PyTorch, another Protobuf, another UCX, and children that it forks. Each program below runs in a process of
its own, since what is loaded first matters, and stays.

  coexistence_test.py [--must-run tcp,ucx/tcp,...]

Without UCX its programs are skipped with the reason; one that --must-run asks for fails instead.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest

LIBRARIES = os.path.join("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "")
PROTOBUF = "libprotobuf.so.32"
UCX = ("libucp.so.0", "libuct.so.0", "libucs.so.0", "libucm.so.0")
MUST_RUN = ()
SKIPPED = 77  # the exit status of a program that can't run here, as automake has it


def exchange(address):
    """A push and a pull over it; what is pulled must be what was pushed."""
    import numpy
    import tideway
    layout = tideway.Layout({"w": (100000,)})
    theta = numpy.zeros(100000, numpy.float32)
    with tideway.Server(layout, listen=[address], outer_optimizer="sgd:lr=1") as server, \
            tideway.Client(server.address, layout, codec_up="bf16") as client:
        client.push_pull(numpy.full(100000, -2, numpy.float32), theta).result()
        assert (theta == 2).all(), theta
        return client.transport_report()[0]["provider"]


def exchange_over_all():
    """Over TCP, and over UCX where it is."""
    import tideway
    print(exchange("tcp://127.0.0.1:0"))
    for transports in ("tcp", "posix,sysv,cma"):
        try:
            print(exchange(f"ucx://127.0.0.1:0?tls={transports}"))
        except tideway.Unavailable as error:
            print(f"ucx: {error}", file=sys.stderr)
            sys.exit(SKIPPED)


def use_torch():
    """Its threads, its autograd, and its Protobuf, which writes a model as ONNX."""
    import io
    try:
        import torch
    except ImportError as error:
        print(error, file=sys.stderr)
        sys.exit(SKIPPED)
    model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.ReLU(), torch.nn.Linear(300, 1))
    model(torch.ones(64, 300)).sum().backward()
    assert torch.isfinite(model[0].weight.grad).all()
    file = io.BytesIO()
    torch.onnx.export(model, torch.ones(1, 300), file)
    assert len(file.getvalue()) > 4 * 300 * 300


def torch_before_tideway():
    use_torch()
    exchange_over_all()
    use_torch()


def tideway_before_torch():
    exchange_over_all()
    use_torch()
    exchange_over_all()


def renamed(name):
    """libucp.so.0 is libucp-x.so then: as long, since it must fit where it stood."""
    stem, version = name.split(".so.")
    return f"{stem}-{'x' * len(version)}.so"


def copy_renamed(folder, names):
    """Copies libraries under other names, inside and outside, as wheels bring them along."""
    for name in names:
        with open(os.path.join(LIBRARIES, name), "rb") as file:
            data = file.read()
        for other in names:
            data = data.replace(other.encode() + b"\0", renamed(other).encode() + b"\0")
        with open(os.path.join(folder, renamed(name)), "wb") as file:
            file.write(data)


def beside_another_protobuf():
    ctypes.CDLL(renamed(PROTOBUF))
    exchange_over_all()


def beside_another_ucx(mode=ctypes.RTLD_LOCAL):
    """Is told so, by the other's path; TCP goes on."""
    import tideway
    ctypes.CDLL(renamed(UCX[0]), mode)
    try:
        exchange("ucx://127.0.0.1:0")
    except tideway.Unavailable as error:
        if "was made without" in str(error):
            print(f"ucx: {error}", file=sys.stderr)
            sys.exit(SKIPPED)
        assert re.search(r"has loaded /.*/libucs-x\.so.*libucs\.so\.0.*only one of them",
                         str(error)), error
    else:
        raise AssertionError("two UCXes were taken for one")
    print(exchange("tcp://127.0.0.1:0"))


def beside_another_ucx_for_all():
    """The functions of that one come before all others."""
    beside_another_ucx(ctypes.RTLD_GLOBAL)


def fork_beside_ucx():
    """A forked child uses TCP as it likes, and is told that UCX does not go along."""
    import tideway
    layout = tideway.Layout({"w": (4,)})
    try:
        server = tideway.Server(layout, listen=["ucx://127.0.0.1:0"])
    except tideway.Unavailable as error:
        print(f"ucx: {error}", file=sys.stderr)
        sys.exit(SKIPPED)
    with server:
        child = os.fork()
        if child == 0:
            try:
                tideway.Client(server.address, layout, timeout=30)
            except tideway.Unavailable as error:
                assert re.search(r"forked from process \d+, which uses UCX.*tcp://.*spawn", str(error)), error
            else:
                raise AssertionError("a forked child was let into its parent's UCX")
            assert exchange("tcp://127.0.0.1:0") == "tcp"
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        tideway.Client(server.address, layout).close()
    print("ucx")


class Coexistence(unittest.TestCase):

    def run_alone(self, program, other_copies_of=()):
        """With copies of those libraries where the program finds them by their other names."""
        with tempfile.TemporaryDirectory() as folder:
            for name in other_copies_of:
                if not os.path.exists(os.path.join(LIBRARIES, name)):
                    self.skipTest(f"there is no {name} in {LIBRARIES}")
            copy_renamed(folder, other_copies_of)
            done = subprocess.run([sys.executable, __file__, program.__name__], capture_output=True,
                                  text=True, check=False, timeout=100,
                                  env={**os.environ, "LD_LIBRARY_PATH": folder})
        must_run = "ucx:" in done.stderr and any(name.startswith("ucx/") for name in MUST_RUN)
        if done.returncode == SKIPPED and not must_run:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_torch_is_there_before_tideway(self):
        self.run_alone(torch_before_tideway)

    def test_torch_comes_after_tideway(self):
        self.run_alone(tideway_before_torch)

    def test_another_protobuf_in_the_process_does_no_harm(self):
        self.run_alone(beside_another_protobuf, [PROTOBUF])

    def test_another_ucx_in_the_process_is_refused_by_its_path(self):
        self.run_alone(beside_another_ucx, UCX)
        self.run_alone(beside_another_ucx_for_all, UCX)

    def test_a_forked_child_is_told_that_ucx_stays_with_its_parent(self):
        self.run_alone(fork_beside_ucx)


PROGRAMS = {program.__name__: program for program in
            (torch_before_tideway, tideway_before_torch, beside_another_protobuf, beside_another_ucx,
             beside_another_ucx_for_all, fork_beside_ucx)}

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in PROGRAMS:
        PROGRAMS[sys.argv[1]]()
        sys.exit(0)
    if sys.argv[1:2] == ["--must-run"]:
        MUST_RUN = tuple(sys.argv.pop(2).split(","))
        sys.argv.pop(1)
    unittest.main()
