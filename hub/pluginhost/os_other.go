//go:build unix && !linux

package pluginhost

import "net"

// Elsewhere than on Linux the hub is for development only: a connector's
// leftovers are found by group alone, and a peer is trusted for its place in
// the private directory and its certificate.

func awaitExit(int) bool { return false }

func peerInGroup(*net.UnixConn, int) bool { return true }

func endMarked(string) (int, error) { return 0, nil }
