"""Errors of the model registry."""

from config.errors import BadInput, Conflict, CultivarError


class TrainerUnknown(BadInput):
    """No trainer has this name."""

    code = "trainer_unknown"


class TrainerBusy(CultivarError):
    """Another training run is in progress."""

    code = "trainer_busy"


class TrainingRefused(CultivarError):
    """A sanity check refused the training set, the evaluation or the artifact."""

    code = "training_refused"


class TooFewRows(TrainingRefused):
    """The training set, its training part or its test part has too few rows."""

    code = "too_few_rows"


class LeakedTestRows(TrainingRefused):
    """Rows of the test part are in the training part as well."""

    code = "test_rows_in_training"


class LabelLeak(TrainingRefused):
    """A model trained on shuffled labels predicts the test labels better than chance."""

    code = "label_leak"


class ArtifactRefused(TrainingRefused):
    """An artifact is damaged, was altered, or contains values that are not finite."""

    code = "artifact_refused"


class DeploymentRefused(Conflict):
    """The version, scope or role does not allow the deployment."""

    code = "deployment_refused"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}", [(field, reason)])
