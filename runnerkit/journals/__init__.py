"""Where a journal may be kept: a file, or objects under an S3 prefix (``s3``, imported when it is asked for)."""

from runnerkit.journals.file import FileJournal

__all__ = ["FileJournal"]
