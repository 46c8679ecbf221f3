"""
Licences of all locked packages, from the metadata of the installed ones.

`python -m config.embedded.licences` writes docs/licences.md.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata

from config.embedded.stack import ROOT

PAGE = ROOT / "docs" / "licences.md"
SETS = ("app", "observability", "biometrics", "local", "test", "train")
_HEAD = """# Licences

Every package of the locks in `requirements/`, by the first set that needs it: `app` serves, the
others stay on the machines of developers and operators. torch (BSD-3-Clause) stands in no lock.
Written by `python -m config.embedded.licences`; a test compares it with what is installed and
refuses licences that are not known. Packages of other systems than Linux are left out.
[Dependencies](dependencies.md) says why each library is there.

| package | licence | set |
|---|---|---|
"""
# SPDX identifiers of the texts that packages state.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Artistic License": "Artistic",
    "BSD 3-Clause": "BSD-3-Clause",
    "BSD License": "BSD",
    "BSD-derived (http://www.repoze.org/LICENSE.txt)": "BSD",
    "GNU General Public License (GPL)": "GPL",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "ISC License (ISCL)": "ISC",
    "LGPLv3": "LGPL-3.0-only",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "W3C License": "W3C",
}
UNSTATED = "not stated"


def package_sets() -> dict[str, str]:
    """Return the first set that needs each locked package, by name."""
    first: dict[str, str] = {}
    for name in SETS:
        path = ROOT / "requirements" / f"{name}.lock"
        for package in re.findall(r"(?m)^([a-z0-9][\w.-]*)==", path.read_text()):
            first.setdefault(package, name)
    return first


def licence_of(package: str) -> str | None:
    """Return the licence of an installed package as an SPDX expression; None: not installed."""
    try:
        fields = metadata(package)
    except PackageNotFoundError:
        return None
    if "License-Expression" in fields:
        return fields["License-Expression"]
    classifiers = [
        classifier.split(" :: ")[-1]
        for classifier in fields.get_all("Classifier") or []
        if classifier.startswith("License :: ")
    ]
    texts = fields.get_all("License") or [""]
    stated = classifiers or texts[0].splitlines()[:1]
    names = dict.fromkeys(_SPDX.get(text.strip(), text.strip()) for text in stated)
    # Several classifiers are a choice.
    return " OR ".join(names).replace("BSD 3-Clause", "BSD-3-Clause") or UNSTATED


def listed() -> dict[str, tuple[str, str]]:
    """Return licence and set by package, as docs/licences.md has them."""
    rows = re.findall(r"(?m)^\| ([a-z0-9][\w.-]*) \| (.+?) \| (\w+) \|$", PAGE.read_text())
    return {package: (licence, name) for package, licence, name in rows if package != "package"}


def main() -> None:
    """Write the page; packages that are not installed here keep their row."""
    before = listed() if PAGE.exists() else {}
    rows = []
    for package, name in sorted(package_sets().items()):
        licence = licence_of(package) or before.get(package, ("", ""))[0]
        if licence:
            rows.append(f"| {package} | {licence} | {name} |\n")
    PAGE.write_text(_HEAD + "".join(rows))


if __name__ == "__main__":
    main()
