"""A supplier that serves the formats of OCS and SQDC over HTTP, from facts, with faults to switch on."""
