"""REST endpoints of chat sessions, messages and feedback."""

from typing import Any, ClassVar

from django.http import Http404
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.bodies import parse_body
from config.api.keys import Audience, actor_of, binding_of, client_of
from config.api.locations import location_of
from config.api.pagination import ApiCursorPagination
from config.api.parameters import reject_unknown_parameters
from config.api.permissions import has_scope
from config.api.problem_responses import documented_problem
from config.errors import BadInput
from customers.api import chat_examples as examples
from customers.api.chat_serializers import (
    ChatMessageRequestSerializer,
    ChatMessageSerializer,
    ChatSessionRequestSerializer,
    ChatSessionSerializer,
    MessageFeedbackRequestSerializer,
    MessageFeedbackSerializer,
)
from customers.api.parameters import CustomerDataViewSet, check_place, get_customer, parse_uuid
from customers.models import ChatMessage, ChatSession
from customers.selectors.chats import (
    all_messages,
    all_sessions,
    find_message,
    find_session,
    messages_of,
    sessions_of,
)
from customers.selectors.key_bindings import reaches_customer, reaches_session, sessions_within
from customers.services import chats

_UUID = {"type": "string", "format": "uuid"}
_SESSION_ID_PARAMETER = OpenApiParameter(
    "id",
    _UUID,
    OpenApiParameter.PATH,
    description="Id of the chat session.",
    examples=[OpenApiExample("Example", value="7c9e6679-7425-40de-944b-e07fc1f90ae7")],
)
_MESSAGE_ID_PARAMETER = OpenApiParameter(
    "id",
    _UUID,
    OpenApiParameter.PATH,
    description="Id of the message.",
    examples=[OpenApiExample("Example", value="8a7b6c5d-4e3f-4210-9fed-cba987654321")],
)
_CUSTOMER_ID_PARAMETER = OpenApiParameter(
    "customer_id",
    _UUID,
    description="Only sessions of this customer.",
    examples=[OpenApiExample("Example", value="0d5f6ad4-9f0b-4b0e-9a57-0f8f5b0f3f4b")],
)

_CHAT_CLOSED = documented_problem(
    409,
    "chat_closed",
    "This chat session is closed.",
    [("session", "is closed")],
    description="The chat session is closed.",
)


class _SessionPagination(ApiCursorPagination):
    ordering = ("-session_start", "id")


class _MessagePagination(ApiCursorPagination):
    ordering = ("created_at", "id")


class ChatSessionViewSet(CustomerDataViewSet):
    """Chat sessions: open, list, read, append messages, close."""

    queryset = all_sessions()
    serializer_class = ChatSessionSerializer
    pagination_class = _SessionPagination
    scopes: ClassVar = {
        "create": has_scope("chat:write"),
        "list": has_scope("chat:read"),
        "retrieve": has_scope("chat:read"),
        "messages": has_scope("chat:read"),
        "append": has_scope("chat:write"),
        "close": has_scope("chat:write"),
    }

    @extend_schema(
        summary="Open a chat session",
        request=ChatSessionRequestSerializer,
        responses={201: ChatSessionSerializer},
        examples=[examples.SESSION_REQUEST_EXAMPLE, examples.SESSION_CREATED_EXAMPLE],
        tags=["chat"],
    )
    def create(self, request: Request) -> Response:
        """
        Open a chat session.

        The session is linked to the customer only with their active consent `chat`; otherwise it
        is anonymous. Required scope: `chat:write`.
        """
        body = parse_body(ChatSessionRequestSerializer, request)
        customer, store = body.get("customer"), body.get("store")
        check_place(request, store=store)
        if customer is not None and not reaches_customer(binding_of(request), customer):
            message = gettext("is outside the provinces and stores of this key")
            raise BadInput("customer_id", message, "forbidden")
        session = chats.open_session(customer=customer, store=store, by=actor_of(request))
        location = location_of("chat-session-detail", session.pk)
        return Response(self.get_serializer(session).data, status=201, headers=location)

    @extend_schema(
        summary="List chat sessions",
        parameters=[_CUSTOMER_ID_PARAMETER],
        examples=[examples.SESSION_EXAMPLE],
        tags=["chat"],
    )
    def list(self, request: Request) -> Response:
        """
        Return chat sessions, the newest first: those of one customer, or all.

        The access is logged for each customer on the page. Required scope: `chat:read`.
        """
        params = request.query_params
        reject_unknown_parameters(params, known={"customer_id", "cursor", "limit"})
        sessions = sessions_within(all_sessions(), binding_of(request))
        if "customer_id" in params:
            customer = get_customer(request, params["customer_id"])
            sessions = sessions_within(sessions_of(customer), binding_of(request))
            self.log_access(customer, "chat.list")
        page = self.paginate_queryset(sessions) or []
        if "customer_id" not in params:
            customer_ids = {session.customer_id for session in page if session.customer_id}
            for customer_id in sorted(customer_ids):
                self.log_access(customer_id, "chat.list")
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        summary="Get a chat session",
        parameters=[_SESSION_ID_PARAMETER],
        examples=[examples.SESSION_EXAMPLE],
        tags=["chat"],
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """
        Return a chat session without its messages.

        The access is logged if the session is linked to a customer. Required scope: `chat:read`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        session = chats.read_session(session=_get_session(request, id), by=actor_of(request))
        return Response(self.get_serializer(session).data)

    @extend_schema(
        summary="List the messages of a chat session",
        parameters=[_SESSION_ID_PARAMETER],
        responses=ChatMessageSerializer(many=True),
        examples=[examples.MESSAGE_EXAMPLE],
        tags=["chat"],
    )
    @action(
        detail=True,
        methods=["get"],
        pagination_class=_MessagePagination,
        serializer_class=ChatMessageSerializer,
    )
    def messages(self, request: Request, id: str) -> Response:
        """
        Return the messages of a chat session, the oldest first.

        The access is logged if the session is linked to a customer. Required scope: `chat:read`.
        """
        reject_unknown_parameters(request.query_params, known={"cursor", "limit"})
        session = chats.read_session(session=_get_session(request, id), by=actor_of(request))
        page = self.paginate_queryset(messages_of(session))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(
        summary="Append a message to a chat session",
        parameters=[_SESSION_ID_PARAMETER],
        request=ChatMessageRequestSerializer,
        responses={201: ChatMessageSerializer, **_CHAT_CLOSED},
        examples=[examples.MESSAGE_REQUEST_EXAMPLE, examples.MESSAGE_CREATED_EXAMPLE],
        tags=["chat"],
    )
    @messages.mapping.post
    def append(self, request: Request, id: str) -> Response:
        """
        Append a message to an open chat session.

        The text is stored as written, with a redacted copy for search. The role `staff` needs a
        staff key. 409 if the session is closed. Required scope: `chat:write`.
        """
        body = parse_body(ChatMessageRequestSerializer, request)
        client = client_of(request)
        is_staff = client is not None and client.audience >= Audience.STAFF
        if body["role"] == ChatMessage.Role.STAFF and not is_staff:
            raise BadInput("role", gettext("This needs a key of audience staff."), "forbidden")
        message = chats.append_message(
            session=_get_session(request, id),
            role=body["role"],
            text=body["text"],
            by=actor_of(request),
        )
        serializer: Any = ChatMessageSerializer(message, context=self.get_serializer_context())
        location = location_of("chat-message-detail", message.id)
        return Response(serializer.data, status=201, headers=location)

    @extend_schema(
        summary="Close a chat session",
        parameters=[_SESSION_ID_PARAMETER],
        request=None,
        responses=ChatSessionSerializer,
        examples=[examples.CLOSED_SESSION_EXAMPLE],
        tags=["chat"],
    )
    @action(detail=True, methods=["post"])
    def close(self, request: Request, id: str) -> Response:
        """
        End a chat session; no message can be appended afterwards.

        A closed session stays as it is. Required scope: `chat:write`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        session = chats.close_session(session=_get_session(request, id), by=actor_of(request))
        return Response(self.get_serializer(session).data)


