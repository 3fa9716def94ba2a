package providerhttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/channelhub/channelhub/sdk/internal/attempt"
	"github.com/channelhub/channelhub/sdk/internal/egress"
)

// errPrivate refuses an address the operator did not name.
var errPrivate = errors.New("the address is private, and the operator did not name it")

// guard lets connections through to public addresses, and to any address that
// the operator named.
type guard struct {
	named []string // hosts, some with a port
}

// dial implements the transport's DialContext.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	named := g.isNamed(address)
	dialer := net.Dialer{
		Timeout: 10 * time.Second,
		// The address that is really dialled, after the name was resolved.
		ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
			if !named {
				if err := checkPublic(resolved); err != nil {
					return err
				}
			}
			return egress.Check(resolved)
		},
	}
	over := attempt.From(ctx).SendUntil()
	if !over.IsZero() {
		dialer.Deadline = over
	}
	return dialer.DialContext(ctx, network, address)
}

// isNamed says whether the operator named the host, with this port or without
// one.
func (g *guard) isNamed(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(g.named, func(name string) bool {
		return strings.EqualFold(name, address) || strings.EqualFold(strings.Trim(name, "[]"), host)
	})
}

// special are blocks that netip has no word for and that lead inside, or
// nowhere: shared address space, the "this network" block, protocol
// assignments, benchmarks, documentation, reserved space, and the prefixes
// that carry an IPv4 address within an IPv6 one.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
	"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "fec0::/10",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// checkPublic refuses every address that is not on the public internet: own
// machine, own network, link-local (where clouds keep their metadata), and the
// like.
func checkPublic(resolved string) error {
	target, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	ip := target.Addr().Unmap().WithZone("")
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return errPrivate
	}
	for _, p := range special {
		if p.Contains(ip) {
			return errPrivate
		}
	}
	return nil
}
