"""Set the address and request rate of a source, enable or disable it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from catalog.models import CatalogSource
from catalog.selectors.sources import get_source
from catalog.services.sources import save_source
from config.clients.address_guard import AddressRefused, check_source_url


class Command(BaseCommand):
    """Changes a source as the console does."""

    help = "Set the address and request rate of a source, enable or disable it."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("code")
        parser.add_argument("--base-url")
        parser.add_argument("--requests-per-second", type=float, metavar="NUMBER")
        switch = parser.add_mutually_exclusive_group()
        switch.add_argument("--enable", action="store_true")
        switch.add_argument("--disable", action="store_true")

    def handle(
        self,
        *,
        code: str,
        base_url: str | None,
        requests_per_second: float | None,
        enable: bool,
        disable: bool,
        **_: Any,
    ) -> None:
        """Save the source."""
        try:
            source = get_source(code)
        except CatalogSource.DoesNotExist:
            raise CommandError(f"Unknown source {code!r}.", returncode=2) from None
        if base_url is not None:
            if base_url:
                try:
                    check_source_url(base_url)
                except AddressRefused as error:
                    raise CommandError(f"--base-url {error.reason}.", returncode=2) from None
            source.base_url = base_url
        if requests_per_second is not None:
            if not 0 < requests_per_second <= 1000:
                raise CommandError(
                    "--requests-per-second must be above 0 and at most 1000.", returncode=2
                )
            source.requests_per_second = requests_per_second
        if enable or disable:
            source.is_enabled = enable
        save_source(source=source, by=None)
        status = "enabled" if source.is_enabled else "disabled"
        address = source.base_url or "default address"
        self.stdout.write(f"{source.label}: {status}, {address}")
