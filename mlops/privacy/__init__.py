"""Privacy: personal data stores, identifiers, export, erasure, legal holds, retention."""
