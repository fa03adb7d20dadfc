"""How long a file and how full a folder may be."""

from __future__ import annotations

import pytest

from checks import file_length, folder_size


@pytest.mark.parametrize("path", ["cri_shim/a.py", "tests/unit/test_a.py", "cri_shim/page/a.js", "deploy/a.sh"])
def test_a_file_of_401_lines(checkout, path):
    (violation,) = file_length.check(checkout({path: "\n" * 401}))
    assert str(violation) == f"{path}:401: 401 lines, 400 at most: split it by idea"


def test_a_script_without_an_extension(checkout):
    assert file_length.check(checkout({".ci/run": "#!/bin/bash\n" + "\n" * 400}))


@pytest.mark.parametrize("path", ["notes/a.md", "LICENSE", "cri_shim/api/pb2.py", ".venv/lib/a.py", "build/a.py"])
def test_documents_and_generated_code_may_be_longer(checkout, path):
    assert file_length.check(checkout({path: "\n" * 401})) == []


def test_a_file_of_400_lines(checkout):
    assert file_length.check(checkout({"cri_shim/a.py": "\n" * 400})) == []


@pytest.mark.parametrize("folder", ["cri_shim/bench", "tests/unit/bench", "lab"])
def test_a_folder_of_31_files(checkout, folder):
    (violation,) = folder_size.check(checkout({f"{folder}/m{number}.py": "" for number in range(31)}))
    assert str(violation) == f"{folder}:1: 31 Python files, 30 at most: make folders in it"


def test_thirty_files_and_a_folder_in_it(checkout):
    files = {f"lab/m{number}.py": "" for number in range(30)}
    assert folder_size.check(checkout({**files, "lab/inner/a.py": "", "lab/a.md": ""})) == []


def test_each_rpc_has_its_file(checkout):
    assert folder_size.check(checkout({f"cri_shim/rpc/m{number}.py": "" for number in range(60)})) == []
