"""People, what they do, what is recommended to them."""
