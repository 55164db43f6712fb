#!/usr/bin/env bash
# Builds the wheel, installs it into an environment of its own that borrows all other packages of the given one, and runs
# a sample of the fast tests in a folder outside of the clone, where only what the wheel holds can be imported.
set -euo pipefail
python=$(realpath -s "$1")
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder/dist" "$here"
"$python" -m venv "$folder/env"
own=$("$folder/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$own/borrowed.pth"
"$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$folder"/dist/*.whl

mkdir "$folder/away"
cp -r "$here/tests" "$here/examples" "$here/pyproject.toml" "$folder/away"
cd "$folder/away"
unset PYTHONPATH
where=$("$folder/env/bin/python" -c 'import bomix; print(bomix.__file__)')
case $where in "$own"/*) ;; *) echo "bomix comes from $where, not from the wheel" >&2; exit 1 ;; esac
[ "$#" -gt 0 ] || set -- tests/test_imports.py tests/contracts/test_traits.py tests/io/exports tests/cli/test_write.py \
    tests/study/test_told.py tests/execution/test_callbacks.py
"$folder/env/bin/python" -m bomix init "$folder/made"
"$folder/env/bin/python" -m pytest -q -p no:cacheprovider "$@"
