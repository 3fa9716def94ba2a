package main

import (
	"fmt"
	"os"
	"strings"
)

// logLines writes log lines that no honest logger would: values of the wrong
// type, another's name, the hub's own fields, control characters, a line
// without an end in sight, and more of them than anybody can read.
func logLines() {
	for _, line := range []string{
		`{"@level":"info","@message":1}`,
		`{"@level":7,"@message":"level of the wrong type","@timestamp":{}}`,
		`{"@level":"off","@message":"no such level"}`,
		`{"@level":"error","@module":"hub.audit","@message":"forged audit","client_id":"acme","token":"secret-token","account_id":"acme-wa","actor":"root"}`,
		`{"@level":"info","@message":"two\nlines \u001b[2Jcleared \u202egnippals"}`,
		`{"@level":"info","@message":"nested","status":{"deep":[1,2]},"code":"ok","count":3,"state":true}`,
		`{"@level":"info","@message":["not","text"]}`,
		`[INFO] hub.audit: plain text`,
		`{"@level":"info","@message":"` + strings.Repeat("long ", 40<<10) + `"}`,
		`{`, `null`, `{"@message":null}`, "\xff\xfe\x00",
	} {
		_, _ = os.Stderr.WriteString(line + "\n")
	}
	var b strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&b, `{"@level":"info","@message":"flood","count":%d}`+"\n", i)
	}
	_, _ = os.Stderr.WriteString(b.String())
}
