#!/bin/sh
# Makes the demo's tokens, kept when they are there, and starts the hub.
# Called by `make run` from the top of the tree, after the build.
set -eu

umask 077
mkdir -p data
for name in demo operator configurator; do
	file=data/$name.token
	[ -s "$file" ] && continue
	# Written aside and renamed: a token file is whole or absent.
	od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"$file.new"
	mv "$file.new" "$file"
done

printf 'demo: http://127.0.0.1:8080/chat/demo/demo#token=%s\n' "$(cat data/demo.token)" >&2
exec bin/hub serve --config configs/hub.yaml
