#!/usr/bin/python3
"""What libtideway.so shows to the world is what tideway.h declares, and nothing else."""

import re
import subprocess
import sys


def declared(header):
    with open(header, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    return set(re.findall(r"^[a-z][\w\s*]*?\b(tideway_\w+)\(", text, re.M))


def exported(library):
    listed = subprocess.run(["nm", "--dynamic", "--defined-only", "--format=posix", library],
                            check=True, capture_output=True, text=True).stdout
    names = {line.split()[0].split("@")[0] for line in listed.splitlines()}
    return names - {"TIDEWAY_1"}  # the version that the symbols belong to


def main():
    header, library = sys.argv[1:]
    functions, symbols = declared(header), exported(library)
    if not functions:
        sys.exit(f"{header} declares nothing; is this test out of date?")
    problems = [f"{name} is declared and not exported" for name in sorted(functions - symbols)]
    problems += [f"{name} is exported and not declared" for name in sorted(symbols - functions)]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(functions)} functions, all exported, and nothing else")


if __name__ == "__main__":
    main()
