from collections.abc import Iterator

import pytest

from environments.models import Role, SignInProvider, User
from environments.providers import keeping
from environments.providers.keeping import Plan
from tests import builders
from tests.environments.providers import provider
from tests.environments.providers.provider import CLIENT, SECRET, Provider


@pytest.fixture
def corp() -> Iterator[Provider]:
    """A provider that runs, and knows Zoe."""
    with provider.serving() as running:
        running.add("zoe", groups=["shop-people", "nothing-special"])
        running.redirects.append("http://localhost:8000/signin/with/corp/back")
        yield running


@pytest.fixture
def ada() -> User:
    return builders.make_user(username="ada", role=Role.ADMINISTRATOR, password="a long enough sentence")


@pytest.fixture
def row(corp: Provider, ada: User) -> SignInProvider:
    """The same, set up here."""
    plan = Plan(name="corp", title="Example Corp", issuer=corp.address, client_id=CLIENT, secret=SECRET)
    return keeping.add(plan, by=ada)
