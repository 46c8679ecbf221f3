"""docs/licences.md: every installed package of the locks, with a licence that Cultivar may use."""

import re

from config.embedded.licences import licence_of, listed, package_sets

_PERMISSIVE = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC",
    "MIT", "MIT-0", "MIT-CMU", "PSF-2.0", "W3C", "ZPL-2.1", "Zlib",
}  # fmt: skip
# Files or libraries that may be linked and replaced; their own changes would be published.
_WEAK_COPYLEFT = {"LGPL-2.0-or-later", "LGPL-3.0-only", "MPL-2.0"}
_EXCEPTIONS = {
    "axe-playwright-python": "MIT by its licence file; its metadata state none",
    "rfc3987": "GPL-3.0-or-later: jsonschema alone imports it; see docs/dependencies.md",
    "text-unidecode": "one of several licences: the Artistic License is chosen",
}


def _is_accepted(expression: str) -> bool:
    """Whether one alternative of an SPDX expression, without nesting, is accepted as a whole."""
    accepted = _PERMISSIVE | _WEAK_COPYLEFT
    return any(
        all(name.strip("() ") in accepted for name in alternative.split(" AND "))
        for alternative in re.split(r" OR ", expression.replace("(", "").replace(")", ""))
    )


def test_page_has_the_licence_and_set_of_each_installed_package() -> None:
    expected = {
        package: (licence, name)
        for package, name in package_sets().items()
        if (licence := licence_of(package))
    }
    page = listed()

    assert {package: page.get(package) for package in expected} == expected


def test_page_lists_no_package_that_no_lock_has() -> None:
    assert set(listed()) <= set(package_sets())


def test_every_licence_is_accepted_or_explained() -> None:
    refused = {
        package: licence
        for package, (licence, _) in listed().items()
        if not _is_accepted(licence) and package not in _EXCEPTIONS
    }

    assert refused == {}
    assert set(_EXCEPTIONS) <= set(listed())
