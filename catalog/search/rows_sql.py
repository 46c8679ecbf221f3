"""Conditions of product rows as SQL, for statements that are written by hand."""

from typing import Any

from django.core.exceptions import EmptyResultSet, FullResultSet
from django.db import connection
from django.db.models import QuerySet

from catalog.models import Product

_TABLE = "products"


def where_sql(products: QuerySet[Product]) -> tuple[str, list[Any]]:
    """
    Return the condition that a row of `products` is among the products, with its parameters.

    The condition alone takes Django a third of the time of a query with its columns.
    """
    query = products.order_by().query
    try:
        if query.distinct or query.is_sliced or not set(query.alias_map) <= {_TABLE}:
            sql, params = products.order_by().values("pk").query.sql_with_params()
            return f"{_TABLE}.id IN ({sql})", list(params)
        compiler = query.get_compiler(connection=connection)
        sql, params = compiler.compile(query.where)
    except EmptyResultSet:
        return "false", []
    except FullResultSet:
        return "true", []
    return sql, list(params)
