"""Templates of a person's face; they are never exported as they are."""

from mlops.places import Rows, declare

declare(
    Rows(
        name="customer_biometrics", table="customer_biometrics", where="t.customer_id = %(id)s",
        hidden=("encrypted_template",),
    )
)  # fmt: skip
