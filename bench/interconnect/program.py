"""Starts the benchmark programs and talks with them: lines in, one JSON object per line out (bench/common/control.h)."""

import json
import os
import select
import subprocess
import tempfile
import time

ANSWER_SECONDS = 60


class Failed(Exception):
    """A program ended, fell silent, or moved wrong data. The text is for people."""


class Program:
    def __init__(self, command, environment=None):
        self.command = command
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            env={**os.environ, **(environment or {})})
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it: by the end of its stdin, else by force."""
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def answer(self, seconds=ANSWER_SECONDS):
        """The next JSON line."""
        end = time.monotonic() + seconds
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], end - time.monotonic())
            more = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                raise Failed(f"{' '.join(self.command)}: {self.complaint(bool(ready))}")
            self.pending += more
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)

    def complaint(self, ended):
        self.errors.seek(0)
        text = self.errors.read().decode(errors="replace").strip()
        return text.split("\n")[-1] if text else ("it ended" if ended else "no answer in time")

    def ask(self, line, seconds=ANSWER_SECONDS):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.answer(seconds)


def options(**values):
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def measure_pair(server_command, client_command, seconds, environment=None):
    """One repetition with fresh processes. `client_command` gets the server's address. {"goodput_gbytes_per_s", ...}"""
    with Program(server_command, environment) as server:
        address = server.answer()["address"]
        with Program(client_command(address), environment) as client:
            client.answer()
            before = server.ask("cpu")["cpu_s"]
            result = client.ask(f"go {seconds}", ANSWER_SECONDS + seconds)
            server_cpu = server.ask("cpu")["cpu_s"] - before
        verified = result["verified"] and server.ask(f"verify {result['pushes']}")["verified"]
        if not verified:
            raise Failed(f"{' '.join(server_command)}: wrong data after {result['pushes']} pushes")
    gigabytes = result["bytes"] / 1e9
    return {
        "goodput_gbytes_per_s": gigabytes / result["seconds"],
        "latency_us": result["median_us"],
        "cpu_s_per_gb_client": result["cpu_s"] / gigabytes,
        "cpu_s_per_gb_server": server_cpu / gigabytes,
        "cpu_s_per_gb": (result["cpu_s"] + server_cpu) / gigabytes,
    }
