// Package store holds the typed repositories and logs of the hub. It is the
// only package that knows key layouts, and the only one that seals: rooms above
// it see domain types, the table below it sees ciphertext.
//
// Every row is a schema version and a header in clear, then a sealed body. A
// header holds the hub's own ids, times, counters and keyed pseudonyms, never
// an address, a name, a provider's id or a word of content. The full list of
// rows is ADR 1.
//
// Writers follow one rule: a step is a single-row conditional write, and the
// list of steps can be repeated from the start after a crash at any point and
// ends in the same rows. What each step needs to be repeatable (a version, a
// log tail seen) stands in the rows themselves.
package store
