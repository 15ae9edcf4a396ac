"""What can be wrong with an endpoint, or with the offer of an environment.

EndpointError
├── NoOffer          the environment has no endpoints, or this target can have none
├── WrongOffer       terms that cannot be
├── WrongName        this can be no name of an endpoint there
├── EndpointTaken    there is one of that name, or at that address
├── TooMany          as many as the environment, or the person, may have
├── NoPortLeft       every port of the pool is given out
└── EndpointGone     it is being taken away, or was
"""


class EndpointError(Exception):
    """`str()` is the sentence for every door."""


class NoOffer(EndpointError):
    pass


class WrongOffer(EndpointError):
    pass


class WrongName(EndpointError):
    pass


class EndpointTaken(EndpointError):
    pass


class TooMany(EndpointError):
    pass


class NoPortLeft(EndpointError):
    pass


class EndpointGone(EndpointError):
    pass
