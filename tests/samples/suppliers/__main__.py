"""Run the sample supplier: `python -m tests.samples.suppliers --port N`."""

import argparse
import sys

from tests.samples.suppliers.server import SampleSupplier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
server = SampleSupplier(parser.parse_args().port)
sys.stdout.write(f"The sample supplier listens on {server.url}\n")
sys.stdout.flush()
server.serve_forever()
