"""Templates of a person's face; they are never exported as they are."""

from mlops.privacy.personal_data import Rows, declare

declare(
    Rows(
        name="customer_biometrics",
        table="customer_biometrics",
        where="t.customer_id = %(id)s",
        hidden=("encrypted_template",),
    )
)
