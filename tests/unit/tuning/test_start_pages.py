"""Pages that were needed once do not stay mapped."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cri_shim.kernel import RecordingKernel
from cri_shim.tuning.start_pages import QUIET, Mapping, StartPages, clean_mappings, read_only_mappings

MAPS = """\
55faf88ed000-55faf88ef000 r--p 00000000 fe:00 260386                     /usr/bin/head
55faf88ef000-55faf88f5000 r-xp 00002000 fe:00 260386                     /usr/lib/with a space.so (deleted)
55faf88f8000-55faf88f9000 rw-p 0000a000 fe:00 260386                     /usr/bin/head
55faf9000000-55faf9021000 rw-p 00000000 00:00 0                          [heap]
7ffd0bd28000-7ffd0bd2a000 r-xp 00000000 00:00 0                          [vdso]
7f0000000000-7f0000001000 r--p 00000000 00:00 0
7f0000002000-7f0000003000 r--s 00000000 fe:00 77                         /var/cache/shared
"""
FIRST = Mapping(0x55FAF88ED000, 0x55FAF88EF000, "r--p", "/usr/bin/head")
TEXT = Mapping(0x55FAF88EF000, 0x55FAF88F5000, "r-xp", "/usr/lib/with a space.so (deleted)")


def smaps(*own, swap="Swap:                  0 kB\n"):
    """The lines of MAPS that are read-only parts of files, with so many kB of own pages each."""
    facts = (
        "Rss:                  8 kB\nAnonymous:            {} kB\nKSM:                   0 kB\n"
        + swap
        + "VmFlags: rd\n"
    )
    return "".join(line + "\n" + facts.format(kb) for line, kb in zip(MAPS.splitlines(), own, strict=False))


def test_which_mappings_count():
    """Parts of files that nobody can write to; no memory of our own, nothing of the kernel's, nothing shared."""
    assert list(read_only_mappings(MAPS)) == [FIRST, TEXT]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (smaps(0, 0), [FIRST, TEXT]),
        (smaps(4, 0), [TEXT]),
        (smaps(0, 120), [FIRST]),
        (smaps(0, 0, swap="Swap:                  4 kB\n"), []),
        ("".join(f"{line}\nRss: 8 kB\n" for line in MAPS.splitlines()), []),
    ],
    ids=["all", "relocated", "with a breakpoint", "swapped", "a kernel that does not say"],
)
def test_which_are_clean(text, clean):
    """Only those whose pages can be read again from their file."""
    assert list(clean_mappings(text)) == clean


def test_each_goes_once_and_not_while_it_is_new(tmp_path):
    """What is there at two looks goes at the second, what came between them at the third, and nothing twice."""
    kernel = RecordingKernel()
    pages = StartPages(kernel, lambda: 0.0)
    pages.look()
    assert kernel.calls == []
    file = tmp_path / "library"
    file.write_bytes(b"x" * mmap.PAGESIZE)
    with file.open("rb") as opened:
        mapping = mmap.mmap(opened.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
    assert mapping[0:1] == b"x"
    (place,) = [
        (each.start, each.end)
        for each in read_only_mappings(Path("/proc/self/maps").read_text())
        if each.file == str(file)
    ]
    pages.look()
    [(_, (gone,))] = kernel.calls
    assert isinstance(gone, list)
    assert place not in gone
    assert len(gone) > 10
    pages.look()
    assert kernel.calls[1:] == [("let_go_of_pages", ([place],))]
    pages.look()
    assert len(kernel.calls) == 2
    mapping.close()


def test_all_go_again_when_there_is_quiet_after_work():
    """Once for each time; not while there is work, which would fetch them back at once."""
    kernel = RecordingKernel()
    cpu = 0.0
    pages = StartPages(kernel, lambda: cpu)
    pages.look()
    pages.look()
    assert len(kernel.calls) == 1
    for used, times in ((QUIET, 1), (QUIET + 1, 1), (9, 1), (QUIET, 2), (0, 2), (QUIET + 1, 2), (0, 3), (0, 3)):
        cpu += used
        pages.look()
        assert len(kernel.calls) == times
    assert kernel.calls[0] == kernel.calls[1] == kernel.calls[2]


def test_a_process_that_does_it_gets_smaller_and_goes_on():
    """With libraries that were relocated, in a process of its own; what it needs again comes back."""
    script = """
        import re, ssl, sqlite3, decimal, hashlib
        from pathlib import Path
        from cri_shim.kernel import LinuxKernel
        from cri_shim.tuning.start_pages import StartPages

        def of_files():
            return int(re.search(r"RssFile:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

        def work():
            ssl.create_default_context()
            sqlite3.connect(":memory:").execute("select 1").fetchall()
            return str(decimal.Decimal(2).sqrt()), hashlib.sha256(b"x").hexdigest()

        before, result = of_files(), work()
        pages = StartPages(LinuxKernel())
        pages.look()
        pages.look()
        after = of_files()
        assert work() == result
        print(before, after)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    before, after = map(int, re.findall(r"\d+", done.stdout))
    assert after < 0.8 * before
