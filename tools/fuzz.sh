#!/bin/sh
# Runs every fuzz target in turn: go fuzzes one target of one package a run.
# Usage: fuzz.sh 30s
set -eu

go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | while read -r pkg; do
	go test -list '^Fuzz' "$pkg" </dev/null | grep '^Fuzz' | while read -r target; do
		echo "fuzz $pkg $target for $1" >&2
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$pkg" </dev/null
	done
done
