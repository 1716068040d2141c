"""What calls answer: frozen dataclasses with the names and fields of the contract's messages."""

from headcount_client.results.admin import *  # noqa: F403
from headcount_client.results.audiences import *  # noqa: F403
from headcount_client.results.members import *  # noqa: F403
from headcount_client.results.planning import *  # noqa: F403
from headcount_client.results.queries import *  # noqa: F403
from headcount_client.results.segments import *  # noqa: F403
from headcount_client.results.writes import *  # noqa: F403
