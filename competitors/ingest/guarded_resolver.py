"""
Address guard of crawls: Scrapy connects to public servers only.

`GUARDED_SETTINGS` belong to every crawl. The resolver is the only way from a host, also a literal
IP address, to a connection, and Twisted connects to what it returns without resolving again. The
middlewares refuse earlier and name the reason.
"""

from collections.abc import Sequence
from typing import Any

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.redirect import RedirectMiddleware
from scrapy.exceptions import CannotResolveHostError, IgnoreRequest
from scrapy.http import Response
from scrapy.resolver import HostResolution
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from zope.interface.declarations import implementer

from config.clients.address_guard import (
    MAX_REDIRECTS,
    PORTABLE_HEADERS,
    AddressRefused,
    IPAddress,
    check_url,
    may_forward_secrets,
    resolve_public,
)

_MODULE = __name__
_HTTP_HANDLER = "scrapy.core.downloader.handlers.http11.HTTP11DownloadHandler"
GUARDED_SETTINGS: dict[str, Any] = {
    "TWISTED_DNS_RESOLVER": f"{_MODULE}.GuardedResolver",
    # Other handlers, and those of other schemes, do not use Twisted's resolver.
    "DOWNLOAD_HANDLERS": {
        "http": _HTTP_HANDLER,
        "https": _HTTP_HANDLER,
        **dict.fromkeys(("data", "file", "ftp", "s3")),
    },
    # A proxy would resolve names itself.
    "HTTPPROXY_ENABLED": False,
    "METAREFRESH_ENABLED": False,
    "REDIRECT_MAX_TIMES": MAX_REDIRECTS,
    "DOWNLOADER_MIDDLEWARES": {
        "scrapy.downloadermiddlewares.redirect.RedirectMiddleware": None,
        f"{_MODULE}.GuardedRedirectMiddleware": 600,
        # Next to the downloader: it also sees the requests of other middlewares, and its refusals
        # come before RetryMiddleware, which would repeat them.
        f"{_MODULE}.AddressGuardMiddleware": 990,
    },
}
"""Settings of Scrapy; a crawl that adds middlewares extends DOWNLOADER_MIDDLEWARES."""
# Reasons by host, for the request whose lookup failed because of one.
_refusals: dict[str, AddressRefused] = {}
_MAX_REFUSALS = 10_000


@implementer(IHostnameResolver)
class GuardedResolver:
    """Resolver of the reactor that returns public addresses only, or none."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    @classmethod
    def from_crawler(cls, _crawler: Crawler, reactor: Any) -> "GuardedResolver":
        """Create the resolver of a crawl; called by Scrapy."""
        return cls(reactor)

    def install_on_reactor(self) -> None:
        """Replace the reactor's resolver for all connections."""
        self._reactor.installNameResolver(self)

    def resolveHostName(  # noqa: N802  # name given by the interface
        self,
        resolutionReceiver: Any,  # noqa: N803
        hostName: str,  # noqa: N803
        portNumber: int = 0,  # noqa: N803
        addressTypes: Any = None,  # noqa: ARG002, N803
        transportSemantics: Any = "TCP",  # noqa: N803
    ) -> HostResolution:
        """Resolve a host in a thread; a refused or unknown one has no addresses."""
        resolution = HostResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)

        def report(addresses: Sequence[IPAddress]) -> None:
            for address in addresses:
                kind = IPv4Address if address.version == 4 else IPv6Address
                resolutionReceiver.addressResolved(
                    kind(transportSemantics, str(address), portNumber)
                )
            resolutionReceiver.resolutionComplete()

        def fail(failure: Failure) -> None:
            # Whatever failed, the host has no addresses; without this call the request would wait.
            if isinstance(failure.value, AddressRefused):
                if len(_refusals) >= _MAX_REFUSALS:
                    _refusals.clear()
                _refusals[hostName] = failure.value
            resolutionReceiver.resolutionComplete()

        deferToThread(resolve_public, hostName, portNumber).addCallbacks(report, fail)
        return resolution


class AddressGuardMiddleware:
    """
    Refuses requests to other than public addresses.

    The request fails with AddressRefused, which its errback receives; it is not repeated.
    """

    def process_request(self, request: Request) -> None:
        """Check the URL as it will be requested, after redirects too. Raises AddressRefused."""
        if request.meta.get("proxy"):
            raise AddressRefused("would be fetched through a proxy")
        check_url(request.url)

    def process_exception(self, request: Request, exception: Exception) -> None:
        """Name the reason when the resolver refused the host. Raises AddressRefused."""
        if isinstance(exception, CannotResolveHostError):
            refused = _refusals.pop(check_url(request.url).host, None)
            if refused is not None:
                raise refused from exception


class GuardedRedirectMiddleware(RedirectMiddleware):
    """
    Follows redirects to public addresses.

    Another host receives the headers of PORTABLE_HEADERS and no cookie or body; a request with
    other headers is not redirected from https to http.
    """

    def _build_redirect_request(
        self, source_request: Request, response: Response, *, url: str, **kwargs: Any
    ) -> Request:
        redirected = super()._build_redirect_request(source_request, response, url=url, **kwargs)
        try:
            target = check_url(redirected.url)
        except AddressRefused as error:
            raise AddressRefused(f"leads to a redirect whose address {error.reason}") from error
        source = check_url(source_request.url)
        if may_forward_secrets(source, target):
            return redirected
        private_headers = [
            name for name in redirected.headers if name.decode().lower() not in PORTABLE_HEADERS
        ]
        has_secrets = bool(private_headers) or "Cookie" in source_request.headers
        if has_secrets and source.scheme == "https" and target.scheme == "http":
            raise IgnoreRequest("redirect from https to http")
        # After other statuses, RedirectMiddleware repeats a POST as GET, without the body.
        if redirected.body and response.status in {307, 308}:
            raise IgnoreRequest(f"redirect of a {redirected.method} request to another host")
        for name in private_headers:
            del redirected.headers[name]
        return redirected
