"""List, add, disable and crawl competitors from the command line."""

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from catalog.reference.provinces import PROVINCES
from competitors.models import Competitor
from competitors.selectors.competitors import all_competitors
from competitors.services.competitors import add_competitor, save_competitor
from competitors.tasks import crawl_due_competitors

_TAX = {"included": True, "excluded": False, None: None}


class Command(BaseCommand):
    """Subcommands that print, save or start; errors name the argument."""

    help = (
        "List competitors with the state of their crawls, add or disable one,"
        " or start the crawls that are due."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the subcommands."""
        commands = parser.add_subparsers(
            dest="action", required=True, metavar="list | add | disable | crawl"
        )
        commands.add_parser("list", help="print all competitors with their state")
        disable = commands.add_parser("disable", help="exclude competitors from scheduled crawls")
        disable.add_argument("codes", nargs="+", metavar="CODE")
        commands.add_parser("crawl", help="let a worker crawl all that are due")
        add = commands.add_parser("add", help="add a competitor, or change one with this code")
        add.add_argument("code", help="short name, for example high-street")
        add.add_argument("--name", required=True, help="name of the shop")
        add.add_argument(
            "--platform",
            required=True,
            choices=Competitor.Platform.values,
            help="menu platform",
        )
        add.add_argument("--base-url", required=True, metavar="URL", help="address of the menu")
        add.add_argument(
            "--province", required=True, choices=sorted(PROVINCES), help="province of the shop"
        )
        add.add_argument(
            "--location",
            action="append",
            default=[],
            metavar="ID[=NAME]",
            help="the platform's id of a location; may be repeated",
        )
        add.add_argument(
            "--tax",
            choices=["included", "excluded"],
            help="whether listed prices include tax where pages do not say; without it unknown,"
            " and such prices are not compared",
        )
        add.add_argument("--options", default="{}", metavar="JSON", help="settings of the platform")
        add.add_argument(
            "--requests-per-minute", type=int, metavar="N", help="request budget (default 30)"
        )
        add.add_argument(
            "--every-hours", type=int, metavar="N", help="hours between crawls (default 24)"
        )
        add.add_argument("--enable", action="store_true", help="include it in scheduled crawls")

    def handle(self, *, action: str, **options: Any) -> None:
        """Run the subcommand."""
        match action:
            case "list":
                self._list()
            case "add":
                self._add(options)
            case "disable":
                self._disable(options["codes"])
            case "crawl":
                crawl_due_competitors.delay()

    def _list(self) -> None:
        table = Table("code", "name", "platform", "enabled", "status", "next crawl", "reason")
        for competitor in all_competitors():
            next_crawl = competitor.next_crawl_at
            table.add_row(
                competitor.code,
                competitor.name,
                competitor.platform,
                "yes" if competitor.is_enabled else "no",
                competitor.status,
                f"{next_crawl:%Y-%m-%d %H:%M}" if next_crawl else "now",
                competitor.status_reason,
            )
        Console(highlight=False).print(table)

    def _disable(self, codes: list[str]) -> None:
        known = {competitor.code: competitor for competitor in all_competitors()}
        for code in codes:
            if code not in known:
                raise CommandError(f"CODE: unknown competitor {code!r}.", returncode=2)
            known[code].is_enabled = False
            save_competitor(competitor=known[code], by=None)

    def _add(self, options: dict[str, Any]) -> None:
        try:
            platform_options = json.loads(options["options"])
        except ValueError:
            raise CommandError("--options: is not JSON.", returncode=2) from None
        locations = dict(_location(text) for text in options["location"])
        try:
            competitor = add_competitor(
                code=options["code"],
                name=options["name"],
                platform=options["platform"],
                base_url=options["base_url"],
                province=options["province"],
                options=platform_options,
                is_tax_included=_TAX[options["tax"]],
                locations=locations,
                requests_per_minute=options["requests_per_minute"],
                crawl_every_hours=options["every_hours"],
                is_enabled=options["enable"],
            )
        except ValidationError as error:
            reasons = [
                f"{field.replace('_', '-')}: {' '.join(messages)}"
                for field, messages in error.message_dict.items()
            ]
            raise CommandError(" ".join(reasons), returncode=2) from None
        status = "enabled" if competitor.is_enabled else "disabled"
        self.stdout.write(f"{competitor.name} ({competitor.code}): {status}")


def _location(text: str) -> tuple[str, str]:
    platform_id, _, name = text.partition("=")
    return platform_id, name or platform_id
