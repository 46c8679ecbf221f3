"""Personal data of biometrics: face templates, whose contents are never exported."""

from mlops.privacy.personal_data import PersonalRows, register

register(
    PersonalRows(
        name="customer_biometrics",
        table="customer_biometrics",
        where="t.customer_id = %(id)s",
        excluded_columns=("encrypted_template",),
    )
)
