"""The bucket: lines of files to load come out in bounded memory, results and exports go in."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import unquote_plus

# What one read takes from the network.
BLOCK = 256 * 1024
# An event is as long as a body of the queue at most.
LONGEST_LINE = 256 * 1024


class UnreadableFile(Exception):
    """A file cannot be read to its end: it is not what its name says, or gone; the message says which."""


@dataclass(frozen=True, slots=True)
class File:
    """One version of a file in the bucket; the version's id is empty in a bucket that keeps none."""

    bucket: str
    key: str
    version: str
    etag: str

    @property
    def identity(self) -> str:
        """What tells this version from every other of the same key."""
        return self.version or self.etag

    @property
    def is_packed(self) -> bool:
        """Whether it is gzip."""
        return self.key.endswith(".gz")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number from 1, the byte where it ends, unpacked, and its content; None where too long."""

    number: int
    end: int
    content: bytes | None


def named_in(notification: Any) -> list[File]:
    """Return the files that S3 tells of; none in the event by which it tries a queue.

    Raises `KeyError` or `TypeError` for what is no notification.
    """
    if notification.get("Event") == "s3:TestEvent":
        return []
    return [
        File(
            record["s3"]["bucket"]["name"],
            unquote_plus(record["s3"]["object"]["key"]),
            record["s3"]["object"].get("versionId", ""),
            record["s3"]["object"].get("eTag", ""),
        )
        for record in notification["Records"]
    ]


class Bucket:
    """S3, by the environment's credentials; `AWS_ENDPOINT_URL_S3` says where it is, if not in AWS."""

    def __init__(self) -> None:
        import boto3  # noqa: PLC0415  (0.2 s that only the loader and the exporter spend)

        self._s3: Any = boto3.client("s3")

    def lines(self, file: File, after: int, place: int) -> Iterator[Line]:
        """Yield the lines of a file behind its first `after`, which end at byte `place`.

        A packed file is read from its beginning, and unpacked; another one from that place on. Raises `UnreadableFile`
        where it is gone, was replaced, or is no gzip file though its name says so.
        """
        skipped = 0 if file.is_packed else place
        number = 0 if file.is_packed else after
        for line in split(self._blocks(file, skipped), number, skipped):
            if line.number > after:
                yield line

    def _blocks(self, file: File, place: int) -> Iterator[bytes]:
        version = {"VersionId": file.version} if file.version else {"IfMatch": file.etag}
        # A range that begins at the end would be refused.
        beginning = {"Range": f"bytes={place - 1}-"} if place else {}
        try:
            body = self._s3.get_object(Bucket=file.bucket, Key=file.key, **version, **beginning)["Body"]
        except self._s3.exceptions.ClientError as error:
            if _code(error) in {"NoSuchKey", "NoSuchVersion", "PreconditionFailed", "404", "412"}:
                raise UnreadableFile("file_is_gone") from error
            raise
        if place:
            body.read(1)
        yield from unpacked(body) if file.is_packed else iter(lambda: body.read(BLOCK), b"")

    def put(self, bucket: str, key: str, content: IO[bytes]) -> None:
        """Write a file. Raises botocore's `ClientError`."""
        self._s3.put_object(Bucket=bucket, Key=key, Body=content)


class Replaced(Exception):
    """A file is not what was read of it any more: somebody else has written it meanwhile."""


class Shelf(Bucket):
    """The part of the bucket that exports are written to, by the environment's credentials."""

    def __init__(self, bucket: str) -> None:
        super().__init__()
        self.bucket = bucket

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return a small file and its tag, or None where there is none. Raises botocore's `ClientError`."""
        try:
            found = self._s3.get_object(Bucket=self.bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise
        return found["Body"].read(), found["ETag"]

    def exchange(self, key: str, content: bytes, tag: str | None) -> str:
        """Write a file in the place of the one that has this tag, or where there was none; return the new one's tag.

        Raises `Replaced` where there is another one, and botocore's `ClientError`.
        """
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            return str(self._s3.put_object(Bucket=self.bucket, Key=key, Body=content, **condition)["ETag"])
        except self._s3.exceptions.ClientError as error:
            if _code(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                raise Replaced("Somebody else goes on with it; look again in some minutes.") from error
            raise


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def unpacked(packed: IO[bytes]) -> Iterator[bytes]:
    """Yield what gzip has packed, in blocks of bounded size; members may follow each other. Raises `UnreadableFile`."""
    whole = gzip.GzipFile(fileobj=packed, mode="rb")
    try:
        # One read at a time: what comes before a fault is whole.
        yield from iter(lambda: whole.read1(BLOCK), b"")
    except EOFError as error:
        raise UnreadableFile("gzip_ends_too_soon") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableFile("gzip_invalid") from error


def split(blocks: Iterator[bytes], number: int, end: int) -> Iterator[Line]:
    """Yield the lines in `blocks`, which follow line `number` and byte `end`; never keep more than one."""
    kept, is_long = b"", False
    for block in blocks:
        *whole, rest = block.split(b"\n")
        for part in whole:
            content = kept + part
            number += 1
            end += len(part) + 1 + len(kept)
            yield Line(number, end, None if is_long or len(content) > LONGEST_LINE else content)
            kept, is_long = b"", False
        if is_long or len(kept) + len(rest) > LONGEST_LINE:
            # Its length still counts.
            end += len(kept) + len(rest)
            kept, is_long = b"", True
        else:
            kept += rest
    if kept or is_long:
        yield Line(number + 1, end + len(kept), None if is_long else kept)
