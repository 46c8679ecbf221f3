"""Categories and strain types in the language of the user."""

from django import template

from catalog.reference.word_labels import word_label

register = template.Library()
register.filter("catalog_word", word_label)
