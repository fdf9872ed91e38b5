#!/usr/bin/env bash
# dist.sh OUT builds what a release has from the commit that is checked out: a binary for each system, the wheel, the
# licences of what both are made of, a CycloneDX SBOM of each, and SHA256SUMS. The same commit, Go and setuptools make
# the same bytes, wherever it is built: `make dist-check` shows that.
# Needs: Go, git, TOOLS (a folder with cyclonedx-gomod), VENV (a venv of python/locks/dist.txt) and RUN (one of
# python/locks/run.txt: what the wheel needs, and nothing else).
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$1
umask 022
export LC_ALL=C
if [ -n "$(git status --porcelain)" ]; then
  echo "what is built is the commit that is checked out: commit or stash what git status shows" >&2
  exit 1
fi
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}

rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export CGO_ENABLED=0
for platform in $platforms; do
  system=${platform%/*} machine=${platform#*/}
  name=graphscore-$system-$machine
  if [ "$system" = windows ]; then
    name=$name.exe
  fi
  echo "building $name"
  GOOS=$system GOARCH=$machine go build -buildvcs=true -trimpath -ldflags='-s -w' -o "$out/$name" ./cmd/graphscore
done

# Built from what is committed: files that lie about do not get into it.
echo "building the wheel"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
git archive HEAD python LICENSE | tar -xf - --no-same-permissions -C "$work"
"$VENV/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
  --wheel-dir "$out" "$work/python"

echo "collecting licences"
{
  go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/graphscore | sort -u |
    while read -r module version folder; do
      files=$(find "$folder" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort)
      if [ -z "$files" ]; then # a few have it in their README
        files=$(grep -lisE 'permission is hereby granted|redistribution and use|apache license' "$folder"/README* || true)
      fi
      if [ -z "$files" ]; then
        echo "no licence is in the module $module $version" >&2
        exit 1
      fi
      printf '==== %s %s\n\n' "$module" "$version"
      echo "$files" | tr '\n' '\0' | xargs -0 cat
      printf '\n'
    done
} >"$out/LICENSES-graphscore.txt"
"$VENV/bin/python" -m piplicenses --python "$RUN/bin/python" --order=name --format=plain-vertical --with-license-file --no-license-path \
  --ignore-packages graphscore pip setuptools >"$out/LICENSES-wheel.txt" 2>"$work/licenses.log" ||
  { cat "$work/licenses.log" >&2; exit 1; }

echo "writing the SBOMs"
"$TOOLS/cyclonedx-gomod" app -json -licenses -noserial -main cmd/graphscore -output "$out/graphscore.cdx.json" . 2>"$work/gomod.log" ||
  { cat "$work/gomod.log" >&2; exit 1; }
"$VENV/bin/python" -m cyclonedx_py environment --output-reproducible --pyproject python/pyproject.toml --of JSON \
  -o "$out/wheel.cdx.json" "$RUN/bin/python"

(cd "$out" && "$VENV/bin/python" - <<'EOF'
import datetime
import hashlib
import json
import os
import pathlib

# The time of the commit, as in the other one: the same bytes, whenever it is built.
sbom = pathlib.Path("graphscore.cdx.json")
content = json.loads(sbom.read_text(encoding="utf-8"))
committed = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
content["metadata"]["timestamp"] = committed.isoformat()
sbom.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

names = sorted(p.name for p in pathlib.Path().iterdir())
pathlib.Path("SHA256SUMS").write_text(
    "".join(f"{hashlib.sha256(pathlib.Path(n).read_bytes()).hexdigest()}  {n}\n" for n in names), encoding="utf-8"
)
EOF
)
cat "$out/SHA256SUMS"
