"""Opens files as UTF-8 text, whatever their compression and encoding; recognises their format."""

import bz2
import codecs
import gzip
import lzma
import re
import zipfile
from pathlib import Path
from typing import Any

from unrolled.data.files.paths import require_file
from unrolled.errors import DataError

PACKED = (".gz", ".bz2", ".xz", ".zip")
FORMAT_OF_SUFFIX = {
    ".npz": "npz",
    ".npy": "npy",
    ".ts": "ts",
    ".arff": "arff",
    ".parquet": "parquet",
    ".pq": "parquet",
}
READ = "CSV, TSV, Parquet, NPZ, NPY, .ts and ARFF files (text also as .gz, .bz2, .xz or .zip)"
# Formats that are recognised, so that the message can name them: suffix, and what to do.
NOT_READ = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), "a spreadsheet; export the sheet as CSV"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "JSON; save the table as CSV or Parquet"),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), "HDF5; save the arrays with numpy.savez"),
    ".mat": "a MATLAB file; save the arrays with numpy.savez",
    **dict.fromkeys((".pkl", ".pickle", ".pt", ".pth"), "a pickle, which can run code; save a CSV"),
    **dict.fromkeys((".feather", ".arrow", ".orc"), "an Arrow or ORC file; save it as Parquet"),
    **dict.fromkeys((".rds", ".rda", ".rdata"), "an R file; save it with write.csv"),
    **dict.fromkeys((".sav", ".dta", ".sas7bdat", ".xpt"), "a statistics file; export it as CSV"),
    **dict.fromkeys((".wav", ".mp3", ".flac", ".edf"), "a recording; save the samples as CSV"),
    **dict.fromkeys((".7z", ".rar", ".tar", ".tgz", ".zst"), "an archive; unpack it first"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "a database; export the table as CSV"),
    ".tsf": "a forecasting file, which has no classes",
    ".xml": "XML; save the table as CSV",
    **dict.fromkeys((".html", ".htm"), "a web page; save the table as CSV"),
    **dict.fromkeys((".pdf", ".docx", ".doc"), "a document; save the table as CSV"),
}
HEAD_BYTES = 2**16  # of a file, to recognise its format; the archive's begin with long comments
# First bytes of a file, and the suffix of its format.
MAGIC = (
    (b"PAR1", ".parquet"),
    (b"\x93NUMPY", ".npy"),
    (b"\xd0\xcf\x11\xe0", ".xls"),
    (b"\x89HDF", ".h5"),
    (b"MATLAB 5.0", ".mat"),
    (b"ARROW1", ".feather"),
    (b"SQLite format 3", ".db"),
    (b"7z\xbc\xaf\x27\x1c", ".7z"),
    (b"Rar!", ".rar"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"%PDF", ".pdf"),
    (b"RIFF", ".wav"),
    (b"<?xml", ".xml"),
    (b"<html", ".html"),
    (b"<!DOCTYPE", ".html"),
)


def format_of(path: Path) -> str:
    """Return `folder`, `csv`, `parquet`, `npz`, `npy`, `ts` or `arff`.

    The name decides, or the first bytes of a file whose name does not end in a known format.

    Raises:
        DataError: there is no such file, or its format is not read. The message names the format.
    """
    if path.is_dir():
        return "folder"
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix in FORMAT_OF_SUFFIX:
        require_file(path)
        return FORMAT_OF_SUFFIX[suffix]
    if suffix not in NOT_READ:
        suffix = _suffix_by_content(path)
    if suffix in NOT_READ:
        raise DataError(f"{path} is {NOT_READ[suffix]}. unrolled reads {READ}")
    return FORMAT_OF_SUFFIX.get(suffix, "csv")


def _suffix_by_content(path: Path) -> str:
    """Return the suffix of the format that the first bytes of a file show, else an empty string."""
    require_file(path)
    with path.open("rb") as file:
        start = file.read(HEAD_BYTES)
        for magic, suffix in MAGIC:  # before the bytes are taken for text
            if start.startswith(magic):
                return suffix
        if start[:4] == b"PK\x03\x04":
            try:
                names = zipfile.ZipFile(path).namelist()
            except zipfile.BadZipFile:
                names = []
            if "[Content_Types].xml" in names:
                return ".docx" if "word/document.xml" in names else ".xlsx"
            if names and all(name.endswith(".npy") for name in names):
                return ".npz"
    with open_bytes(path) as text:
        first = text.read(HEAD_BYTES)
    for magic, suffix in MAGIC:
        if first.startswith(magic):
            return suffix
    words = first.lstrip()
    if words.startswith((b'{"', b"[{", b"[[", b"{\n", b"{ ")):
        return ".json"
    header = re.sub(rb"^[%#][^\n]*\n|^\s*\n", b"", words, flags=re.MULTILINE).lower()
    if header.startswith(b"@relation"):
        return ".arff"
    if header.startswith(b"@") and re.search(rb"^@data\b", header, flags=re.MULTILINE):
        return ".ts"
    return ""


