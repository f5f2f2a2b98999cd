#!/usr/bin/python3
"""Checks the conventions of docs/style.md that compilers and clang-tidy do not see.

    tests/tidy.py [--root DIR] [--headers --compiler c++ --generated DIR [--cache FILE]]

Prints "path:line: [rule] what is wrong; what to do instead" and exits with 1 if a rule is broken.
Warnings are printed and do not fail. --headers also compiles each public header alone.

A line that must break a rule says why, on itself or the line above: // tidy: allow RULE, reason
"""

import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys

FILE_LINES_WARN = 400
FILE_LINES_MAX = 800
TEST_LINES_MAX = 1000
FUNCTION_LINES_WARN = 80
ALLOW = re.compile(r"//\s*tidy:\s*allow\s+([\w-]+),\s*\S+")
LIBRARIES = ("core/", "transports/", "compression/")
PROGRAMS = ("trainer/", "tools/", "bench/", "tests/", "examples/", "bindings/")
OUR_FOLDERS = ("core", "transports", "compression", "bindings", "trainer", "tools", "bench",
               "tests", "examples")

# Who may include whom, by path from the root; the first line that fits a file counts. What stands
# under "tideway/" is public: see PUBLIC below.
LAYERS = (
    ("core/include/", ()),
    ("core/runtime/", ("core/runtime/",)),
    ("core/wire/", ("core/runtime/", "core/wire/")),
    ("core/optim/", ("core/runtime/", "core/optim/")),
    ("core/client/", ("core/runtime/", "core/wire/", "core/optim/", "core/client/")),
    ("core/server/", ("core/runtime/", "core/wire/", "core/optim/", "core/server/")),
    ("core/sync/", ("core/runtime/", "core/wire/", "core/sync/")),
    ("trainer/", ("trainer/",)),
    ("bindings/", ("bindings/",)),
    ("tools/", ("tools/",)),
    ("bench/micro/", OUR_FOLDERS),  # they measure what nobody else may include
    ("bench/", ("bench/", "tools/")),  # tables and exit statuses
    ("examples/", ("examples/",)),
    ("tests/", OUR_FOLDERS),
)
# Which folders' public headers a file may include, by the beginning of its path.
PUBLIC = (
    ("core/", ("core/",)),
    ("transports/", ("core/", "transports/")),
    ("compression/", ("core/", "compression/")),
    ("", ("core/", "transports/", "compression/")),
)


class Rule:
    """A banned expression, where it is banned, and what to use instead."""

    def __init__(self, name, pattern, advice, banned_in, allowed=None):
        self.name = name
        self.pattern = re.compile(pattern)
        self.advice = advice
        self.banned_in = banned_in
        self.allowed = re.compile(allowed) if allowed else None

    def applies(self, path):
        in_scope = any(path.startswith(p) for p in self.banned_in)
        return in_scope and not (self.allowed and self.allowed.search(path))


ALL = LIBRARIES + PROGRAMS
TESTS = r"(^tests/|_test\.(cc?|h)$|_testing\.(cc|h)$)"
BANNED = (
    Rule("getenv", r"\b(secure_)?getenv\s*\(",
         "pass it in an options struct; only trainer/environment.cc reads the environment", ALL,
         r"^trainer/environment\.cc$"),
    Rule("sleep", r"\b(u?sleep|nanosleep|sleep_for|sleep_until|absl::SleepFor|SleepFor)\s*\(",
         "use Executor::RunAfter, or wait for the event itself", ALL, r"^(trainer|bench)/"),
    Rule("clock",
         r"\bchrono::\w+_clock::now\b|\babsl::(Now|GetCurrentTimeNanos)\s*\(|(?<![\w.>:])time\s*\("
         r"\s*(nullptr|NULL|0|&)|\bstd::time\s*\(|\b(gettimeofday|clock_gettime)\s*\(",
         "take the time from the Executor", LIBRARIES,
         r"^core/runtime/thread_executor\.cc$|" + TESTS),
    Rule("thread", r"\bstd::j?thread\b(?!\s*::)|\bpthread_create\b|\bstd::async\b",
         "run it on the Executor; only it and transports' progress threads start threads",
         LIBRARIES, r"^core/runtime/thread_executor\.(h|cc)$|"
         r"^transports/[a-z0-9_]+/\w*(progress|loop)\w*\.(h|cc)$|" + TESTS),
    Rule("std-mutex", r"\bstd::(recursive_|shared_|timed_)?mutex\b|\bstd::condition_variable",
         "use absl::Mutex with ABSL_GUARDED_BY, so that the compiler checks who holds it", LIBRARIES),
    Rule("print", r"\bstd::(cout|cerr|clog)\b|(?<![\w:])(std::)?(printf|fprintf|puts|fputs)\s*\(|"
         r"\babsl::(Printf|PrintF|FPrintF)\s*\(",
         "libraries log through the embedder's sink (tideway/log.h)", LIBRARIES, TESTS),
    Rule("abort", r"(?<![\w.>])(std::)?(abort|exit|_exit|_Exit|quick_exit|terminate)\s*\(|"
         r"\bABSL_RAW_(CHECK|LOG)\b|(?<!\w)CHECK(_[A-Z]+)?\s*\(",
         "return a Status; assert only for our own bugs", LIBRARIES, TESTS),
    Rule("throw", r"\bthrow\b", "return a Status", LIBRARIES, TESTS),
    Rule("random", r"(?<![\w.>])s?rand\s*\(|\bstd::(random_device|mt19937)",
         "take the random source of the Executor, so that a seed reproduces the run", LIBRARIES,
         r"^core/(runtime|include/tideway)/(thread|sim)_executor\.(h|cc)$|^transports/sim/|" + TESTS),
    Rule("string-view", r"\bstd::string_view\b",
         "use absl::string_view, as Abseil's own interfaces do", ("core/include/",
         "transports/include/", "compression/include/")),
    Rule("pragma-once", r"^\s*#\s*pragma\s+once", "use an include guard", ALL),
)


