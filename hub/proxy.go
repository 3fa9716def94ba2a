package hub

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// proxies are the networks whose X-Forwarded-For is believed.
type proxies []netip.Prefix

func parseProxies(list []string) proxies {
	var out proxies
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
		} else if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}

func (ps proxies) trust(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range ps {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// believe puts the caller's own address into the request when trusted proxies
// stand before the hub: the last one in the chain that no trusted proxy wrote
// down for itself. What an untrusted caller claims is never looked at.
func (ps proxies) believe(next http.Handler) http.Handler {
	if len(ps) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && ps.trust(peer.Addr()) {
			if a, ok := ps.origin(r.Header.Values("X-Forwarded-For")); ok {
				r.RemoteAddr = net.JoinHostPort(a.String(), "0")
			}
		}
		next.ServeHTTP(w, r)
	})
}

// origin walks the chain from the nearest hop outwards.
func (ps proxies) origin(headers []string) (netip.Addr, bool) {
	hops := strings.Split(strings.Join(headers, ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			return netip.Addr{}, false
		}
		if !ps.trust(a) {
			return a.Unmap(), true
		}
	}
	return netip.Addr{}, false
}
