"""Doors to conversations."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.keys import actor_of
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import CanReadCustomers, CanWriteChats
from customers.api.chat_serializers import (
    ChatMessageSerializer,
    ChatSessionSerializer,
    FeedbackSerializer,
    NewChatMessageSerializer,
    NewChatSessionSerializer,
    NewFeedbackSerializer,
)
from customers.api.parameters import CustomerDataViewSet, get_customer, parse_body, parse_uuid
from customers.models import ChatMessage, ChatSession
from customers.services import chats

_ID = OpenApiParameter("id", {"type": "string", "format": "uuid"}, OpenApiParameter.PATH)
_PAGES = [
    OpenApiParameter("cursor", str, description="`next` of the last page"),
    OpenApiParameter("limit", int, description="1–100"),
]
_CUSTOMER = OpenApiParameter("customer", {"type": "string", "format": "uuid"}, description="whose")


class _ByStart(ApiCursorPagination):
    ordering = ("-session_start", "id")


class _InOrder(ApiCursorPagination):
    ordering = ("created_at", "id")


class ChatSessionViewSet(CustomerDataViewSet):
    """Conversations: opened, appended to, closed, listed."""

    queryset = ChatSession.objects.all()
    serializer_class = ChatSessionSerializer
    pagination_class = _ByStart
    scopes: ClassVar = {
        "create": CanWriteChats,
        "list": CanReadCustomers,
        "retrieve": CanWriteChats,
        "messages": CanWriteChats,
        "append": CanWriteChats,
        "close": CanWriteChats,
    }

    @extend_schema(request=NewChatSessionSerializer, responses={201: ChatSessionSerializer})
    def create(self, request: Request) -> Response:
        """Begin a conversation; kept under the customer only with their open consent `chat`, else under nobody."""
        asked = parse_body(NewChatSessionSerializer, request)
        session = chats.open_session(
            customer=asked.get("customer"), store=asked.get("store"), by=actor_of(request)
        )
        return Response(self.get_serializer(session).data, status=201)

    @extend_schema(parameters=[_CUSTOMER, *_PAGES])
    def list(self, request: Request) -> Response:
        """List conversations, the newest first: of one customer, or all."""
        reject_unknown_parameters(request.query_params, known={"customer", "cursor", "limit"})
        rows = self.get_queryset().select_related("store")
        if "customer" in request.query_params:
            customer = get_customer(request.query_params["customer"])
            rows = rows.filter(customer=customer)
            self.log_access(customer, "chat.list")
        page = self.paginate_queryset(rows) or []
        if "customer" not in request.query_params:
            for person in sorted({session.customer_id for session in page if session.customer_id}):
                self.log_access(person, "chat.list")
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(parameters=[_ID])
    def retrieve(self, request: Request, id: str) -> Response:
        """Show a conversation, without its messages."""
        reject_unknown_parameters(request.query_params, known=set())
        return Response(
            self.get_serializer(chats.read_session(session=_session(id), by=actor_of(request))).data
        )

    @extend_schema(parameters=[_ID, *_PAGES], responses=ChatMessageSerializer(many=True))
    @action(
        detail=True,
        methods=["get"],
        pagination_class=_InOrder,
        serializer_class=ChatMessageSerializer,
    )
    def messages(self, request: Request, id: str) -> Response:
        """List what was said, the oldest first."""
        reject_unknown_parameters(request.query_params, known={"cursor", "limit"})
        session = chats.read_session(session=_session(id), by=actor_of(request))
        page = self.paginate_queryset(ChatMessage.objects.filter(session=session))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        parameters=[_ID], request=NewChatMessageSerializer, responses={201: ChatMessageSerializer}
    )
    @messages.mapping.post
    def append(self, request: Request, id: str) -> Response:
        """Add a message; 409 when the conversation is closed."""
        asked = parse_body(NewChatMessageSerializer, request)
        message = chats.append_message(
            session=_session(id),
            role=asked["role"],
            text=asked["message_text"],
            by=actor_of(request),
        )
        written: Any = ChatMessageSerializer(message, context=self.get_serializer_context())
        return Response(written.data, status=201)

    @extend_schema(parameters=[_ID], request=None, responses=ChatSessionSerializer)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, id: str) -> Response:
        """End a conversation; one that has ended stays as it is."""
        reject_unknown_parameters(request.query_params, known=set())
        return Response(
            self.get_serializer(
                chats.close_session(session=_session(id), by=actor_of(request))
            ).data
        )


class ChatMessageViewSet(CustomerDataViewSet):
    """Messages, each by itself."""

    queryset = ChatMessage.objects.all()
    serializer_class = FeedbackSerializer
    scopes: ClassVar = {"feedback": CanWriteChats}

    @extend_schema(parameters=[_ID], request=NewFeedbackSerializer, responses=FeedbackSerializer)
    @action(detail=True, methods=["post"])
    def feedback(self, request: Request, id: str) -> Response:
        """Say whether an answer helped; said again, the last word holds."""
        asked = parse_body(NewFeedbackSerializer, request)
        message = chats.find_message(parse_uuid(id))
        if message is None:
            raise Http404
        given = chats.give_feedback(
            message=message,
            is_helpful=asked["is_helpful"],
            comment=asked.get("comment", ""),
            by=actor_of(request),
        )
        return Response(self.get_serializer(given).data)


def _session(pk: str) -> ChatSession:
    found = (
        ChatSession.objects.select_related("store", "customer").filter(pk=parse_uuid(pk)).first()
    )
    if found is None:
        raise Http404
    return found