class Report:
    def __init__(self, out=sys.stdout):
        self.errors = 0
        self.warnings = 0
        self.out = out

    def error(self, path, line, rule, text):
        self.errors += 1
        print(f"{path}:{line}: [{rule}] {text}", file=self.out)

    def warn(self, path, line, rule, text):
        self.warnings += 1
        print(f"{path}:{line}: warning: [{rule}] {text}", file=self.out)


def strip_code(text):
    """The text with comments, strings and character constants blanked; line breaks stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'", re.S)

    def blank(match):
        found = match.group(0)
        if found.startswith('"') and is_include(match):
            return found
        return re.sub(r"[^\n]", " ", found)

    def is_include(match):
        start = text.rfind("\n", 0, match.start()) + 1
        return re.match(r"\s*#\s*include\s*$", text[start:match.start()]) is not None

    return pattern.sub(blank, text)


class Source:
    def __init__(self, root, path):
        self.path = path
        self.folder = os.path.join(root, os.path.dirname(path))
        with open(os.path.join(root, path), encoding="utf-8") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        self.code_lines = strip_code(self.text).split("\n")

    def includes(self):
        """(line number, path, whether quoted) of each include."""
        for number, line in enumerate(self.code_lines, 1):
            match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if match:
                yield number, match.group(2), match.group(1) == '"'

    def allows(self, number, rule):
        for line in self.lines[max(0, number - 2):number]:
            match = ALLOW.search(line)
            if match and match.group(1) == rule:
                return True
        return False


def list_files(root):
    """Paths of the files that git tracks or would track; of all files where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            check=True, capture_output=True)
        paths = listed.stdout.decode().split("\0")
        return sorted({p for p in paths if p and os.path.isfile(os.path.join(root, p))})
    except (subprocess.CalledProcessError, FileNotFoundError):
        found = []
        for folder, below, names in os.walk(root):
            below[:] = [b for b in below if b != "build" and not b.startswith(".")]
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
        return sorted(found)


def public_headers(sources):
    """{"tideway/x.h": its path from the root}"""
    found = {}
    for path in sources:
        match = re.match(r"(?:core|transports|compression)/include/(tideway/.+\.h)$", path)
        if match:
            found[match.group(1)] = path
    return found


def may_include(path, target):
    """Whether the file at `path` may include our internal header `target` (from the root)."""
    if target.startswith("tests/"):
        return path.startswith("tests/") or re.search(TESTS, path) is not None
    if re.search(TESTS, path):
        return True
    for beginning, allowed in LAYERS:
        if path.startswith(beginning):
            return target.startswith(tuple(allowed))
    match = re.match(r"(transports|compression)/(?:([^/]+)/)?", path)
    if not match:
        return True
    folder, backend = match.groups()
    if target.startswith("core/runtime/"):
        return True
    if backend is None:  # the registry sees all backends
        return target.startswith(folder + "/")
    return target.startswith((f"{folder}/{backend}/", f"{folder}/common/"))


