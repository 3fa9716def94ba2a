// Package accounts is the registry of clients and their accounts, as
// configuration has them now, and the state each account is in.
//
// The registry is replaced as a whole: readers see either all of one revision
// or all of the next. States change one by one, by moves that a table allows.
package accounts
