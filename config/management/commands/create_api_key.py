"""Create an API key and print it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.audiences import Audience
from config.scopes import Scope
from config.services import create_api_key


class Command(BaseCommand):
    """Prints only the key, so that scripts can store it."""

    help = "Create an API key and print it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--name", required=True)
        parser.add_argument(
            "--audience", choices=[a.name.lower() for a in Audience], default="public"
        )
        parser.add_argument(
            "--scopes",
            default="catalog:read",
            help=f"of {', '.join(Scope.values)}; comma separated",
        )
        parser.add_argument("--provinces", default="", help="for example ON,QC; default: any")
        parser.add_argument("--store-codes", default="", help="comma separated; default: any")
        parser.add_argument("--rate", default="600/min")

    def handle(self, **options: Any) -> None:
        """Create the key."""
        secret = create_api_key(
            name=options["name"],
            audience=options["audience"],
            scopes=_split(options["scopes"]),
            provinces=_split(options["provinces"].upper()),
            store_codes=_split(options["store_codes"]),
            rate=options["rate"],
        )
        self.stdout.write(secret)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
