"""Read queries of customers, their data and recommendations; one module per subject."""
