// Package flow is the life of a message, a room for each direction:
//
//	inbound   what a connector told becomes a row and a pointer in the feed
//	outbound  what a client said becomes a delivery in a lane, and its attempts
//
// Both are written as ordered lists of single-row conditional writes that can
// be repeated from the start after a crash at any point. The invariants I1 to
// I5 are upheld here; the places are marked.
package flow
