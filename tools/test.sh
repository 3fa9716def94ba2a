#!/bin/sh
# The whole test run. A missing part is a failure that says in one line what
# to install, never a silent skip. Called by `make test` from the top.
set -eu

missing() {
	echo "make test: $1" >&2
	exit 1
}

command -v go >/dev/null || missing "install Go 1.26 (https://go.dev/dl)"
command -v "$(go env CC)" >/dev/null || missing "install a C compiler for the race detector (apt-get install gcc)"
command -v node >/dev/null || missing "install Node 20 or newer (apt-get install nodejs)"
node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || missing "install Node 20 or newer; $(node -v) is too old"
command -v npm >/dev/null || missing "install npm (apt-get install npm)"

if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || missing "install Chromium as \`chromium\` (apt-get install chromium)"
	echo "installing chromium" >&2
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >&2 </dev/null ||
		missing "apt-get could not install chromium: install it by hand"
fi

for lock in web/package-lock.json plugins/*/web/package-lock.json tests/browser/package-lock.json; do
	[ -f "$lock" ] || continue
	dir=$(dirname "$lock")
	# npm notes the lock it has installed; only a newer one needs another run.
	if [ ! "$dir/node_modules/.package-lock.json" -nt "$lock" ]; then
		(cd "$dir" && npm ci --no-audit --no-fund </dev/null)
	fi
done

# The AWS-compatible servers that tests start on loopback are programs alone:
# nothing of their packages is run at installation.
if [ ! tools/awslocal/node_modules/.package-lock.json -nt tools/awslocal/package-lock.json ]; then
	npm ci --ignore-scripts --no-audit --no-fund --prefix tools/awslocal </dev/null
fi

go build ./...
go vet ./...
# No cached results: go does not see the programs that end-to-end tests build
# and run, and would let an old pass stand for new code.
go test -count=1 -timeout 10m ./...

# Where goroutines share state, once more under the race detector.
set --
for dir in hub/flow hub/pluginhost hub/storage; do
	[ -d "$dir" ] && set -- "$@" "./$dir/..."
done
[ $# -eq 0 ] || CGO_ENABLED=1 go test -race -count=1 -timeout 10m "$@"