def check_includes(source, public, report):
    allowed_public = next(folders for start, folders in PUBLIC if source.path.startswith(start))
    is_test = re.search(TESTS, source.path) is not None
    for number, target, quoted in source.includes():
        if source.allows(number, "layers"):
            continue
        first = target.split("/")[0]
        if first == "tideway":
            owner = public.get(target)
            if owner and not is_test and not owner.startswith(allowed_public):
                report.error(source.path, number, "layers",
                             f"{target} belongs to a layer above this file; ask for what you need "
                             "through an argument")
            continue
        if first in OUR_FOLDERS and target.endswith((".h", ".inc")):
            if not may_include(source.path, target):
                report.error(source.path, number, "layers",
                             f"this layer must not see {target}; see docs/style.md for who may "
                             "include whom")
            continue
        if quoted and "/" not in target and not target.endswith((".hpp", ".pb.h")) and \
                os.path.exists(os.path.join(source.folder, target)):
            report.error(source.path, number, "include-path",
                         f'write the path from the root: "{os.path.dirname(source.path)}/{target}"')
        if source.path.startswith(("core/include/", "transports/include/",
                                   "compression/include/")) and \
                re.match(r"(asio|google/|xxhash|openssl/|hwy/|torch/|ATen/|c10/|spdlog/|nlohmann/"
                         r"|CLI/|zlib)", target):
            report.error(source.path, number, "layers",
                         f"a public header must not show {target}; keep it in a .cc file")


def check_guard(source, report):
    if not source.path.endswith(".h"):
        return
    guard = "TIDEWAY_" + re.sub(r"[^A-Za-z0-9]", "_", source.path).upper() + "_"
    directives = [(n, l.split()) for n, l in enumerate(source.code_lines, 1)
                  if l.lstrip().startswith("#")]
    first = [words[:2] for _, words in directives[:2]]
    if first != [["#ifndef", guard], ["#define", guard]]:
        report.error(source.path, directives[0][0] if directives else 1, "guard",
                     f"open the header with #ifndef {guard} and #define {guard}")
    elif not source.text.rstrip().endswith(f"#endif  // {guard}"):
        report.error(source.path, len(source.lines), "guard", f"close with #endif  // {guard}")


def check_banned(source, report):
    for rule in BANNED:
        if not rule.applies(source.path):
            continue
        for number, line in enumerate(source.code_lines, 1):
            if rule.pattern.search(line) and not source.allows(number, rule.name):
                report.error(source.path, number, rule.name,
                             f"{rule.pattern.search(line).group(0).strip()} is banned here: "
                             f"{rule.advice}")


def check_lengths(source, report):
    count = len(source.lines)
    most = TEST_LINES_MAX if re.search(TESTS, source.path) else FILE_LINES_MAX
    if count > most:
        report.error(source.path, 1, "file-length",
                     f"{count} lines, more than {most}; split it by subject")
    elif count > FILE_LINES_WARN:
        report.warn(source.path, 1, "file-length", f"{count} lines; aim under {FILE_LINES_WARN}")
    for start, length in long_functions(source):
        report.warn(source.path, start, "function-length",
                    f"{length} lines; aim under 25, never over {FUNCTION_LINES_WARN}")


def long_functions(source):
    """(first line, lines) of each function body that is too long, by counting braces."""
    stack = []  # (line of the opening brace, whether it opens a function)
    before = ""  # code since the last ; { or }
    inside = 0  # how many enclosing function bodies
    for number, line in enumerate(source.code_lines, 1):
        if line.lstrip().startswith("#"):
            continue
        for char in line + "\n":
            if char == "{":
                head = before.strip()
                is_function = inside == 0 and ")" in head and not re.match(
                    r"(namespace|class|struct|enum|union|extern)\b", head)
                stack.append((number, is_function))
                inside += is_function
                before = ""
            elif char == "}":
                if stack:
                    start, is_function = stack.pop()
                    inside -= is_function
                    if is_function and number - start + 1 > FUNCTION_LINES_WARN:
                        yield start, number - start + 1
                before = ""
            elif char == ";":
                before = ""
            else:
                before += char


def check_dead_files(root, files, sources, public, report):
    included = set()
    for source in sources.values():
        for _, target, _ in source.includes():
            real = public.get(target, target)
            if real != source.path:
                included.add(real)
    lists = {}
    for path in files:
        if os.path.basename(path) == "CMakeLists.txt":
            with open(os.path.join(root, path), encoding="utf-8") as file:
                lists[os.path.dirname(path)] = file.read()
    cmake = "\n".join(
        open(os.path.join(root, p), encoding="utf-8").read() for p in files if p.endswith(".cmake"))
    for path in sources:
        if path.endswith(".h"):
            if path not in included:
                report.error(path, 1, "dead-file", "no file includes it; remove it or use it")
        elif not named_in_lists(path, lists) and os.path.basename(path) not in cmake:
            report.error(path, 1, "dead-file",
                         "no CMakeLists.txt names it; remove it or build it")


