"""Sample shops: menus in the formats of their platforms over HTTP, with switchable faults."""
