"""Signing in by OpenID Connect: who a person is, says a provider; what they may, say we.

errors          what can go wrong, as one tree
asking          one bounded request to a provider
discovery       what a provider says of itself, and its keys; judged, never believed
id_tokens       whether an id_token is what it must be (pure)
claims          what we take from what it says of a person (pure)
flow            the way out to the provider, and back
arriving        which person that is here, or a new one
settling        the teams and the role that come from groups
keeping         the verbs that add, change and remove a provider, and map its groups
testing         the test of a provider, each finding in a sentence
passwords       whom passwords still let in
"""
