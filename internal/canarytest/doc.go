// Package canarytest sends marked words through every public path of the real
// hub, with a real connector, and searches whatever the programs wrote for
// them: the data directory, their output and what they offer to operators. It
// holds tests alone.
package canarytest
