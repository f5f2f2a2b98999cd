#!/usr/bin/python3
"""Installs the build into an empty prefix, builds tests/package/outside against it, and runs it.

The C++ example of README.md (the fenced block after "<!-- example: embed.cc -->") is built too,
exactly as it stands there, so that it cannot rot; and the trainer in C (examples/c), with pkg-config and with the component c.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "<!-- example: embed.cc -->"


def example_of(readme):
    """The marked block's text; None where there is no README; exits where the mark is missing."""
    if not os.path.exists(readme):
        print(f"{readme} does not exist; only the test's own program is built")
        return None
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    match = re.search(re.escape(MARK) + r"\s*\n```[a-z+]*\n(.*?)^```", text, re.S | re.M)
    if not match:
        sys.exit(f"{readme}: put {MARK} on the line before the fenced C++ example")
    return match.group(1)


def run(*command, timeout_s=240, may_fail=False):
    print("+", " ".join(command), flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, timeout=timeout_s)
    if done.returncode != 0 and not may_fail:
        sys.exit(f"{done.stdout}\n{command[0]} failed with {done.returncode}")
    return done.stdout


def build_c(args, work, prefix):
    """The trainer in C, by a C compiler and pkg-config, as strict as they get."""
    found = glob.glob(os.path.join(prefix, "**", "tideway.pc"), recursive=True)
    if not found:
        sys.exit("tideway.pc is not installed")
    os.environ["PKG_CONFIG_PATH"] = os.path.dirname(found[0])
    flags = run("pkg-config", "--cflags", "--libs", "tideway").split()
    program = os.path.join(work, "mlp")
    run(args.c_compiler, "-std=c99", "-D_POSIX_C_SOURCE=200809L", "-O2", "-Wall", "-Wextra",
        "-pedantic", "-Werror", "-o", program, args.c_example, *flags, "-lpthread", "-lm",
        f"-Wl,-rpath,{os.path.dirname(os.path.dirname(found[0]))}")
    print(run(program, timeout_s=60))


def check_components(args, work, prefix):
    """The component c alone, from C alone; one that does not exist is named, together with those that do."""
    def configure(name, *flags, may_fail=False):
        return run(args.cmake, "-G", "Ninja", "-S", os.path.join(HERE, "components"),
                   "-B", os.path.join(work, name), f"-DCMAKE_PREFIX_PATH={prefix}", *flags,
                   may_fail=may_fail)

    told = configure("c", "-DWANTED=c", f"-DPROGRAM={args.c_example}",
                     f"-DCMAKE_C_COMPILER={args.c_compiler}")
    version = run("pkg-config", "--modversion", "tideway").strip()
    if f"-- Tideway {version}\n" not in told:
        sys.exit(f"pkg-config says version {version}, and find_package:\n{told}")
    run(args.cmake, "--build", os.path.join(work, "c"))
    print(run(os.path.join(work, "c", "program"), timeout_s=60))
    refused = " ".join(configure("unknown", "-DWANTED=c;telepathy", may_fail=True).split())
    for text in ("This Tideway has no component 'telepathy'",
                 "client, server, sync, transports, codecs, c."):
        if text not in refused:
            sys.exit(f"the refusal of an unknown component lacks '{text}':\n{refused}")
    found = configure("optional", "-DWANTED=c", "-DOPTIONAL=telepathy")
    if "found: c" not in found or "found: telepathy" in found:
        sys.exit(f"an optional component that does not exist is to be left out:\n{found}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for flag in ("cmake", "compiler", "c-compiler", "build-type", "build", "readme", "c-example"):
        parser.add_argument("--" + flag, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        prefix = os.path.join(work, "prefix")
        source = os.path.join(work, "outside")
        build = os.path.join(work, "build")
        shutil.copytree(os.path.join(HERE, "outside"), source)
        flags = [f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={args.compiler}",
                 f"-DCMAKE_BUILD_TYPE={args.build_type}"]
        example = example_of(args.readme)
        if example is not None:
            path = os.path.join(source, "embed.cc")
            with open(path, "w", encoding="utf-8") as file:
                file.write(example)
            flags.append(f"-DEXAMPLE={path}")
        run(args.cmake, "--install", args.build, "--prefix", prefix)
        run(args.cmake, "-G", "Ninja", "-S", source, "-B", build, *flags)
        run(args.cmake, "--build", build)
        print(run(os.path.join(build, "push_pull"), timeout_s=60))
        if example is not None:
            print(run(os.path.join(build, "embed"), timeout_s=60))
        build_c(args, work, prefix)
        check_components(args, work, prefix)


if __name__ == "__main__":
    main()
