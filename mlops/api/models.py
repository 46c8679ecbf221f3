"""REST views of model versions and deployments; for staff keys."""

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.etags import ConditionalView
from config.api.keys import Audience
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import IsStaffClient, has_scope
from config.api.serializers import ResponseSerializer
from config.errors import BadInput
from mlops.models import Deployment, GateResult, ModelVersion
from mlops.registry import list_deployments, list_versions

_PERMISSIONS = (IsAuthenticated, has_scope("models:read"), IsStaffClient)
_TAGS = ["models"]
_PAGING = {"cursor", "limit"}
_VERSION_ID = "3b1f0f6e-52d4-4f0a-9a53-0c8b1b6f2d10"
_MODEL_PARAMETER = OpenApiParameter("model", str, description="Name of the only model to list.")
_VERSION_EXAMPLE = OpenApiExample(
    "Model version",
    value={
        "id": _VERSION_ID,
        "model": "recommendation",
        "number": 7,
        "verdict": "passed",
        "metrics": {"roc_auc": 0.874},
        "gates": [
            {
                "name": "roc_auc",
                "figure": 0.874,
                "low": None,
                "high": None,
                "comparison": ">",
                "threshold": 0.85,
                "outcome": "passed",
                "detail": "",
            }
        ],
        "features": ["recency_days", "repeat_count"],
        "artifact_format": "npz",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "data_checksum": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        "test_checksum": "fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
        "created_at": "2026-11-23T10:04:00Z",
        "approved_by": "kim",
        "approved_at": "2026-11-23T15:20:00Z",
    },
    response_only=True,
)
_DEPLOYMENT_EXAMPLE = OpenApiExample(
    "Deployment",
    value={
        "id": "5d0a7a57-8f0b-4d8e-8a6f-1f2b3c4d5e6f",
        "model": "recommendation",
        "scope": "*",
        "version_id": _VERSION_ID,
        "version_number": 7,
        "role": "champion",
        "share": 1.0,
        "started_at": "2026-11-23T15:21:00Z",
        "ended_at": None,
        "approved_by": "kim",
        "policy": "",
        "reason": "Higher NDCG than version 6 beyond noise.",
    },
    response_only=True,
)


def _staff(*fields: str) -> dict[str, Audience]:
    return dict.fromkeys(fields, Audience.STAFF)


class GateResultSerializer(ResponseSerializer):
    """A gate of a version with its figure."""

    audiences: ClassVar = _staff(
        "name", "figure", "low", "high", "comparison", "threshold", "outcome", "detail"
    )
    name = serializers.CharField(help_text="Name of the gate.")
    figure = serializers.FloatField(allow_null=True, help_text="Figure; null: not measured.")
    low = serializers.FloatField(allow_null=True, help_text="Lower end of the 95 % interval.")
    high = serializers.FloatField(allow_null=True, help_text="Upper end of the 95 % interval.")
    comparison = serializers.CharField(help_text="How figure and threshold compare.")
    threshold = serializers.FloatField(allow_null=True, help_text="Threshold of the figure.")
    outcome = serializers.ChoiceField(
        choices=GateResult.Outcome.choices, help_text="Outcome of the gate."
    )
    detail = serializers.CharField(help_text="Explanation; empty: none.")


class ModelVersionSerializer(ResponseSerializer):
    """A trained candidate with its metrics and gates."""

    audiences: ClassVar = _staff(
        "id",
        "model",
        "number",
        "verdict",
        "metrics",
        "gates",
        "features",
        "artifact_format",
        "sha256",
        "data_checksum",
        "test_checksum",
        "created_at",
        "approved_by",
        "approved_at",
    )
    id = serializers.UUIDField(help_text="Version id.")
    model = serializers.CharField(help_text="Name of the model.")
    number = serializers.IntegerField(help_text="Number within the model, from 1.")
    verdict = serializers.ChoiceField(
        choices=ModelVersion.Verdict.choices, help_text="Outcome of all gates together."
    )
    metrics = serializers.DictField(
        child=serializers.FloatField(), help_text="Metrics on the test set, by name."
    )
    gates = GateResultSerializer(many=True, help_text="Gates in the order of judgment.")
    features = serializers.ListField(
        child=serializers.CharField(), help_text="Inputs of the model, in order."
    )
    artifact_format = serializers.CharField(help_text="Format of the artifact.")
    sha256 = serializers.CharField(help_text="SHA-256 of the artifact.")
    data_checksum = serializers.CharField(help_text="SHA-256 of the frozen training set.")
    test_checksum = serializers.CharField(help_text="SHA-256 over the rows tested on.")
    created_at = serializers.DateTimeField(help_text="When the version was stored.")
    approved_by = serializers.CharField(help_text="Who approved it; empty: not approved.")
    approved_at = serializers.DateTimeField(allow_null=True, help_text="When it was approved.")


