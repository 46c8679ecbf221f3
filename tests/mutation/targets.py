"""The rules that mutation testing covers: modules, and the tests that must notice a change."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    A module with the tests of its rule.

    only: names of the functions that contain the rule; empty: the whole module.
    """

    area: str
    path: str
    tests: tuple[str, ...]
    only: tuple[str, ...] = ()

    @property
    def needs_servers(self) -> bool:
        """Whether a test is not a unit test."""
        return not all(test.startswith("tests/unit/") for test in self.tests)


_CONSENT_TESTS = ("tests/integration/customers/test_consent_rules.py",)
_FACE_CONSENT_TESTS = tuple(
    f"tests/integration/biometrics/test_withdrawal.py::test_{name}"
    for name in (
        "withdrawal_deletes_template_and_salt",
        "withdrawal_is_audited_with_who_withdrew_it",
        "templates_of_other_customers_stay",
        "consent_to_a_new_text_ends_the_earlier_enrolment",
        "template_is_deleted_once_the_hold_is_lifted",
    )
)
_FILE_EXPIRY = "tests/integration/mlops/test_training_data_privacy.py"
_FILE_EXPIRY_TESTS = tuple(
    f"{_FILE_EXPIRY}::test_{name}"
    for name in (
        "old_set_expires_with_a_receipt",
        "young_set_stays",
        "expired_set_is_counted_once",
        "run_without_a_set_is_not_counted",
        "set_of_a_run_that_goes_on_stays",
        "sets_of_champion_and_the_one_before_stay",
        "dry_run_counts_and_deletes_nothing",
        "set_with_a_person_under_legal_hold_stays",
        "file_that_no_run_refers_to_is_deleted_after_a_day",
        "unreferenced_file_with_a_person_under_legal_hold_stays",
        "set_that_two_runs_share_stays_as_long_as_one_is_young",
        "old_artifact_expires_and_cannot_be_deployed",
        "rollback_works_after_the_sweep",
        "artifact_of_a_shadow_stays",
        "young_artifact_stays",
        "expired_artifact_is_counted_once",
        "artifact_of_a_version_stays_however_old_its_file_is",
        "artifact_that_no_version_refers_to_is_deleted_after_a_day",
        "artifact_whose_deletion_was_interrupted_is_deleted",
        "other_files_below_models_stay",
    )
)
_PRICE_TESTS = (
    "tests/integration/competitors/test_price_guards.py",
    "tests/integration/competitors/test_price_guard_figures.py",
)
_AUDIENCE_TESTS = (
    "tests/unit/catalog/test_product_rows.py",
    "tests/unit/config/test_audience_permissions.py",
    "tests/unit/customers/test_recommendation_bodies.py",
)

TARGETS = (
    Target(area="consent", path="customers/services/consents.py", tests=_CONSENT_TESTS),
    Target(area="consent", path="customers/selectors/consents.py", tests=_CONSENT_TESTS),
    Target(area="consent", path="biometrics/consents.py", tests=_FACE_CONSENT_TESTS),
    Target(
        area="expiry",
        path="mlops/registry/expiry.py",
        tests=_FILE_EXPIRY_TESTS,
    ),
    Target(
        area="expiry",
        path="mlops/privacy/retention.py",
        tests=("tests/integration/mlops/test_retention.py",),
    ),
    Target(area="gates", path="mlops/registry/gates.py", tests=("tests/unit/mlops/test_gates.py",)),
    Target(
        area="price guards",
        path="competitors/services/price_guards.py",
        tests=_PRICE_TESTS,
    ),
    Target(
        area="price guards",
        path="competitors/selectors/price_evidence.py",
        tests=_PRICE_TESTS,
    ),
    Target(area="effects audience", path="config/audiences.py", tests=_AUDIENCE_TESTS),
    Target(area="effects audience", path="catalog/audiences.py", tests=_AUDIENCE_TESTS),
    Target(area="effects audience", path="config/api/serializers.py", tests=_AUDIENCE_TESTS),
    Target(area="effects audience", path="config/api/permissions.py", tests=_AUDIENCE_TESTS),
    Target(area="effects audience", path="catalog/api/permissions.py", tests=_AUDIENCE_TESTS),
    Target(
        area="effects audience",
        path="catalog/api/product_rows.py",
        tests=_AUDIENCE_TESTS,
        only=("parse_selection", "visible_columns", "fetched_columns"),
    ),
    Target(
        area="effects audience",
        path="customers/api/recommendation_serializers.py",
        tests=_AUDIENCE_TESTS,
        only=("serialize_recommendations", "_serialize_product", "_product_serializer"),
    ),
)
"""Every module with its tests, by area."""
