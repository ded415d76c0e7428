"""Which media type a file has: guessed from its name, or the one its uploader gave.

The table is ours and fixed: the system's would make one tree answer differently on two machines.
"""

from __future__ import annotations

import re
from typing import Final

UNKNOWN_TYPE: Final = "application/octet-stream"

_LONGEST_TYPE = 128  # what the column holds
_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_MEDIA_TYPE = re.compile(
    rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"[A-Za-z0-9 !#-\[\]-~]*"))*'
)

_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"

_BY_EXTENSION = {
    # text
    "txt": "text/plain", "log": "text/plain", "ini": "text/plain", "conf": "text/plain",
    "md": "text/markdown", "markdown": "text/markdown", "csv": "text/csv",
    "tsv": "text/tab-separated-values", "css": "text/css", "js": "text/javascript",
    "mjs": "text/javascript", "html": "text/html", "htm": "text/html", "ics": "text/calendar",
    "vcf": "text/vcard", "rtf": "application/rtf", "tex": "application/x-tex",
    "xhtml": "application/xhtml+xml", "xml": "application/xml", "xsl": "application/xml",
    "json": "application/json", "yaml": "application/yaml", "yml": "application/yaml",
    "toml": "application/toml", "py": "text/x-python", "sh": "application/x-sh",
    "sql": "application/sql", "wasm": "application/wasm", "c": "text/x-c", "h": "text/x-c",
    # images
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "jpe": "image/jpeg",
    "gif": "image/gif", "webp": "image/webp", "avif": "image/avif", "heic": "image/heic",
    "heif": "image/heif", "bmp": "image/bmp", "ico": "image/vnd.microsoft.icon",
    "tif": "image/tiff", "tiff": "image/tiff", "svg": "image/svg+xml", "svgz": "image/svg+xml",
    "psd": "image/vnd.adobe.photoshop", "jxl": "image/jxl",
    # sound and film
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac", "flac": "audio/flac",
    "ogg": "audio/ogg", "oga": "audio/ogg", "opus": "audio/ogg", "wav": "audio/wav",
    "weba": "audio/webm", "mid": "audio/midi", "midi": "audio/midi", "mp4": "video/mp4",
    "m4v": "video/mp4", "mov": "video/quicktime", "webm": "video/webm", "ogv": "video/ogg",
    "mkv": "video/x-matroska", "avi": "video/x-msvideo", "mpg": "video/mpeg",
    "mpeg": "video/mpeg", "3gp": "video/3gpp", "wmv": "video/x-ms-wmv", "ts": "video/mp2t",
    # documents
    "pdf": "application/pdf", "ps": "application/postscript", "eps": "application/postscript",
    "epub": "application/epub+zip", "doc": "application/msword", "dot": "application/msword",
    "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "odt": f"{_OPEN_DOCUMENT}.text", "ods": f"{_OPEN_DOCUMENT}.spreadsheet",
    "odp": f"{_OPEN_DOCUMENT}.presentation", "odg": f"{_OPEN_DOCUMENT}.graphics",
    "msg": "application/vnd.ms-outlook", "eml": "message/rfc822",
    # archives and programs
    "zip": "application/zip", "gz": "application/gzip", "tgz": "application/gzip",
    "bz2": "application/x-bzip2", "xz": "application/x-xz", "zst": "application/zstd",
    "7z": "application/x-7z-compressed", "rar": "application/vnd.rar", "tar": "application/x-tar",
    "iso": "application/x-iso9660-image", "dmg": "application/x-apple-diskimage",
    "jar": "application/java-archive", "apk": "application/vnd.android.package-archive",
    "exe": "application/vnd.microsoft.portable-executable", "deb": "application/x-debian-package",
    "sqlite": "application/vnd.sqlite3", "torrent": "application/x-bittorrent",
    # fonts
    "ttf": "font/ttf", "otf": "font/otf", "woff": "font/woff", "woff2": "font/woff2",
}  # fmt: skip


def guess_type(name: str) -> str:
    """Return the media type that a file's name speaks for."""
    _, dot, extension = name.rpartition(".")
    return _BY_EXTENSION.get(extension.lower(), UNKNOWN_TYPE) if dot else UNKNOWN_TYPE


def type_to_keep(given: str | None, name: str) -> str:
    """Return the type to store: what the uploader gave where it tells something, else a guess."""
    text = (given or "").strip()
    essence = text.partition(";")[0].strip().lower()
    # The first says nothing; the second is what curl and rclone's chunks send for any bytes.
    if essence in ("", UNKNOWN_TYPE, "application/x-www-form-urlencoded"):
        return guess_type(name)
    return text if is_well_formed(text) else guess_type(name)


def is_well_formed(media_type: str) -> bool:
    """Tell whether it is a media type that can be stored and sent (RFC 9110 §8.3.1)."""
    return len(media_type) <= _LONGEST_TYPE and _MEDIA_TYPE.fullmatch(media_type) is not None
