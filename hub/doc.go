// Package hub is the server as a library. New wires the rooms together, Run
// serves until its context ends; the command in cmd/hub is a thin shell around
// it.
//
// The rooms, from the outside in. A room may call any room further down, and
// never one further up: what goes the other way is an interface, filled in
// here.
//
//	api/ingress  api/chat  api/app  api/admin    HTTP, one face for each kind of caller
//	flow/inbound  flow/outbound                  the life of a message
//	accounts  access  audit  retention           who there is, who may, who did, what ends when
//	removal  erasure                             what goes for good: accounts and clients, contacts
//	pluginhost                                   connectors: processes and calls
//	store                                        typed rows and logs; the only place that knows keys
//	seal                                         the key hierarchy; sealing below the domain
//	storage/table  /keys  /logsink  /dispatch    ports, each with its drivers and one suite
//	storage/keyslots                             contact keys, overwritten in place
//	model  telemetry                             words everybody shares
//
// A message in: ingress or chat asks the connector what was said, inbound makes
// it durable in three writes (conversation, event, feed), and only then is the
// provider answered. A message out: app writes an intent, the message and a
// lane entry and answers 202; the lane's runner makes fenced attempts through
// the connector and writes what became of them. Decisions are in docs/adr, the
// rows in ADR 1.
package hub