def _read(file: Any, path: Path, num: int) -> bytes:
    """Return the next bytes.

    Raises:
        DataError: the compressed file is damaged.
    """
    try:
        content: bytes = file.read(num)
    except UnicodeError as error:
        raise DataError(f"{path}: not UTF-16 text ({error}); save the file as UTF-8") from error
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, ValueError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}; the file is damaged") from error
    except Exception as error:  # zlib.error, which gzip does not wrap
        if type(error).__module__ != "zlib":
            raise
        raise DataError(f"{path} cannot be unpacked: {error}; the file is damaged") from error
    return content


class Text:
    """The bytes of a text file in UTF-8, without a byte order mark.

    Text that is neither UTF-16 nor UTF-8 is read as cp1252 (Western European Windows), of which
    Latin-1 is a part. A file that has valid UTF-8 letters before the wrong byte is damaged UTF-8
    and is not recoded.

    path: for messages.
    encoding: of the file itself as far as it has been read: UTF-8, UTF-16 or cp1252.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self._decoder: codecs.IncrementalDecoder | None = None
        self._held = b""
        self._has_letters = False  # that are not ASCII, in UTF-8
        self._is_damaged = False
        first = _read(file, path, 4)
        self.encoding = "UTF-8"
        if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            encoding = "utf-16-le" if first[:2] == codecs.BOM_UTF16_LE else "utf-16-be"
            self.encoding = "UTF-16"
            self._decoder = codecs.getincrementaldecoder(encoding)()
            self._first = self._recoded(first[2:])
        else:
            self._first = self._checked(first.removeprefix(codecs.BOM_UTF8))

    def read(self, num: int) -> bytes:
        """Return at least one further byte and about num of them, or b"" at the end.

        Raises:
            DataError: the file is damaged.
        """
        first, self._first = self._first, b""
        while content := _read(self._file, self._path, num):
            change = self._checked if self._decoder is None else self._recoded
            if recoded := first + change(content):
                return recoded
        return first + (self._checked(b"") if self._decoder is None else self._recoded(b""))

    def _checked(self, content: bytes) -> bytes:
        """Return the next bytes, recoded if one of them shows that they are cp1252.

        The first bytes of a letter that is cut in two are held back.
        """
        if self.encoding == "cp1252":
            return _from_cp1252(content) or content
        if self._is_damaged:
            return content
        content, is_last = self._held + content, not content
        self._held = b""
        if content.isascii():
            return content
        try:
            text, num_read = codecs.utf_8_decode(content, "strict", is_last)
        except UnicodeDecodeError as error:
            is_mixed = self._has_letters or not content[: error.start].isascii()
            recoded = None if is_mixed else _from_cp1252(content)
            if recoded is None:
                self._is_damaged = True  # the line is found when it is parsed
                return content
            self.encoding = "cp1252"
            return recoded
        self._has_letters = self._has_letters or not text.isascii()
        self._held = content[num_read:]
        return content[:num_read]

    def _recoded(self, content: bytes) -> bytes:
        assert self._decoder is not None
        try:
            return self._decoder.decode(content, final=not content).encode("utf-8")
        except UnicodeError as error:
            raise DataError(
                f"{self._path}: damaged UTF-16 text ({error}); save the file as UTF-8"
            ) from error

    def __enter__(self) -> "Text":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _from_cp1252(content: bytes) -> bytes | None:
    """Return cp1252 text in UTF-8, or None if it is no text."""
    if re.search(rb"[\0-\x08\x0e-\x1f]", content):
        return None
    try:
        return content.decode("cp1252").encode("utf-8")
    except UnicodeDecodeError:
        return None


def open_bytes(path: Path) -> Text:
    """Return a text file, unpacked and recoded as UTF-8, with a method `read`.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    require_file(path)
    with path.open("rb") as file:
        start = file.read(6)
    opener: Any = Path.open
    if start[:2] == b"\x1f\x8b":
        opener = gzip.open
    elif start[:3] == b"BZh":
        opener = bz2.open
    elif start == b"\xfd7zXZ\0":
        opener = lzma.open
    elif start[:4] == b"PK\x03\x04":
        return Text(path, _only_member(path))
    opened = opener(path, "rb")
    try:
        return Text(path, opened)
    except DataError:
        opened.close()
        raise


def read_text(path: Path) -> bytes:
    """Return a whole text file, unpacked and recoded as UTF-8.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    with open_bytes(path) as file:
        return b"".join(iter(lambda: file.read(2**22), b""))


def _only_member(path: Path) -> Any:
    try:
        archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if not name.endswith("/")]
        names = [name for name in names if not name.startswith("__MACOSX/")]
        if len(names) != 1:
            raise DataError(f"{path} contains {len(names)} files; unpack it, and name one of them")
        return archive.open(names[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from error
