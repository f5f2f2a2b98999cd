#!/usr/bin/python3
"""What libtideway.so shows to the world is what tideway.h declares, nothing else, and all that this version of the ABI ever had.

    exports_test.py tideway.h libtideway.so abi_1.txt
"""

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


def promised(path):
    with open(path, encoding="utf-8") as file:
        return {line.strip() for line in file if not line.startswith("#")}


def main():
    header, library, promises = sys.argv[1:]
    functions, symbols = declared(header), exported(library)
    if not functions:
        sys.exit(f"{header} declares nothing; is this test out of date?")
    problems = [f"{name} is declared and not exported" for name in sorted(functions - symbols)]
    problems += [f"{name} is exported and not declared" for name in sorted(symbols - functions)]
    problems += [f"{name} is missing; programs of this ABI version may call it"
                 for name in sorted(promised(promises) - symbols)]
    problems += [f"{name} is new; add it to {promises}"
                 for name in sorted(functions - promised(promises))]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(functions)} functions, all exported, and nothing else")


if __name__ == "__main__":
    main()
