// Package pluginhost finds, verifies, starts, supervises, attaches and drains
// connectors, and is the only user of the wire contract in the hub.
//
// A Host has a supervisor for each plugin. A supervisor keeps one process
// running: it makes another after a crash, later each time and at last not at
// all, and swaps one for another without a gap. A process is one run of one
// program:
//
//	verify     the file is the one the operator meant, and only its owner writes it
//	runner     the operating-system process: environment, pipes, group, end
//	handshake  the one line it prints, judged before the library sees it
//	dial       the way to it: its own socket, its own group, bounded messages
//	hostserver the way back: a socket and keys made for this start
//	health     whether it still answers
//	stderr     its log lines, as far as they are believed
//
// Calls go through Host: ReceiveHTTP, ReceiveSocket (both put together by the
// batcher), Send, SendSignal, RenderSocket, FetchAttachment, CheckHealth. What
// comes back is converted and judged field by field in convert_*.go; no other
// room sees what a connector said before that.
//
// The package assumes that a connector is hostile. The library it is built on
// does not: each guard that this needs has a test against a program that does
// the worst, internal/evil. What remains open until processes are contained: a
// connector runs as the hub's own user, and the file at its path can change
// between its check and its start.
package pluginhost
