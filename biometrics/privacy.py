"""Personal data of biometrics: face templates, which are erased and never exported."""

from dataclasses import dataclass

from biometrics.services.templates import erase_templates
from mlops.privacy.identifiers import Identifiers
from mlops.privacy.personal_data import PersonalRows, register


@dataclass(kw_only=True)
class FaceTemplates(PersonalRows):
    """Face templates with their salts; each erasure is in the audit log."""

    def delete(self, identifiers: Identifiers) -> int:
        return erase_templates(customer_id=identifiers.id, by="task:erasure", reason="erasure")


register(
    FaceTemplates(
        name="customer_biometrics",
        table="customer_biometrics",
        where="t.customer_id = %(id)s",
        excluded_columns=("encrypted_template",),
    )
)
