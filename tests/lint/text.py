# SPDX-License-Identifier: BSD-3-Clause
"""usage: text.py RULE: apply one rule of rules.py to every tracked file, but for tests/lint/allow."""

import sys

from rules import RULES
from tree import ROOT, files

ALLOW = "tests/lint/allow"


def exceptions(rule: str, text: str) -> dict[str, int]:
    """FILE or FILE:FUNCTION of each exception to the rule, with its line. Each must give a reason."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3 or words[0] not in RULES:
            sys.exit(f"{ALLOW}:{number}: want RULE FILE[:FUNCTION] REASON")
        if words[0] == rule:
            found[words[1]] = number
    return found


def main(rule: str) -> int:
    allowed = exceptions(rule, (ROOT / ALLOW).read_text(encoding="utf-8"))
    used = set()
    status = 0
    for path in files():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a corpus, a picture
        for finding in RULES[rule](path, text):
            subject = f"{path}:{finding.subject}" if finding.subject else path
            if subject in allowed:
                used.add(subject)
            else:
                print(f"{path}:{finding.line}: {finding.message}")
                status = 1
    for subject in allowed.keys() - used:
        print(f"{ALLOW}:{allowed[subject]}: {subject} needs no exception any more: remove the line")
        status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
