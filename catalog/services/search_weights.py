"""Search weights: boosts of search results, set by staff."""

from django.contrib.auth.models import AbstractBaseUser

from catalog.models import SearchWeights
from mlops.audit.operations import operation
from mlops.models import Operation


def add_search_weights(*, weights: SearchWeights, by: AbstractBaseUser) -> None:
    """Save new weights, which apply from now on; earlier ones stay as history."""
    weights.set_by_id = by.pk
    with operation(Operation.Kind.EDIT, actor=by, reason=f"search weights: {weights.note}"):
        weights.save()