class DeploymentSerializer(ResponseSerializer):
    """A period in which a version serves a scope in a role."""

    audiences: ClassVar = _staff(
        "id",
        "model",
        "scope",
        "version_id",
        "version_number",
        "role",
        "share",
        "started_at",
        "ended_at",
        "approved_by",
        "policy",
        "reason",
    )
    id = serializers.UUIDField(help_text="Deployment id.")
    model = serializers.CharField(help_text="Name of the model.")
    scope = serializers.CharField(help_text="Store id, or `*` for everywhere.")
    version_id = serializers.UUIDField(help_text="Version id.")
    version_number = serializers.IntegerField(source="version.number", help_text="Its number.")
    role = serializers.ChoiceField(
        choices=Deployment.Role.choices,
        help_text="`champion` serves, `canary` serves a share, `shadow` computes without serving.",
    )
    share = serializers.FloatField(help_text="Share of the stores that it serves, 0 to 1.")
    started_at = serializers.DateTimeField(help_text="Start of the period, inclusive.")
    ended_at = serializers.DateTimeField(
        allow_null=True, help_text="End of the period, exclusive; may lie in the future."
    )
    approved_by = serializers.CharField(help_text="Who decided; empty: a policy.")
    policy = serializers.CharField(help_text="Policy that decided; empty: a person.")
    reason = serializers.CharField(help_text="Why; empty: not stated.")


class _DeploymentPagination(ApiCursorPagination):
    ordering = ("-started_at", "id")


class ModelVersionsView(ConditionalView, ListAPIView):
    """Versions of models."""

    permission_classes = _PERMISSIONS
    serializer_class = ModelVersionSerializer
    pagination_class = ApiCursorPagination
    filter_backends = ()
    queryset = list_versions()

    def get_queryset(self) -> QuerySet[ModelVersion]:
        """Return the versions of a request."""
        return list_versions(model=self.request.query_params.get("model"))

    @extend_schema(
        operation_id="models_list",
        summary="List model versions",
        parameters=[_MODEL_PARAMETER],
        examples=[_VERSION_EXAMPLE],
        tags=_TAGS,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """
        Return the versions of models with their gates, the newest first.

        Requires a staff key. Required scope: `models:read`.
        """
        reject_unknown_parameters(request.query_params, known=_PAGING | {"model"})
        return self.list(request, *args, **kwargs)


class DeploymentsView(ConditionalView, ListAPIView):
    """Deployments of models."""

    permission_classes = _PERMISSIONS
    serializer_class = DeploymentSerializer
    pagination_class = _DeploymentPagination
    filter_backends = ()
    queryset = list_deployments()

    def get_queryset(self) -> QuerySet[Deployment]:
        """Return the deployments of a request. Raises BadInput."""
        params = self.request.query_params
        return list_deployments(
            model=params.get("model"), scope=params.get("scope"), at=_parse_time(params.get("at"))
        )

    @extend_schema(
        operation_id="deployments_list",
        summary="List deployments",
        parameters=[
            _MODEL_PARAMETER,
            OpenApiParameter("scope", str, description="Store id, or `*` for everywhere."),
            OpenApiParameter(
                "at",
                {"type": "string", "format": "date-time"},
                description="Time with offset; only deployments whose period contains it.",
            ),
        ],
        examples=[_DEPLOYMENT_EXAMPLE],
        tags=_TAGS,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """
        Return which version served which scope in which period, the newest first.

        A store is served by its own champion if it has one, else by the canary whose share contains
        it, else by the champion everywhere. Requires a staff key. Required scope: `models:read`.
        """
        reject_unknown_parameters(request.query_params, known=_PAGING | {"model", "scope", "at"})
        return self.list(request, *args, **kwargs)


def _parse_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = parse_datetime(text)
    except ValueError:
        parsed = None
    if parsed is None or not is_aware(parsed):
        raise BadInput(
            "at", gettext("must be a time with offset, for example 2026-11-28T14:00:00Z")
        )
    return parsed
