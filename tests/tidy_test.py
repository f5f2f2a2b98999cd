#!/usr/bin/python3
"""Small bad samples for tests/tidy.py: each rule must find what it is for, and nothing else."""

import io
import os
import re
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import tidy  # noqa: E402


def header(path, body="int F();"):
    guard = "TIDEWAY_" + re.sub(r"[^A-Za-z0-9]", "_", path).upper() + "_"
    return f"#ifndef {guard}\n#define {guard}\n{body}\n#endif  // {guard}\n"


def rules_broken(files):
    """The names of the rules that a tree with these files ({path: text}) breaks, sorted."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        out = io.StringIO()
        tidy.check_tree(root, tidy.Report(out))
        return sorted(re.findall(r"^[^:]+:\d+: (?:warning: )?\[([\w-]+)\]", out.getvalue(), re.M))


def in_file(path, text):
    """The same for one source that a CMakeLists.txt names."""
    folder, name = os.path.split(path)
    return rules_broken({path: text, folder + "/CMakeLists.txt": name})


class TidyTest(unittest.TestCase):
    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(rules_broken({
            "core/runtime/CMakeLists.txt": "a.cc",
            "core/runtime/a.h": header("core/runtime/a.h"),
            "core/runtime/a.cc": '#include "core/runtime/a.h"\n// sleep(1); throw\n'
                                 'const char* s = "getenv( std::cout";\n',
            "README.md": "[a](core/runtime/a.h#L2) [b](#a-heading) [c](https://x.y/z)\n"
                         "# A `heading`\n```\n[not a link](nowhere)\n```\n",
        }), [])

    def test_a_layer_must_not_see_the_one_above(self):
        for path, target in (("core/runtime/a.cc", "core/wire/b.h"),
                             ("core/wire/a.cc", "core/client/b.h"),
                             ("core/client/a.cc", "core/server/b.h"),
                             ("transports/tcp/a.cc", "transports/inproc/b.h"),
                             ("transports/tcp/a.cc", "core/wire/b.h"),
                             ("compression/int8/a.cc", "transports/tcp/b.h"),
                             ("trainer/a.cc", "core/client/b.h")):
            self.assertEqual(
                rules_broken({path: f'#include "{target}"\n', target: header(target),
                              os.path.dirname(path) + "/CMakeLists.txt": "a.cc"}),
                ["layers"], path)

    def test_the_registry_sees_all_its_backends(self):
        self.assertEqual(
            rules_broken({"transports/list.cc": '#include "transports/tcp/b.h"\n',
                          "transports/tcp/b.h": header("transports/tcp/b.h"),
                          "transports/CMakeLists.txt": "list.cc"}), [])

    def test_core_must_not_see_the_public_headers_of_backends(self):
        public = "transports/include/tideway/builtin.h"
        self.assertEqual(
            rules_broken({"core/client/a.cc": '#include "tideway/builtin.h"\n',
                          "core/client/CMakeLists.txt": "a.cc", public: header(public)}),
            ["layers"])

    def test_a_public_header_must_not_show_a_third_party_library(self):
        path = "core/include/tideway/a.h"
        self.assertEqual(
            rules_broken({path: header(path, "#include <asio.hpp>"),
                          "tests/a_test.cc": '#include "tideway/a.h"\n',
                          "tests/CMakeLists.txt": "a_test.cc"}), ["layers"])

    def test_banned_calls_are_found_in_libraries(self):
        for rule, line in (("getenv", 'getenv("X");'), ("sleep", "absl::SleepFor(d);"),
                           ("sleep", "std::this_thread::sleep_for(d);"),
                           ("clock", "std::chrono::steady_clock::now();"),
                           ("clock", "absl::Now();"), ("clock", "time(nullptr);"),
                           ("thread", "std::thread t(f);"), ("std-mutex", "std::mutex m;"),
                           ("print", "std::cout << 1;"), ("print", 'printf("x");'),
                           ("abort", "std::abort();"), ("abort", "exit(1);"),
                           ("throw", "throw 1;"), ("random", "int x = rand();")):
            self.assertEqual(in_file("core/client/a.cc", line + "\n"), [rule], line)

    def test_look_alikes_are_not_banned(self):
        for line in ("std::thread::id id;", "snprintf(b, n, f);", "executor.Now();",
                     "on_exit(1);", "char c = '\"'; x.exit(2);", "uptime(0);", "int n = 1'000;"):
            self.assertEqual(in_file("core/client/a.cc", line + "\n"), [], line)

    def test_the_one_place_for_a_call_may_use_it(self):
        self.assertEqual(in_file("core/runtime/thread_executor.cc", "std::thread t; absl::Now();"), [])
        self.assertEqual(in_file("transports/tcp/progress.cc", "std::thread t;"), [])
        self.assertEqual(in_file("core/runtime/other.cc", "std::thread t;"), ["thread"])

    def test_an_exception_needs_its_rule_and_a_reason(self):
        self.assertEqual(
            in_file("core/client/a.cc", "// tidy: allow clock, only for a log\nabsl::Now();\n"), [])
        self.assertEqual(
            in_file("core/client/a.cc", "// tidy: allow clock\nabsl::Now();\n"), ["clock"])
        self.assertEqual(
            in_file("core/client/a.cc", "// tidy: allow sleep, why\nabsl::Now();\n"), ["clock"])

    def test_a_wrong_guard_is_found(self):
        for text in ("int F();\n", "#pragma once\n", header("core/wire/other.h")):
            found = rules_broken({"core/wire/a.h": text, "core/wire/CMakeLists.txt": "a.cc",
                                  "core/wire/a.cc": '#include "core/wire/a.h"\n'})
            self.assertIn("guard", found)

    def test_dead_files_are_found(self):
        self.assertEqual(rules_broken({"core/wire/a.h": header("core/wire/a.h")}), ["dead-file"])
        self.assertEqual(rules_broken({"core/wire/a.cc": "", "core/wire/CMakeLists.txt": "aa.cc"}),
                         ["dead-file"])
        loop = "foreach(name b c)\n  tideway_test(${name}_test SRCS ${name}_test.cc)\n"
        for name, found in (("b", []), ("c", []), ("d", ["dead-file"])):
            self.assertEqual(rules_broken({f"core/wire/{name}_test.cc": "",
                                           "core/wire/CMakeLists.txt": loop}), found)

    def test_long_files_and_functions_are_found(self):
        self.assertEqual(in_file("core/wire/a.cc", "\n" * 500), ["file-length"])
        self.assertEqual(in_file("core/wire/a.cc", "\n" * 900), ["file-length"])
        body = "namespace a {\nvoid F(int x) {\n" + "  if (x) { x = 1; }\n" * 90 + "}\n}\n"
        self.assertEqual(in_file("core/wire/a.cc", body), ["function-length"])
        many = "namespace a {\n" + "void F(int x) {\n  x = 1;\n}\n" * 60 + "}\n"
        self.assertEqual(in_file("core/wire/a.cc", many), [])

    def test_only_the_length_limit_of_files_is_an_error(self):
        out = io.StringIO()
        report = tidy.Report(out)
        with tempfile.TemporaryDirectory() as root:
            for lines in (500, 900):
                with open(os.path.join(root, "a.cc"), "w", encoding="utf-8") as file:
                    file.write("\n" * lines)
                tidy.check_lengths(tidy.Source(root, "a.cc"), report)
        self.assertEqual((report.warnings, report.errors), (1, 1))

    def test_dead_links_are_found(self):
        for link in ("gone.md", "#gone", "docs/a.md#gone", "docs/a.md#L99", "../outside.md"):
            self.assertEqual(rules_broken({"README.md": f"[x]({link})\n", "docs/a.md": "# A b\n"}),
                             ["link"], link)
        self.assertEqual(rules_broken({"README.md": "[x](docs/a.md#a-b)\n", "docs/a.md": "# A b\n"}),
                         [])


if __name__ == "__main__":
    unittest.main()
