"""Sample supplier: serves the formats of OCS, AGLC and SQDC over HTTP, with switchable faults."""
