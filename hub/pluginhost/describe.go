package pluginhost

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

const (
	maxVersion     = 64
	maxSummary     = 512
	maxURL         = 1 << 10
	maxFeatures    = 64
	maxRoutes      = 16
	maxMethods     = 9
	maxRouteBody   = 3584 << 10 // 3.5 MiB: with its headers it fits a message
	routeBody      = 1 << 20
	maxFallback    = 16 << 10
	maxAssets      = 64
	maxAssetPath   = 100
	maxSchema      = 256 << 10
	maxTypes       = 64
	maxPrefix      = 64
	maxPerSecond   = 1e6
	maxConcurrency = 10000
)

var (
	headerName = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	secretName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	assetPath  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]*$`)
	methods    = []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut,
		http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
)

// description collects what is wrong with a descriptor while it is converted.
type description struct{ faults []model.Fault }

func (d *description) fault(field, format string, args ...any) {
	d.faults = append(d.faults, model.Fault{Field: field, Detail: fmt.Sprintf(format, args...)})
}

// descriptorIn converts a descriptor. Unlike a message, a descriptor is
// refused as a whole: what a connector can do decides how the hub treats every
// provider's request, and a connector that misstates it is broken.
func descriptorIn(r *connectorv1.DescribeResponse) (Descriptor, error) {
	d := new(description)
	if !model.ValidConfiguredID(r.GetName()) {
		d.fault("name", "must match [a-z0-9-]{1,40}")
	}
	caps := r.GetCapabilities()
	out := Descriptor{
		Name:    r.GetName(),
		Version: printable(r.GetVersion(), maxVersion),
		Summary: printable(r.GetSummary(), maxSummary),
		DocsURL: d.link(r.GetDocsUrl()),
		Can: Capabilities{
			ReceiveHTTP: caps.GetReceiveHttp(), ReceiveSocket: caps.GetReceiveSocket(),
			Send: caps.GetSend(), SendSignal: caps.GetSendSignal(), RenderSocket: caps.GetRenderSocket(),
			FetchAttachment: caps.GetFetchAttachment(), CheckHealth: caps.GetCheckHealth(),
			ValidateAccount: caps.GetValidateAccount(),
		},
		Limits:           d.limits(r.GetLimits()),
		Routes:           d.routes(r.GetRoutes()),
		Assets:           d.assets(r.GetAssets()),
		ConfigSchema:     d.schema("config_schema", r.GetConfigSchema()),
		SecretsSchema:    d.schema("secrets_schema", r.GetSecretsSchema()),
		ExclusiveSession: r.GetSession() == connectorv1.SessionMode_SESSION_MODE_EXCLUSIVE,
		IdempotentSend:   r.GetIdempotentSend(),
		AddressKinds:     d.addressKinds(r.GetAddressKinds()),
	}
	if len(r.GetFeatures()) > maxFeatures {
		d.fault("features", "must be at most %d", maxFeatures)
	}
	for _, f := range r.GetFeatures()[:min(len(r.GetFeatures()), maxFeatures)] {
		out.Features = append(out.Features, printable(f, maxCode))
	}
	for _, route := range out.Routes {
		if route.Mount == MountChat && !out.Can.ReceiveSocket {
			d.fault("routes", "a chat mount needs receive_socket")
		} else if route.Mount != MountChat && !out.Can.ReceiveHTTP {
			d.fault("routes", "a route needs receive_http")
		}
	}
	if len(d.faults) > 0 {
		return Descriptor{}, &model.Error{Code: model.Invalid, Op: "describe plugin", Faults: d.faults}
	}
	return out, nil
}

// addressKinds keeps the kinds of contact address that the channel knows.
func (d *description) addressKinds(kinds []string) []model.AddressKind {
	if len(kinds) > maxAddressKinds {
		d.fault("address_kinds", "must be at most %d", maxAddressKinds)
		return nil
	}
	var out []model.AddressKind
	for _, k := range kinds {
		if k == "" || len(k) > maxCode || !isPrintable(k) {
			d.fault("address_kinds", "must have 1 to %d printable bytes each", maxCode)
			continue
		}
		out = append(out, model.AddressKind(k))
	}
	return out
}

// maxAddressKinds is far above what any channel has.
const maxAddressKinds = 16

// link keeps a web address that an operator may be shown.
func (d *description) link(s string) string {
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Scheme != "https" && u.Scheme != "http" || !isPrintable(s) {
		d.fault("docs_url", "must be a web address")
		return ""
	}
	return s
}

func (d *description) limits(l *connectorv1.Limits) Limits {
	out := Limits{
		MaxText:            int(max(l.GetMaxText(), 0)),
		MaxAttachments:     int(max(l.GetMaxAttachments(), 0)),
		MaxAttachmentBytes: max(l.GetMaxAttachmentBytes(), 0),
		Concurrency:        int(min(max(l.GetConcurrency(), 0), maxConcurrency)),
	}
	if p := l.GetPerSecond(); p > 0 && !math.IsInf(p, 0) {
		out.PerSecond = min(p, maxPerSecond)
	}
	if len(l.GetContentTypes()) > maxTypes || len(l.GetAttachmentTypes()) > maxTypes {
		d.fault("limits", "must name at most %d types", maxTypes)
		return out
	}
	for _, t := range l.GetContentTypes() {
		if t = word(t, ""); t != "" {
			out.ContentTypes = append(out.ContentTypes, model.ContentType(t))
		}
	}
	for _, t := range l.GetAttachmentTypes() {
		out.AttachmentTypes = append(out.AttachmentTypes, printable(t, maxMimeType))
	}
	return out
}

func (d *description) routes(routes []*connectorv1.Route) []Route {
	if len(routes) > maxRoutes {
		d.fault("routes", "must be at most %d", maxRoutes)
		return nil
	}
	var out []Route
	for i, r := range routes {
		at := fmt.Sprintf("routes[%d]", i)
		route := Route{
			// Anything but "any 2xx will do" is taken as "my own words matter".
			Reply:     r.GetMode() != connectorv1.RouteMode_ROUTE_MODE_ACK,
			MaxBody:   r.GetMaxBody(),
			Methods:   d.methods(at, r.GetMethods()),
			Fallback:  d.fallback(at, r),
			Signature: d.signature(at, r),
		}
		switch r.GetMount() {
		case connectorv1.Mount_MOUNT_IN_ACCOUNT:
			route.Mount = MountInAccount
		case connectorv1.Mount_MOUNT_IN_APP:
			route.Mount = MountInApp
		case connectorv1.Mount_MOUNT_CHAT:
			route.Mount = MountChat
		default:
			// A mount of a newer contract: this hub has no place for it.
			continue
		}
		if route.MaxBody == 0 {
			route.MaxBody = routeBody
		}
		if route.MaxBody < 0 || route.MaxBody > maxRouteBody {
			d.fault(at+".max_body", "must be at most %d bytes", maxRouteBody)
		}
		if slices.ContainsFunc(out, func(o Route) bool { return o.Mount == route.Mount }) {
			d.fault(at+".mount", "is there twice")
		}
		out = append(out, route)
	}
	return out
}

func (d *description) methods(at string, names []string) []string {
	if len(names) == 0 {
		return []string{http.MethodPost}
	}
	if len(names) > maxMethods {
		d.fault(at+".methods", "must be at most %d", maxMethods)
		return nil
	}
	var out []string
	for _, name := range names {
		if name = strings.ToUpper(name); !slices.Contains(methods, name) {
			d.fault(at+".methods", "must be HTTP methods")
			continue
		}
		out = append(out, name)
	}
	return out
}

func (d *description) fallback(at string, r *connectorv1.Route) *HTTPReply {
	if !r.HasFallback() {
		return nil
	}
	f := r.GetFallback()
	out := &HTTPReply{Status: int(f.GetStatus()), Body: f.GetBody()}
	if out.Status == 0 {
		out.Status = http.StatusOK
	}
	if out.Status < 200 || out.Status > 299 || len(out.Body) > maxFallback {
		d.fault(at+".fallback", "must be a 2xx of at most %d bytes", maxFallback)
	}
	if t := f.GetContentType(); t != "" {
		if len(t) > maxMimeType || !headerValue(t) || mimeTypeIn(t) == "" {
			d.fault(at+".fallback", "must have a content type")
			return nil
		}
		out.Headers = []Header{{Name: "Content-Type", Values: []string{t}}}
	}
	return out
}

// signature converts a recipe. One of a newer contract is none: the hub then
// takes nothing in while the connector is away.
func (d *description) signature(at string, r *connectorv1.Route) *SignatureRecipe {
	recipe := r.GetSignature()
	secret := func(name string) string {
		if !secretName.MatchString(name) {
			d.fault(at+".signature", "must name an account secret")
		}
		return name
	}
	switch recipe.WhichRecipe() {
	case connectorv1.SignatureRecipe_HmacSha256Body_case:
		h := recipe.GetHmacSha256Body()
		if !headerName.MatchString(h.GetHeader()) {
			d.fault(at+".signature", "must name a header")
		}
		if len(h.GetPrefix()) > maxPrefix || !isPrintable(h.GetPrefix()) {
			d.fault(at+".signature", "must have a prefix of at most %d bytes", maxPrefix)
		}
		return &SignatureRecipe{HMACBody: &HMACBody{Header: h.GetHeader(), Prefix: h.GetPrefix(), Secret: secret(h.GetSecret())}}
	case connectorv1.SignatureRecipe_Twilio_case:
		return &SignatureRecipe{Twilio: &TwilioSignature{Secret: secret(recipe.GetTwilio().GetSecret())}}
	case connectorv1.SignatureRecipe_Sns_case:
		// Taking requests in unverified is worse than asking SNS to repeat them.
		d.fault(at+".signature", "this hub cannot check the signatures of SNS: declare no recipe, and requests get 503 while the connector is away")
		return nil
	default:
		return nil
	}
}

func (d *description) assets(assets []*connectorv1.Asset) []Asset {
	if len(assets) > maxAssets {
		d.fault("assets", "must be at most %d", maxAssets)
		return nil
	}
	var out []Asset
	for i, a := range assets {
		at := fmt.Sprintf("assets[%d]", i)
		p := a.GetPath()
		if len(p) > maxAssetPath || !assetPath.MatchString(p) || path.Clean(p) != p {
			d.fault(at+".path", "must be a plain relative path of at most %d bytes", maxAssetPath)
		}
		if t := a.GetContentType(); mimeTypeIn(t) == "" || !headerValue(t) || len(t) > maxMimeType {
			d.fault(at+".content_type", "must be a content type")
		}
		if slices.ContainsFunc(out, func(o Asset) bool { return o.Path == p }) {
			d.fault(at+".path", "is there twice")
		}
		out = append(out, Asset{Path: p, ContentType: a.GetContentType(), Body: a.GetBody(), Demo: a.GetDemo()})
	}
	return out
}

func (d *description) schema(field string, b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	if len(b) > maxSchema || !json.Valid(b) || !isJSONObject(b) {
		d.fault(field, "must be a JSON Schema of at most %d bytes", maxSchema)
		return nil
	}
	return b
}
