"""Reference data of competitors' prices."""
