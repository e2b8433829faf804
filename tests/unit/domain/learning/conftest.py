"""Property tests here are judged by what they find, never by how long an example takes."""

from hypothesis import settings

settings.register_profile("whetstone", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("whetstone")
