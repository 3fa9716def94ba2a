// Package browsertest runs the tests of plugins/webchat/web in Chromium against
// the real hub with its real web chat connector, and kills both while a visitor
// and a CSR talk. It holds tests alone.
package browsertest
