#!/usr/bin/python3
"""What pyproject.toml tells scikit-build-core to do, done with this build: its targets exist, and its components, installed into an
empty prefix, are a package that can be imported and reaches its library and a server.

scikit-build-core itself is no Debian 12 package, so that last step is left to users.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tomllib

PROGRAM = """
import numpy, tideway
theta = numpy.zeros(9, numpy.float32)
with tideway.Server({"w": (9,)}, outer_optimizer="sgd:lr=1") as server:
    with tideway.Client(server.address, tideway.Layout({"w": (9,)})) as client:
        client.push_pull(numpy.ones(9, numpy.float32), theta).result()
assert (theta == -1).all()
print("imported", tideway.__file__, "version", tideway.__version__)
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for flag in ("cmake", "build", "pyproject"):
        parser.add_argument("--" + flag, required=True)
    args = parser.parse_args()
    with open(args.pyproject, "rb") as file:
        settings = tomllib.load(file)["tool"]["scikit-build"]
    targets = run(args.cmake, "--build", args.build, "--target", "help")
    for target in settings["build"]["targets"]:
        if f"{target}:" not in targets:
            sys.exit(f"pyproject.toml names the target {target}, which there is not")
    with tempfile.TemporaryDirectory() as prefix:
        for component in settings["install"]["components"]:
            run(args.cmake, "--install", args.build, "--component", component, "--prefix", prefix)
        packages = [folder for folder, _, names in os.walk(prefix) if "__init__.py" in names]
        if len(packages) != 1:
            sys.exit(f"the components have these packages: {packages}")
        print(run("/usr/bin/python3", "-c", PROGRAM, cwd=prefix,
                  env=dict(os.environ, PYTHONPATH=os.path.dirname(packages[0]))))


if __name__ == "__main__":
    main()
