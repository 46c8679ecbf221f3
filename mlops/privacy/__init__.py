"""Privacy: personal data by identifier, erasure, export, legal holds, retention, partitions."""
