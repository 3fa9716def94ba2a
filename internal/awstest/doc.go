// Package awstest runs the whole hub over AWS-compatible servers: the story of
// a conversation, and what becomes of it while a service refuses, throttles or
// hangs. There is no code in it but tests.
package awstest
