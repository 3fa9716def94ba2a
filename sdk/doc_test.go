package sdk_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The tutorial's code is the example's, which the compiler reads.
func TestTutorialIsTheExample(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	compiled := strings.Split(string(example), "\n")
	found := 0
	for line := range strings.SplitSeq(string(doc), "\n") {
		code, ok := strings.CutPrefix(line, "//\t")
		if code == "package main" {
			break // the program around it has other imports than an example
		}
		if !ok || code == "" {
			continue
		}
		found++
		if !slices.Contains(compiled, code) {
			t.Errorf("doc.go shows a line that example_test.go does not have: %s", code)
		}
	}
	if found < 40 {
		t.Errorf("doc.go shows %d lines of code: the test looks in the wrong place", found)
	}
}
