// Package api holds the HTTP faces of the hub, one room for each kind of
// caller:
//
//	ingress  providers' webhooks
//	chat     browsers
//	app      client applications, /v1
//	admin    operators, /admin/v1
//	link     attachment links
//
// What they share (the problem document, authentication, reading bodies) is in
// web. They know nothing of each other.
package api
