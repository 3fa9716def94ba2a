#!/bin/sh
# buf on the wire contract. Usage: proto.sh lint|generate
# The tools are built by make only when they are needed: they take minutes.
set -eu

dir=sdk/proto
[ -f $dir/buf.yaml ] || exit 0
tools=$PWD/bin/tools
buf() { (cd $dir && PATH=$tools:$PATH "$tools/buf" "$@"); }

case $1 in
lint)
	make -s bin/tools/buf
	buf lint
	# Reporting only until the four channels stand; then it will fail the run.
	[ ! -f $dir/baseline.binpb ] || buf breaking --against baseline.binpb >&2 ||
		echo "buf: the contract breaks its baseline (reported, not refused, before 1.0)" >&2
	;;
generate)
	make -s bin/tools/buf bin/tools/protoc-gen-go bin/tools/protoc-gen-go-grpc
	buf generate
	# What the code was generated from and what came out: a test compares, so
	# that drift is noticed without buf.
	(cd $dir && find channelhub -name '*.proto' -o -name '*.pb.go' | LC_ALL=C sort | xargs sha256sum >generated.sha256)
	;;
*)
	echo "usage: proto.sh lint|generate" >&2
	exit 2
	;;
esac
