// Package chat is the mount /chat/{account}/ on the public listener: the socket
// over which browsers talk, and the files of the connector they load.
//
// The hub owns the socket, a connector owns what is said on it. This room
// checks origins, knows visitors by their tokens, bounds what a browser may
// do, and answers a frame only when what it told is durable (I1); it hands
// payload frames to the connector and shows conversations as the connector
// renders them. docs/webchat-protocol.md is the contract with browsers.
//
// A socket is served by four goroutines: one reads, one works on what was
// read in order, one follows the conversation, one writes. They share nothing
// but the socket's queues.
package chat
