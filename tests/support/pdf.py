"""Small PDF files, written by hand: text on pages, metadata, passwords."""

import io
from collections.abc import Sequence

import pypdf


def make(pages: Sequence[Sequence[str]], title: str = "", date: str = "") -> bytes:
    """Return a PDF with one list of lines a page."""
    objects = [b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"]
    kids = []
    for lines in pages:
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        content = f"BT /F1 12 Tf 14 TL 50 700 Td {shown} ET".encode("cp1252")
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 1 0 R >> >> >>" % (2 * len(pages) + 2, len(objects))
        )
    references = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects.append(b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), references))
    objects.append(b"<< /Type /Catalog /Pages %d 0 R >>" % len(objects))
    objects.append(f"<< /Title ({title}) /CreationDate ({date}) >>".encode())
    return _file(objects)


def encrypted(body: bytes, password: str) -> bytes:
    """Return the same PDF, to be opened with a password."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(body))
    writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _file(objects: Sequence[bytes]) -> bytes:
    out, places = bytearray(b"%PDF-1.7\n"), list[int]()
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    root, info = len(objects) - 1, len(objects)
    trailer = b"trailer\n<< /Size %d /Root %d 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return bytes(out + trailer % (len(objects) + 1, root, info, start))
