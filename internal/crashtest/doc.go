// Package crashtest kills the real hub, with real connectors, at every place
// that a failpoint marks, starts it again and looks at what callers were told:
// the invariants I1 to I5. It holds tests alone.
package crashtest
