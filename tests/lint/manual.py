# SPDX-License-Identifier: BSD-3-Clause
"""The API manual is complete: every name that a public header offers has a comment of its own."""

import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

from tree import ROOT, SKIPPED, public_headers

TEMPLATE = ROOT / "docs/api/Doxyfile.in"
DESCRIPTIONS = ("briefdescription", "detaileddescription")


def run_doxygen(out: Path) -> int:
    """Write the manual as XML below out. The warnings go to stdout, and each of them fails it."""
    folders = sorted({f'"{ROOT / name.split("/weir/")[0]}"' for name in public_headers()})
    text = TEMPLATE.read_text(encoding="utf-8")
    for word, value in (("VERSION", "lint"), ("INPUT", " ".join(folders)), ("OUTPUT", str(out))):
        text = text.replace(f"@{word}@", value)
    text += "GENERATE_HTML = NO\nGENERATE_XML = YES\nXML_PROGRAMLISTING = NO\n"
    done = subprocess.run(["doxygen", "-"], input=text, text=True, stderr=subprocess.STDOUT)
    return done.returncode


def bare_values(out: Path) -> list[str]:
    """Values of enums without a comment: doxygen before 1.10 has no warning for them."""
    found = set()
    for path in (out / "xml").glob("*.xml"):
        for enum in xml.parse(path).iter("memberdef"):
            place = enum.find("location")
            for value in enum.iter("enumvalue"):
                if not any("".join(value.find(each).itertext()).strip() for each in DESCRIPTIONS):
                    found.add(f"{place.get('file')}:{place.get('line')}: {value.findtext('name')}")
    return sorted(found)


def main() -> int:
    if shutil.which("doxygen") is None:
        print("doxygen is not installed: apt-get install --no-install-recommends doxygen")
        return SKIPPED
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if run_doxygen(out) != 0:
            print("write a comment that says what the reader cannot see: units, owner, who writes")
            return 1
        found = bare_values(out)
    for each in found:
        print(f"{each} has no comment: say what it means")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
