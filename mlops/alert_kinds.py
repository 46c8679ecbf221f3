"""Kinds of alerts of the engine."""

from django.utils.translation import gettext_lazy as _

from mlops.quality.kinds import register

register(
    "source_unavailable",
    _("Source does not respond"),
    _(
        "Open the source and run it again. If it still does not respond, ask the supplier whether"
        " its interface has moved or is under maintenance. Products keep their last values."
    ),
)
register(
    "source_broken",
    _("Source sends something else"),
    _(
        "Open the run and look at its raw records: a login page, a maintenance page or a new "
        "format. No product was changed. If the format is new, map the columns again or ask a "
        "developer."
    ),
)
register(
    "feed_suspicious",
    _("Feed changed too much"),
    _(
        "Open the run and compare with the supplier: a large part is missing or prices jumped. If"
        " the change is right, run the source again and accept it; otherwise ask the supplier for"
        " a complete feed."
    ),
)
register(
    "http_failed",
    _("Source answers with an error"),
    _(
        "Open the run for the status. After 401 or 403 check the access data of the source, after"
        " 429 lower its requests per second, after 5xx try again later."
    ),
)
register(
    "address_refused",
    _("Address of the source was refused"),
    _(
        "The address leads into our own network or is not valid. Correct it on the page of the "
        "source."
    ),
)
register(
    "token_refused",
    _("Access of the source was refused"),
    _("The supplier no longer accepts the access data. Enter new ones on the page of the source."),
)
register(
    "objects_unavailable",
    _("File storage does not respond"),
    _(
        "Imports of the source wait, and continue by themselves. Check address, credentials and"
        " space of the object storage."
    ),
)
register(
    "stale",
    _("Source without recent data"),
    _(
        "Run the source by hand. If it has nothing new, ask the supplier; if the source is no "
        "longer used, disable it."
    ),
)
register(
    "quality",
    _("Rows violate a quality rule"),
    _(
        "Open the quality findings of the rule, and correct the rows or the source that they come"
        " from. The alert closes when the next check finds none."
    ),
)
register(
    "integrity",
    _("Rows changed without authorization"),
    _(
        "Treat it as an incident: find out who has access to the database, compare with a backup,"
        " and inform the person responsible for security. Only then accept the block."
    ),
)
register(
    "metric_threshold",
    _("Metric beyond its threshold"),
    _(
        "Open the metric and look when it began. Correct the cause, or the threshold if it is too"
        " strict. The alert closes with the next value within the threshold."
    ),
)
register(
    "login_blocked",
    _("Logins were blocked"),
    _(
        "Passwords are being guessed. Ask the person concerned; if it was not they, change the "
        "password and look at the access log of the server."
    ),
)
register(
    "keys_refused",
    _("API keys were refused"),
    _(
        "An address guesses API keys, or a client uses one that is revoked or expired. Look for the"
        " address in the log, and ask the client; otherwise block it at the proxy."
    ),
)
register(
    "stream_lag",
    _("Consumer lags behind"),
    _(
        "Look at the page of streams for errors of the consumer. Restart it if it stands still; "
        "start a second one if it is too slow."
    ),
)
register(
    "retention_failed",
    _("Retention rule failed"),
    _(
        "Open the retention sweeps for the error. The next sweep tries again; data that stay "
        "longer than their period must be explained."
    ),
)
register(
    "erasure_incomplete",
    _("Erasure is not complete"),
    _(
        "Open the receipt: it names the stores that still hold data. The task repeats it every "
        "hour; if a store is unreachable, bring it back first."
    ),
)
register(
    "experiment_guard_broken",
    _("Experiment was stopped by a guard"),
    _(
        "Open the experiment: a metric fell below its limit and the former settings serve again. "
        "Find out why before you start another one."
    ),
)
register(
    "experiment_unbalanced",
    _("Experiment is not balanced"),
    _(
        "The variants were shown to other shares of visitors than planned, so the result cannot "
        "be trusted. Stop the experiment and look for the cause."
    ),
)
register(
    "model_training_failed",
    _("Training failed"),
    _(
        "Open the training run for the error. The version that serves stays. Correct the data or "
        "the settings, and train again."
    ),
)
register(
    "model_monitoring_failed",
    _("Drift could not be measured"),
    _("Open the drift page and the log of the worker. The measurement is repeated every day."),
)
register(
    "model_outcomes_failed",
    _("Outcomes could not be counted"),
    _("Look at the log of the worker for the error. Counting goes on where it stopped."),
)
register(
    "model_outcome_drop",
    _("Outcomes of a model dropped"),
    _(
        "Open the page of production quality: compare the segment and the version before. If the "
        "drop began with a deployment, roll it back."
    ),
)
register(
    "model_outcome_low",
    _("Outcomes of a model are too low"),
    _(
        "Open the page of production quality. Check first whether prices, stock or the assortment"
        " changed; otherwise train again or roll back."
    ),
)
register(
    "model_miscalibrated",
    _("Predictions are off"),
    _("Predicted and observed shares differ. Train again with newer data, or calibrate the model."),
)
register(
    "model_load_failed",
    _("Model version cannot be loaded"),
    _(
        "The version before it serves. Deploy another version, or check that its file in the "
        "object storage is complete."
    ),
)
register(
    "model_feature_drift",
    _("Inputs of a model have shifted"),
    _(
        "Open the drift page: it names the features. If a source changed its format, correct "
        "that; if customers or products changed, train again."
    ),
)
register(
    "model_prediction_drift",
    _("Predictions of a model have shifted"),
    _(
        "Open the drift page. If inputs are stable, compare the last deployment with the version "
        "before."
    ),
)
register(
    "model_embedding_drift",
    _("Embeddings have shifted"),
    _("Open the drift page. If texts of products changed much, train again on the new ones."),
)
