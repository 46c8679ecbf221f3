"""What is noted of each request."""

from django.http import HttpRequest
from django_structlog.middlewares import RequestMiddleware


class PathLogged(RequestMiddleware):
    """Logs method and path; never the query, in which loyalty numbers and what people search for stand."""

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        """Leave the query out."""
        return f"{request.method} {request.path}"
