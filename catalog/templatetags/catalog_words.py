"""Categories, strain types and names of fields in the language of the user."""

from django import template

from catalog.reference.field_labels import field_label
from catalog.reference.word_labels import word_label

register = template.Library()
register.filter("catalog_word", word_label)
register.filter("field_label", field_label)
