package journal

import (
	"maps"
	"slices"

	"github.com/channelhub/channelhub/hub/pluginhost"
)

// apart puts results into groups that have nothing in common, neither a
// contact address nor a message that a receipt is about. Groups can be
// committed side by side, so that a journal drains faster than it fills; what
// is in one group keeps its order (I4).
func apart(results []translated) [][]int {
	var groups []map[string]bool // the names in each group
	var members [][]int
	for i, res := range results {
		names := namesIn(res.items)
		into := -1
		for g := range groups {
			if members[g] == nil || !meet(groups[g], names) {
				continue
			}
			if into < 0 {
				into = g
				continue
			}
			// It joins two groups that were apart until now.
			maps.Copy(groups[into], groups[g])
			members[into] = append(members[into], members[g]...)
			members[g] = nil
		}
		if into < 0 {
			groups, members = append(groups, map[string]bool{}), append(members, nil)
			into = len(groups) - 1
		}
		maps.Copy(groups[into], names)
		members[into] = append(members[into], i)
	}
	members = slices.DeleteFunc(members, func(m []int) bool { return m == nil })
	for _, m := range members {
		slices.Sort(m)
	}
	return members
}

func meet(a, b map[string]bool) bool {
	for name := range b {
		if a[name] {
			return true
		}
	}
	return false
}

// namesIn is what items are about.
func namesIn(items []pluginhost.Item) map[string]bool {
	names := map[string]bool{}
	for _, item := range items {
		if ev := item.Event; ev != nil {
			for _, a := range slices.Concat(ev.Addresses, ev.Links) {
				names["a/"+string(a.Kind)+"/"+a.Value] = true
			}
		}
		if st := item.Status; st != nil {
			switch {
			case st.MessageID != "":
				names["m/"+string(st.MessageID)] = true
			case st.ProviderID != "":
				names["p/"+st.ProviderID] = true
			case st.Watermark != nil:
				names["a/"+string(st.Watermark.Address.Kind)+"/"+st.Watermark.Address.Value] = true
			}
		}
	}
	return names
}
