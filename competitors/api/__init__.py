"""REST API of competitors' prices."""
