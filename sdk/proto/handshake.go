// Package proto holds what the hub and a connector agree on before their first
// call. The contract itself is in channelhub/connector/v1.
//
// Connector authors need neither: package sdk speaks both for them.
package proto

import "github.com/hashicorp/go-plugin"

// Version is the major version of the contract. It is the number in the name of
// the protobuf package and the protocol version of the plugin handshake.
const Version = 1

// PluginName is the only entry of the plugin set.
const PluginName = "connector"

// MaxMessage is the largest message of the contract in bytes, both ways. Bytes
// of attachments travel in streams of smaller messages.
const MaxMessage = 4 << 20

// Handshake returns what both sides compare first. The cookie only tells a
// person who starts a connector by hand that it is a plugin; it protects
// nothing.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  Version,
		MagicCookieKey:   "CHANNELHUB_PLUGIN",
		MagicCookieValue: "c1b7f0e25ad94d4c9d3f",
	}
}

// HostName is the name that the certificate of HostService is made out to. Its
// authority is made for one start of one connector and signs nothing else.
const HostName = "localhost"
