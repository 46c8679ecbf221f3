"""
Factories of rows for tests, one module per app.

`create` writes a row that `full_clean` and the database accept. Where only a service leaves a
correct state behind (a registered customer, a consent), the factory calls it.
"""
