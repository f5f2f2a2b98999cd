"""What a result must say about where it came from, and a network namespace with a known congestion control."""

import os
import platform
import re
import subprocess
import sys

CONGESTION_FILE = "/proc/sys/net/ipv4/tcp_congestion_control"
IN_NAMESPACE = "--in-namespace"


def output(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def describe(root):
    model = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    return {
        "processor": model.group(1) if model else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "system": re.sub(r'.*PRETTY_NAME="([^"]*)".*', r"\1", read("/etc/os-release"), flags=re.S),
        "huge_pages": re.sub(r".*\[(\w+)\].*", r"\1",
                             read("/sys/kernel/mm/transparent_hugepage/enabled")),
        "load_before": os.getloadavg()[0],
        "libraries": {name: output(["pkg-config", "--modversion", name]) or None
                      for name in ("ucx", "libfabric", "libxxhash", "protobuf")},
        "commit": output(["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12"]),
    }


def congestion():
    return read(CONGESTION_FILE)


def choose_congestion(wanted):
    for name in wanted:
        try:
            with open(CONGESTION_FILE, "w") as file:
                file.write(name)
            return
        except OSError:  # a namespace gets only what the whole machine allows to everybody
            continue


def enter_namespace(wanted):
    """Goes on in a network namespace of its own, in which all of TCP uses the first congestion control of `wanted` that is
    allowed there: also for libraries that have no option for it. Where there can't be one, says so and goes on here."""
    if IN_NAMESPACE in sys.argv:
        sys.argv.remove(IN_NAMESPACE)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        choose_congestion(wanted)
        return
    sys.stdout.flush()
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode == 0:
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv, IN_NAMESPACE])
    print(f"no network namespace here (root may make one): libraries' own TCP uses {congestion()}",
          file=sys.stderr)
