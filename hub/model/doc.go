// Package model holds the domain types that every room of the hub shares.
//
// Event is the root: its JSON is the common message format that client
// applications read, whatever channel it came from. Identifiers are distinct
// string types that carry their place, so that a read by id is one Get. Code
// and Error are the one error vocabulary, from a storage driver to the HTTP
// problem document.
//
// The package imports the standard library alone.
package model