def names(cmake, name):
    """Whether the CMake text names the file, in full or as ${x}_test.cc with x in a foreach."""
    if re.search(r"(?<!\w)" + re.escape(name) + r"(?!\w)", cmake):
        return True
    for suffix in set(re.findall(r"\$\{\w+\}([\w.]+\.cc)\b", cmake)):
        stem = name[:-len(suffix)]
        if name.endswith(suffix) and re.search(r"(?<!\w)" + re.escape(stem) + r"(?!\w)", cmake):
            return True
    return False


def named_in_lists(path, lists):
    folder, name = os.path.split(path)
    while True:
        if folder in lists and names(lists[folder], name):
            return True
        if not folder:
            return False
        folder, last = os.path.split(folder)
        name = f"{last}/{name}"


def slug(heading):
    """The anchor that hosting sites give to a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def markdown_lines(text):
    """(number, line) outside of fenced blocks."""
    fence = None
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"\s*(```+|~~~+)", line)
        if match and fence is None:
            fence = match.group(1)
        elif match and line.strip().startswith(fence):
            fence = None
        elif fence is None:
            yield number, line


def check_links(root, path, report):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        text = file.read()
    for number, line in markdown_lines(text):
        for target in re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", re.sub(r"`[^`]*`", "`", line)):
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            name, _, anchor = target.partition("#")
            to = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            full = os.path.join(root, to)
            if to.startswith("..") or not os.path.exists(full):
                report.error(path, number, "link", f"{target} does not exist")
            elif anchor and not anchor_exists(full, anchor):
                report.error(path, number, "link", f"{to} has no #{anchor}")


def anchor_exists(full, anchor):
    if os.path.isdir(full):
        return False
    with open(full, encoding="utf-8") as file:
        text = file.read()
    lines = re.match(r"L(\d+)(?:-L(\d+))?$", anchor)
    if lines:
        return int(lines.group(2) or lines.group(1)) <= text.count("\n") + 1
    if not full.endswith(".md"):
        return False
    headings = [slug(m.group(1)) for _, l in markdown_lines(text)
                if (m := re.match(r"#{1,6}\s+(.*?)\s*#*$", l))]
    return anchor in headings


def check_self_contained(root, public, args, report):
    """Compiles each public header alone. Results are kept in the cache file by content."""
    generated = args.generated
    flags = [args.compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x",
             "c++", "-I", generated]
    for folder in ("core", "transports", "compression"):
        flags += ["-I", os.path.join(root, folder, "include")]
    everything = hashlib.sha256(" ".join(flags).encode())
    for path in sorted(public.values()):
        with open(os.path.join(root, path), "rb") as file:
            everything.update(file.read())
    key = everything.hexdigest()
    if args.cache and os.path.exists(args.cache):
        with open(args.cache, encoding="utf-8") as file:
            if file.read().strip() == key:
                return

    def compile_alone(item):
        # Twice, so that a broken include guard shows too.
        program = f'#include "{item[0]}"\n#include "{item[0]}"\n'
        done = subprocess.run(flags + ["-"], input=program.encode(), capture_output=True,
                              check=False)
        return item[1], done.returncode, done.stderr.decode()

    before = report.errors
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, status, text in pool.map(compile_alone, sorted(public.items())):
            if status != 0:
                report.error(path, 1, "self-contained",
                             "does not compile alone; include what it uses:\n" + text)
    if args.cache and report.errors == before:
        with open(args.cache, "w", encoding="utf-8") as file:
            file.write(key + "\n")


def check_tree(root, report):
    """All checks that need no compiler. Returns the public headers."""
    files = list_files(root)
    sources = {p: Source(root, p) for p in files
               if p.endswith((".h", ".cc", ".c")) and p.split("/")[0] in OUR_FOLDERS}
    public = public_headers(sources)
    for source in sources.values():
        check_includes(source, public, report)
        check_guard(source, report)
        check_banned(source, report)
        check_lengths(source, report)
    check_dead_files(root, files, sources, public, report)
    for path in files:
        if path.endswith(".md"):
            check_links(root, path, report)
    return public


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), ".."))
    parser.add_argument("--headers", action="store_true", help="compile each public header alone")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--generated", default="build/dev/generated")
    parser.add_argument("--cache", help="a file that remembers that the headers compiled")
    args = parser.parse_args()
    root = os.path.abspath(args.root)
    report = Report()
    public = check_tree(root, report)
    if args.headers:
        check_self_contained(root, public, args, report)
    print(f"tidy: {report.errors} errors, {report.warnings} warnings")
    return 1 if report.errors else 0


if __name__ == "__main__":
    sys.exit(main())
