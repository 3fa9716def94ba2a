package sdk

import (
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

var mountsOut = map[Mount]connectorv1.Mount{
	AccountRoute: connectorv1.Mount_MOUNT_IN_ACCOUNT,
	AppRoute:     connectorv1.Mount_MOUNT_IN_APP,
	ChatSocket:   connectorv1.Mount_MOUNT_CHAT,
}

func limitsOut(l *Limits) *connectorv1.Limits {
	types := l.ContentTypes
	if len(types) == 0 {
		types = []string{ContentText}
	}
	return connectorv1.Limits_builder{
		MaxText:            opt(int32(l.MaxText)),
		ContentTypes:       types,
		MaxAttachments:     opt(int32(l.MaxAttachments)),
		MaxAttachmentBytes: opt(l.MaxAttachmentBytes),
		AttachmentTypes:    l.AttachmentTypes,
		PerSecond:          opt(l.PerSecond),
		Concurrency:        opt(int32(l.Concurrency)),
	}.Build()
}

func routesOut(routes []Route) []*connectorv1.Route {
	var out []*connectorv1.Route
	for _, r := range routes {
		mode := connectorv1.RouteMode_ROUTE_MODE_ACK
		if r.Reply {
			mode = connectorv1.RouteMode_ROUTE_MODE_REPLY
		}
		route := connectorv1.Route_builder{
			Mount: opt(mountsOut[r.Mount]), Mode: &mode, Methods: r.Methods, MaxBody: opt(r.MaxBody), Signature: signatureOut(r.Signature),
		}.Build()
		if r.Fallback != nil {
			route.SetFallback(connectorv1.FallbackReply_builder{
				Status: opt(int32(r.Fallback.Status)), ContentType: text(r.Fallback.Header.Get("Content-Type")), Body: r.Fallback.Body,
			}.Build())
		}
		out = append(out, route)
	}
	return out
}

func signatureOut(s Signature) *connectorv1.SignatureRecipe {
	out := &connectorv1.SignatureRecipe{}
	switch s := s.(type) {
	case HMACBody:
		out.SetHmacSha256Body(connectorv1.HMACBody_builder{Header: text(s.Header), Prefix: text(s.Prefix), Secret: text(s.Secret)}.Build())
	case TwilioSignature:
		out.SetTwilio(connectorv1.TwilioSignature_builder{Secret: text(s.Secret)}.Build())
	case SNSSignature:
		out.SetSns(&connectorv1.SNSSignature{})
	default:
		return nil
	}
	return out
}

func assetsOut(assets []Asset) []*connectorv1.Asset {
	var out []*connectorv1.Asset
	for _, a := range assets {
		out = append(out, connectorv1.Asset_builder{Path: text(a.Path), ContentType: text(a.ContentType), Body: a.Body, Demo: opt(a.Demo)}.Build())
	}
	return out
}
