"""Run the sample shops: `python -m tests.samples.competitors --port N [--menus FILE]`."""

import argparse
import sys
from pathlib import Path

from tests.samples.competitors.menus import SHOP, load_menus, menu_shop
from tests.samples.competitors.server import SampleShops
from tests.samples.competitors.shops import sample_shops

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--menus", type=Path, metavar="FILE", help="serve these menus as well")
parser.add_argument("--max-page-size", type=int, default=100, metavar="N", help="items of a page")
parser.add_argument(
    "--latency", type=float, default=0, metavar="SECONDS", help="time before each response"
)
options = parser.parse_args()
shops = sample_shops()
if options.menus:
    shops[SHOP] = menu_shop(load_menus(options.menus))
server = SampleShops(shops, options.port)
server.max_page_size = options.max_page_size
server.latency_seconds = options.latency
sys.stdout.write(f"The sample shops listen on {server.url}\n")
sys.stdout.flush()
server.serve_forever()
