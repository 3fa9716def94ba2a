// Package egress holds a switch of the test kit: a test that reached a real
// provider would pass or fail with the weather, and might send something.
package egress

import (
	"errors"
	"net/netip"
	"sync/atomic"
)

// LoopbackOnly makes every connection of providerhttp beyond loopback fail.
var LoopbackOnly atomic.Bool

// ErrBeyondLoopback is what such a connection fails with.
var ErrBeyondLoopback = errors.New("a test may only reach loopback addresses")

// Check judges a resolved address with its port.
func Check(resolved string) error {
	if !LoopbackOnly.Load() {
		return nil
	}
	target, err := netip.ParseAddrPort(resolved)
	if err != nil || !target.Addr().Unmap().IsLoopback() {
		return ErrBeyondLoopback
	}
	return nil
}