class ChatMessageViewSet(CustomerDataViewSet):
    """Chat messages, and feedback on them."""

    queryset = all_messages()
    serializer_class = MessageFeedbackSerializer
    scopes: ClassVar = {"retrieve": has_scope("chat:read"), "feedback": has_scope("chat:write")}

    @extend_schema(
        summary="Get a chat message",
        parameters=[_MESSAGE_ID_PARAMETER],
        responses=ChatMessageSerializer,
        examples=[examples.MESSAGE_EXAMPLE],
        tags=["chat"],
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """
        Return a message of a chat session.

        The access is logged if the session is linked to a customer. Required scope: `chat:read`.
        """
        reject_unknown_parameters(request.query_params, known=set())
        message = _get_message(request, id)
        if message.session and message.session.customer:
            self.log_access(message.session.customer, "chat.read")
        serializer: Any = ChatMessageSerializer(message, context=self.get_serializer_context())
        return Response(serializer.data)

    @extend_schema(
        summary="Record feedback on a chat message",
        parameters=[_MESSAGE_ID_PARAMETER],
        request=MessageFeedbackRequestSerializer,
        responses=MessageFeedbackSerializer,
        examples=[examples.FEEDBACK_REQUEST_EXAMPLE, examples.FEEDBACK_EXAMPLE],
        tags=["chat"],
    )
    @action(detail=True, methods=["post"])
    def feedback(self, request: Request, id: str) -> Response:
        """
        Record whether a reply of the assistant or of staff was helpful.

        New feedback on a message replaces the earlier one. Personal data in the comment is masked.
        400 for a message of the customer. Required scope: `chat:write`.
        """
        body = parse_body(MessageFeedbackRequestSerializer, request)
        message = _get_message(request, id)
        feedback = chats.give_feedback(
            message=message,
            is_helpful=body["helpful"],
            comment=body.get("comment", ""),
            by=actor_of(request),
        )
        return Response(self.get_serializer(feedback).data)


def _get_session(request: Request, session_id: str) -> ChatSession:
    """Return a chat session. Raises Http404, also for one that the key does not reach."""
    session = find_session(parse_uuid(session_id))
    if session is None or not reaches_session(binding_of(request), session):
        raise Http404
    return session


def _get_message(request: Request, message_id: str) -> ChatMessage:
    """Return a message. Raises Http404, also for one that the key does not reach."""
    message = find_message(parse_uuid(message_id))
    if message is None:
        raise Http404
    if message.session and not reaches_session(binding_of(request), message.session):
        raise Http404
    return message
