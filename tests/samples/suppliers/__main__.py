"""Run the sample supplier: `python -m tests.samples.suppliers --port N`."""

import argparse

from tests.samples.suppliers.server import SampleSupplier

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, default=0)
server = SampleSupplier(parser.parse_args().port)
print(f"The sample supplier listens on {server.url}", flush=True)
server.serve_forever()
