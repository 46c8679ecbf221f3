"""REST API: authentication, pagination, throttling, schema."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["config.api.keys.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.BoundedJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["config.api.throttling.KeyRateThrottle"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.ApiCursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["config.api.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "config.api.openapi.ApiSchema",
    "EXCEPTION_HANDLER": "config.api.errors.handle_exception",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Cultivar",
    "VERSION": "1",
    "DESCRIPTION": (
        "Products, recommendations, customers, consents, chats and events of a cannabis"
        " retailer.\n\n"
        "Requests carry `Authorization: Api-Key <key>`. A key has an audience (`public`,"
        " `verified` or `staff`), scopes and a rate limit; a response contains the fields of its"
        " audience, which each field states as `x-audience`. Errors are problem details"
        " (RFC 9457). Lists are paged: send `next_cursor` as `cursor`, or follow the header"
        " `Link`. Unknown query parameters are rejected. Every POST takes `Idempotency-Key`, except"
        " those of biometrics. `x-required-scopes` names the scopes of an operation. Messages are"
        " in English or French by `Accept-Language`.\n\n"
        "Within v1 nothing is renamed or removed; what will be is announced by the headers"
        " `Deprecation` and `Sunset`. The quickstart is docs/api.md, and `/api/errors/` lists the"
        " error codes."
    ),
    "SERVERS": [{"url": "/", "description": "The installation that serves this document."}],
    "TAGS": [
        {"name": "products", "description": "Products of the catalogue."},
        {"name": "stores", "description": "Stores of the retailer."},
        {"name": "search", "description": "Product search by text, by image and by vector."},
        {"name": "recommendations", "description": "Recommended products, and feedback on them."},
        {
            "name": "competitor prices",
            "description": "Competitors, their prices, and ours beside them; staff keys only.",
        },
        {"name": "models", "description": "Model versions and deployments; staff keys only."},
        {"name": "customers", "description": "Customer profiles and their history."},
        {"name": "consents", "description": "Consent texts, and the consents of customers."},
        {"name": "privacy", "description": "Export and erasure of personal data."},
        {
            "name": "biometrics",
            "description": "Face recognition with consent, where it is in use; off by default.",
        },
        {"name": "chat", "description": "Chat sessions, messages, and feedback on replies."},
        {"name": "events", "description": "Purchases, interactions, stock and other events."},
    ],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.api.openapi.complete_descriptions",
        "config.api.openapi.add_problem_responses",
        "config.api.openapi.add_audiences",
    ],
    "ENUM_NAME_OVERRIDES": {
        "LanguageEnum": [("en", "English"), ("fr", "français")],
        "ConsentPurposeEnum": "customers.models.ConsentText.Purpose",
        "FacePurposeEnum": [
            ("face_verification", "recognize my face when I say who I am"),
            ("face_identification", "recognize me by my face"),
        ],
        "GateOutcomeEnum": "mlops.models.ModelVersion.Verdict",
        "DeploymentRoleEnum": "mlops.models.Deployment.Role",
        "MessageRoleEnum": "customers.models.ChatMessage.Role",
        "VerificationMethodEnum": "customers.models.CustomerProfile.VerificationMethod",
    },
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}
