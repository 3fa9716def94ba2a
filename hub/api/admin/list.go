package admin

import (
	"net/http"

	"github.com/channelhub/channelhub/hub/api/web"
)

const (
	defaultPage = 100
	maxPage     = 500
)

// pageOf is the part of a list, sorted by id, that the request asks for. Its
// cursor is the last id shown: an entry that comes or goes in between neither
// hides nor doubles another.
func pageOf[T any](r *http.Request, all []T, id func(T) string) (web.List[T], error) {
	limit, err := web.Limit(r, defaultPage, maxPage)
	if err != nil {
		return web.List[T]{}, err
	}
	after := r.URL.Query().Get("cursor")
	var out []T
	for _, v := range all {
		if id(v) <= after {
			continue
		}
		if len(out) == limit {
			return web.ListOf(out, id(out[limit-1])), nil
		}
		out = append(out, v)
	}
	return web.ListOf(out, ""), nil
}
