"""
Fakes of the outside adapters: in memory, deterministic and bounded.

Each has the Protocol of its adapter and fails with its errors. The same test class runs over the
fake and over a real server: `tests/integration/vectors/test_store.py`,
`tests/fakes/test_kafka_client.py`, `tests/fakes/test_object_storage.py`
and `tests/unit/vectors/test_encoder_contract.py`.
"""
