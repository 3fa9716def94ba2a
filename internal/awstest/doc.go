// Package awstest runs the whole hub over AWS-compatible servers: the story of
// its conversations, which is told over the embedded storage as well, and what
// becomes of them while a service refuses, throttles or hangs. There is no
// code in it but tests.
package awstest
