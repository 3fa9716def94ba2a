package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// objectRequests are what S3 bills for one attachment, by what is done with it
// and by method, as the server counts them. They are counted by a test, which
// brings the servers that a hub on AWS needs.
type objectRequests struct {
	By map[string]map[string]float64 `json:"by,omitempty"`
	// Missing is why they were not counted; empty when they were.
	Missing string `json:"not_measured,omitempty"`
}

const (
	objectsTest     = "TestS3RequestsOfAnAttachment"
	objectsPackage  = "github.com/channelhub/channelhub/internal/awstest"
	objectsVariable = "HUB_TEST_S3_REQUESTS"
)

// countObjects runs that test. What it lacks is said, and fails no benchmark.
func countObjects(ctx context.Context, s settings, talk io.Writer) (o objectRequests) {
	if !s.aws {
		o.Missing = "run with -aws"
		return o
	}
	file := filepath.Join(s.work, "s3-requests.json")
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-run", "^"+objectsTest+"$", objectsPackage)
	cmd.Env = append(os.Environ(), objectsVariable+"="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		_, _ = fmt.Fprintf(talk, "%s\n", out)
		o.Missing = fmt.Sprintf("the servers of make test are needed: go test -run %s %s fails", objectsTest, objectsPackage)
		return o
	}
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &o.By)
	}
	if err != nil {
		o.Missing = err.Error()
	}
	return o
}

func (o objectRequests) String() string {
	if o.Missing != "" {
		return "not measured: " + o.Missing
	}
	var acts []string
	for _, act := range []string{"stored", "handed_out", "removed"} {
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(o.By[act])) {
			kinds = append(kinds, fmt.Sprintf("%.2f %s", o.By[act][kind], kind))
		}
		acts = append(acts, strings.ReplaceAll(act, "_", " ")+" "+strings.Join(kinds, " and "))
	}
	return strings.Join(acts, "; ")
}
