// Package docs keeps the documents honest: a link in one of them leads
// somewhere.
package docs
