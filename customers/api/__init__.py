"""REST API of customers, chats and recommendations."""
