"""No secret is committed: tracked files have no keys of known forms and no long random literals."""

import math
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from config.embedded.stack import ROOT

FORMS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*[A-Za-z0-9+/]{20}"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_\w{40}"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20}"),
    "Google key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "Stripe key": re.compile(r"\b[rs]k_live_[0-9A-Za-z]{20}"),
    "package registry token": re.compile(r"\bpypi-AgEI[A-Za-z0-9_-]{20}|\bnpm_[A-Za-z0-9]{36}\b"),
    "JSON web token": re.compile(r"\beyJ[\w-]{12,}\.eyJ[\w-]{12,}\.[\w-]{12,}"),
}
_LITERAL = re.compile(
    r"(?i)(?:password|passwd|secret|token|api[_-]?key|key_ring)\w*[\"']?\s*[:=]\s*[\"']?"
    r"([A-Za-z0-9+/_=-]{20,})"
)
MIN_ENTROPY = 4.2
"""Bits a character: random text of 30 characters has 4.5, words with hyphens have at most 4."""
SKIPPED = re.compile(r"\.lock$|\.(?:mo|png|jpg|npz|parquet|xlsx)$|^locale/|^tests/samples/")


def entropy(text: str) -> float:
    """Return the entropy of the characters in bits."""
    return -sum(
        count / len(text) * math.log2(count / len(text)) for count in Counter(text).values()
    )


def secrets_of(text: str) -> list[str]:
    """Return what looks like a secret, with its form."""
    found = [f"{name}: {match[0]}" for name, form in FORMS.items() for match in form.finditer(text)]
    found += [
        f"random literal: {match[1]}"
        for match in _LITERAL.finditer(text)
        if entropy(match[1]) >= MIN_ENTROPY and re.search(r"\d", match[1])
    ]
    return found


def _tracked_files() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in done.stdout.split("\0") if name and not SKIPPED.search(name)]


def test_tracked_files_contain_no_secret() -> None:
    found = [
        f"{name}: {secret}"
        for name in _tracked_files()
        if Path(ROOT / name).is_file()
        for secret in secrets_of((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]

    assert found == []


# Put together here, so that the scan does not find its own samples.
@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEAtestkeymaterial",
        "AK" + "IAIOSFODNN7EXAMPLE",
        "gh" + "p_" + "a1B2" * 9,
        "SECRET_KEY" + ' = "' + "q8Zr2Lk9Xw4Tn7Vb1Jm6Pd3Hs5Yc0Fg" + '"',
        "password" + ": " + "q8Zr2Lk9Xw4Tn7Vb1Jm6Pd3Hs5Yc0Fg",
    ],
)
def test_scan_finds_a_secret(text: str) -> None:
    assert secrets_of(text)


def test_scan_passes_words_and_placeholders() -> None:
    assert not secrets_of('SECRET_KEY = "throwaway-key-of-the-unit-tests-that-signs-nothing"')
    assert not secrets_of("POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?}")
