"""Chunks of a log that an earlier backup has already: what is in a log does not change.

A log grows, and a daily backup of all of it would mostly copy what the last one has. Its chunks are
taken over as long as the store has the same row where each one ends: rows of evidence and links of
the chain are like no other, so a log that was restored to an earlier end, and grew differently
since, has another row there.
"""

from collections.abc import Sequence

from shared.domain.backup import Chunk, Manifest, Part, WorkspaceCopy, find, place_key
from shared.ports import ArchiveView
from shared.services.backup.chunks import line_sha256


class Earlier:
    """The complete backup before this one.

    Args:
        manifest: that backup; None where there is none.
    """

    def __init__(self, manifest: Manifest | None) -> None:
        self._manifest = manifest

    async def reuse(self, copy: WorkspaceCopy, name: str, view: ArchiveView) -> None:
        """Takes over the chunks of a log that still hold, as far as they follow on what is there.

        The last one is not: it may be a small one, and is then made anew with what came behind it.
        """
        mine = copy.parts[name].chunks
        theirs = self._chunks(copy.name, name)[:-1]
        if mine != list(theirs[: len(mine)]):
            return
        for chunk in theirs[len(mine) :]:
            end = int(chunk.last)
            rows = await view.rows(name, place_key(end - 1), 1)
            if end > copy.ends[name] or not rows or line_sha256(rows[0]) != chunk.last_line_sha256:
                return
            mine.append(chunk)

    def _chunks(self, workspace: str, name: str) -> Sequence[Chunk]:
        known = find(self._manifest, workspace) if self._manifest is not None else None
        return known.parts.get(name, Part()).chunks if known else ()
