# SPDX-License-Identifier: BSD-3-Clause
"""Each rule finds what it is there to find, and lets pass what it should. A lint that cannot fail is none."""

import sys
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

from rules import FILE_LINES, FUNCTION_LINES, RULES
from tree import ROOT


def lines(rule: str, path: str, text: str) -> list[int]:
    return [finding.line for finding in RULES[rule](path, text)]


def script(name: str):
    """A Python script of scripts/ as a module."""
    loader = SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


class Rules(unittest.TestCase):
    def test_a_file_without_its_licence_is_found(self):
        self.assertEqual(lines("spdx", "lib/base/a.c", "int x;\n"), [1])
        self.assertEqual(lines("spdx", "scripts/a", "#!/bin/sh\necho\n"), [1])
        good = "/* SPDX-License-Identifier: BSD-3-Clause */\n"
        self.assertEqual(lines("spdx", "lib/base/a.c", good), [])
        self.assertEqual(
            lines("spdx", "scripts/a", "#!/bin/sh\n# SPDX-License-Identifier: BSD-3-Clause\n"), []
        )

    def test_unfinished_work_is_found(self):
        self.assertEqual(lines("unfinished", "a.c", "int x;\n/* FIXME: later */\n"), [2])
        self.assertEqual(lines("unfinished", "a.sh", "mktemp weir.XXXXXX\n"), [])

    def test_a_long_function_and_a_long_file_are_found(self):
        def body(count: int) -> str:
            return "static int f(int a,\n\t     int b)\n{\n" + "\ta++;\n" * (count - 2) + "}\n"

        self.assertEqual(lines("lengths", "a.c", body(FUNCTION_LINES)), [])
        self.assertEqual(lines("lengths", "a.c", body(FUNCTION_LINES + 1)), [3])
        self.assertEqual(RULES["lengths"]("a.c", body(FUNCTION_LINES + 1)).__next__().subject, "f")
        self.assertEqual(lines("lengths", "a.c", "int x;\n" * FILE_LINES), [])
        self.assertEqual(lines("lengths", "a.c", "int x;\n" * (FILE_LINES + 1)), [1])
        self.assertEqual(lines("lengths", "a.py", "def f():\n" + "    f()\n" * FUNCTION_LINES), [1])

    def test_a_library_that_prints_is_found(self):
        for text in ('printf("x");', 'perror("x");', 'fprintf(stderr, "x");', "fputs(s, stdout);"):
            self.assertEqual(lines("output", "dataplane/a.c", f"\n\t{text}\n"), [2], text)
            self.assertEqual(lines("output", "apps/a.c", text), [])
        for text in (
            'fprintf(to, "x");',
            'snprintf(b, 1, "printf(");',
            "/* printf(x) */",
            "c->printf(x);",
        ):
            self.assertEqual(lines("output", "dataplane/a.c", text), [], text)
        self.assertEqual(lines("output", "lib/base/log.c", 'fprintf(stderr, "x");'), [])

    def test_a_library_that_ends_the_process_is_found(self):
        for text in ("abort();", "exit(1);", 'rte_panic("x");', 'rte_exit(1, "x");'):
            self.assertEqual(lines("panics", "lib/base/a.c", text), [1], text)
        self.assertEqual(lines("panics", "dataplane/nodes/60_route.c", "assert(x);"), [1])
        self.assertEqual(lines("panics", "dataplane/nodes/60_route.c", "static_assert(x);"), [])
        self.assertEqual(lines("panics", "dataplane/graph.c", "assert(x); weir_exit(1);"), [])

    def test_a_signal_handler_that_does_more_than_set_a_flag_is_found(self):
        def handler(body: str) -> str:
            return f"static void on_term(int sig)\n{{\n\t{body}\n}}\n"

        for install in (
            "signal(SIGTERM, on_term);",
            "struct sigaction a = {.sa_handler = on_term};",
        ):
            self.assertEqual(lines("signals", "apps/a.c", handler("stop = 1;") + install), [])
            self.assertEqual(lines("signals", "apps/a.c", handler("drain(x);") + install), [5])
            self.assertEqual(lines("signals", "apps/a.c", install), [1], "defined elsewhere")
        self.assertEqual(
            lines("signals", "apps/a.c", "signal(SIGPIPE, SIG_IGN); app_signal(x);"), []
        )


class Layers(unittest.TestCase):
    FILES = [
        "lib/base/include/weir/log.h",
        "lib/base/log_priv.h",
        "dataplane/include/weir/meta.h",
        "dataplane/include/weir/node.h",
        "dataplane/tables/tables.h",
        "stack/include/weir/socket.h",
    ]

    def wrong(self, file: str, *headers: str) -> int:
        checker = script("check-layers").Checker(self.FILES + [file])
        return len(list(checker.check(file, "".join(f"#include {header}\n" for header in headers))))

    def test_what_a_layer_may_include_passes(self):
        self.assertEqual(
            self.wrong("lib/base/a.c", "<weir/log.h>", "<yaml.h>", "<errno.h>", '"log_priv.h"'), 0
        )
        self.assertEqual(
            self.wrong("dataplane/nodes/a.c", "<weir/log.h>", "<rte_fib.h>", '"tables.h"'), 0
        )
        self.assertEqual(self.wrong("stack/tcp/a.c", "<weir/meta.h>", "<rte_mbuf.h>"), 0)
        self.assertEqual(self.wrong("apps/router/main.c", "<weir/node.h>", "<weir/socket.h>"), 0)

    def test_what_it_may_not_is_found(self):
        self.assertEqual(
            self.wrong("lib/base/a.c", "<rte_mbuf.h>", "<weir/meta.h>", "<openssl/ssl.h>"), 3
        )
        self.assertEqual(self.wrong("lib/proto/a.c", "<sys/socket.h>", "<time.h>"), 2)
        self.assertEqual(
            self.wrong("dataplane/a.c", "<weir/socket.h>", '"log_priv.h"', "<ethdev_driver.h>"), 3
        )
        self.assertEqual(self.wrong("stack/a.c", "<weir/node.h>", "<rte_ethdev.h>"), 2)
        self.assertEqual(
            self.wrong("apps/router/main.c", '"tables.h"', "<bpf/bpf.h>", "<weir/lost.h>"), 3
        )

    def test_a_library_that_nobody_named_is_found(self):
        self.assertEqual(self.wrong("apps/router/main.c", "<glib.h>"), 1)


class Tally(unittest.TestCase):
    def test_a_cunit_program_counts_with_its_cases(self):
        tally = script("tally")
        summary = "Run Summary:\n  tests   5   5   4   1   0\n"
        self.assertEqual(
            tally.meson_test({"result": "FAIL", "stdout": summary}), {"passed": 4, "failed": 1}
        )

    def test_a_crash_and_a_run_that_broke_are_failures(self):
        tally = script("tally")
        self.assertEqual(tally.meson_test({"result": "FAIL"})["failed"], 1)
        self.assertEqual(tally.run(1, ROOT / "no such file"), {"failed": 1})
        self.assertEqual(tally.meson_test({"result": "SKIP"}), {"skipped": 1})


if __name__ == "__main__":
    unittest.main()
