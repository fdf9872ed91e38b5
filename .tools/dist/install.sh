#!/usr/bin/env bash
# install.sh PREFIX puts bin/graphscore into PREFIX/bin, and a venv with the Python packages of local workers into
# PREFIX/lib/graphscore/venv. Both take the place of what was there once all of it is complete: what fails before changes
# nothing. PYTHON is the interpreter.
set -euo pipefail
cd "$(dirname "$0")/../.."
prefix=$1
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed: set PYTHON=..." >&2
  exit 1
}
mkdir -p "$prefix/bin" "$prefix/lib/graphscore"
next=$prefix/lib/graphscore/venv.next
work=$(mktemp -d)
trap 'rm -rf "$work" "$next"' EXIT

pip() { "$next/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
rm -rf "$next"
"$python" -m venv "$next"
pip install --require-hashes --requirement python/locks/run.txt
# Built from a copy: setuptools leaves what it has built, and would take a module again that is gone by now.
mkdir "$work/python"
cp -R python/src python/pyproject.toml python/README.md "$work/python"
rm -rf "$work"/python/src/*.egg-info
pip install --no-deps --no-build-isolation --no-index "$work/python"

cp bin/graphscore "$prefix/bin/graphscore.next"
chmod 755 "$prefix/bin/graphscore.next"
rm -rf "$prefix/lib/graphscore/venv.last"
if [ -e "$prefix/lib/graphscore/venv" ]; then
  mv "$prefix/lib/graphscore/venv" "$prefix/lib/graphscore/venv.last"
fi
mv "$next" "$prefix/lib/graphscore/venv"
mv "$prefix/bin/graphscore.next" "$prefix/bin/graphscore"
rm -rf "$prefix/lib/graphscore/venv.last"
echo "installed $prefix/bin/graphscore"
