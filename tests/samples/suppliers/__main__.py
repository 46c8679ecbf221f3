"""
Run the sample supplier: `python -m tests.samples.suppliers --port N [--shops-port M]`.

With a second port, the process also serves the sample shops, which are competitors.
"""

import argparse
import sys
import threading

from tests.samples.competitors.server import SampleShops
from tests.samples.competitors.shops import sample_shops
from tests.samples.suppliers.server import SampleSupplier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--shops-port", type=int)
options = parser.parse_args()
if options.shops_port is not None:
    shops = SampleShops(sample_shops(), options.shops_port)
    threading.Thread(target=shops.serve_forever, daemon=True).start()
    sys.stdout.write(f"The sample shops listen on {shops.url}\n")
server = SampleSupplier(options.port)
sys.stdout.write(f"The sample supplier listens on {server.url}\n")
sys.stdout.flush()
server.serve_forever()
