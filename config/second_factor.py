"""
Second factor of staff: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The roles in `settings.SECOND_FACTOR_ROLES` need one, as do superusers wherever any role does.
Others may set one up. Guessing slows down: from the third refused code on, each doubles the wait.
"""

import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import pyotp
import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.errors import CultivarError
from config.models import SecondFactor
from config.telemetry.recording import record_security_event

STATE = "second_factor"
"""Key of a session's state: one of those below."""
PASSED, NEEDS_CODE, NEEDS_SETUP, NOT_NEEDED = "passed", "code", "setup", "none"
RECOVERY_CODES = 10
_STEP_SECONDS = 30
# A clock may be one step off.
_STEPS = (0, -1, 1)
_FREE_FAILURES = 2
_LONGEST_WAIT = timedelta(minutes=15)
log = structlog.get_logger(__name__)


class TooManyCodes(CultivarError):
    """Codes were refused too often; `seconds` until the next one is looked at."""

    code = "too_many_codes"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many refused codes; wait {seconds} seconds.")
        self.seconds = seconds


def state_at_login(user: Any) -> str:
    """Return what a user has to do after the password: NEEDS_CODE, NEEDS_SETUP or NOT_NEEDED."""
    if has_second_factor(user):
        return NEEDS_CODE
    return NEEDS_SETUP if is_required(user) else NOT_NEEDED


def is_required(user: Any) -> bool:
    """Return whether the user has a role that needs a second factor."""
    roles: tuple[str, ...] = settings.SECOND_FACTOR_ROLES
    if not roles:
        return False
    return bool(user.is_superuser or user.groups.filter(name__in=roles).exists())


def has_second_factor(user: Any) -> bool:
    """Return whether the user has confirmed a second factor."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


def recovery_codes_left(user: Any) -> int:
    """Return how many recovery codes the user has not used."""
    factor = SecondFactor.objects.filter(user=user).first()
    return len(factor.recovery_codes) if factor else 0


@transaction.atomic
def begin_setup(user: Any) -> str:
    """
    Return the secret to show a user who sets up an authenticator app.

    It stays the same until it is confirmed, so that a reloaded page shows the same one.
    """
    factor = SecondFactor.objects.select_for_update().filter(user=user).first()
    if factor is None:
        factor = SecondFactor(user=user)
        factor.secret = pyotp.random_base32()
        factor.save()
    return factor.secret


def setup_address(user: Any, secret: str) -> str:
    """Return the otpauth address that an authenticator app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=user.get_username(), issuer_name="Cultivar")


def confirm_setup(user: Any, code: str) -> list[str] | None:
    """
    Put an authenticator app in force and return the recovery codes, to be shown once.

    None if the code is wrong or one is in force already. Raises TooManyCodes.
    """
    if has_second_factor(user) or not _accepts(user, code, is_setup=True):
        return None
    SecondFactor.objects.filter(user=user).update(confirmed_at=timezone.now())
    log.info("second_factor.set_up", user_id=user.pk)
    return renew_recovery_codes(user)


def accepts(user: Any, code: str) -> bool:
    """
    Return whether a code of the app, or a recovery code, is right; each is accepted once.

    Raises TooManyCodes.
    """
    return _accepts(user, code, is_setup=False)


@transaction.atomic
def renew_recovery_codes(user: Any) -> list[str]:
    """Return new recovery codes, of 80 bits each; the old ones are no longer accepted."""
    codes = [pyotp.random_base32()[:16] for _ in range(RECOVERY_CODES)]
    SecondFactor.objects.filter(user=user).update(recovery_codes=[_digest(code) for code in codes])
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)).lower() for code in codes]


def remove(user: Any, *, by: Any) -> bool:
    """Remove a user's second factor; return whether there was one."""
    deleted, _ = SecondFactor.objects.filter(user=user).delete()
    if deleted:
        log.warning("second_factor.removed", user_id=user.pk, by=by.pk)
    return bool(deleted)


def _accepts(user: Any, code: str, *, is_setup: bool) -> bool:
    typed = code.replace(" ", "").replace("-", "").upper()
    with transaction.atomic():
        rows = SecondFactor.objects.select_for_update().filter(user=user)
        factor = rows.filter(confirmed_at__isnull=is_setup).first()
        if factor is None:
            return False
        _check_wait(factor)
        step = _matching_step(factor, typed)
        digest = _digest(typed)
        if step is not None:
            factor.last_step = step
        elif digest in factor.recovery_codes:
            factor.recovery_codes.remove(digest)
            log.warning("second_factor.recovery_code_used", user_id=user.pk)
        else:
            factor.failure_count += 1
            factor.failed_at = timezone.now()
            factor.save(update_fields=["failure_count", "failed_at"])
            log.warning("second_factor.refused", user_id=user.pk, count=factor.failure_count)
            record_security_event("second_factor_refused")
            return False
        factor.failure_count = 0
        factor.save(update_fields=["last_step", "recovery_codes", "failure_count"])
        return True


def _check_wait(factor: SecondFactor) -> None:
    excess = factor.failure_count - _FREE_FAILURES
    if excess <= 0 or factor.failed_at is None:
        return
    wait = min(timedelta(seconds=2 ** min(excess, 10)), _LONGEST_WAIT)
    remaining = (factor.failed_at + wait - timezone.now()).total_seconds()
    if remaining > 0:
        raise TooManyCodes(int(remaining) + 1)


def _matching_step(factor: SecondFactor, code: str) -> int | None:
    """Return the period whose code this is; None if there is none after the last accepted one."""
    generator = pyotp.TOTP(factor.secret)
    now = int(time.time()) // _STEP_SECONDS
    for step in (now + offset for offset in _STEPS):
        expected = generator.generate_otp(step)
        if step > factor.last_step and hmac.compare_digest(expected.encode(), code.encode()):
            return step
    return None


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
