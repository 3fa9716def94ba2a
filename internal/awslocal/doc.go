// Package awslocal starts servers that stand in for AWS, on loopback, for
// tests. Each of them is real code that answers over HTTP; what it gets wrong,
// the tests of a driver know. A server that is missing fails the test.
package awslocal
