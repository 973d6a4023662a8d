"""The real servers that tests talk to: Apache Kafka, Redis, and a Chromium to look at pages with.

Each comes from the first of: an address in the environment, a container (Kafka, where Docker answers),
programs of this machine, packages that can be installed here. What can't be had raises
`ServiceMissingError`, which says what to install; nothing is ever skipped. `python -m tests.services` gets
everything ready ahead of the tests.
"""
