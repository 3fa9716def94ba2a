package hub_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

// staffTokens are configured beside hubtest's own.
const staffTokens = `
access:
  bootstrap_tokens:
    configurator: {role: configurator, token: configurator-configurator-configurator}
    auditor: {role: auditor, token: auditor-auditor-auditor-auditor-auditor}
    privacy: {role: privacy, token: privacy-privacy-privacy-privacy-privacy}
    key-admin: {role: key-admin, token: key-admin-key-admin-key-admin-key-admin}
`

// tokens are those of each role.
var tokens = map[string]string{
	"client": hubtest.Desk, "operator": hubtest.Operator,
	"configurator": "configurator-configurator-configurator", "auditor": "auditor-auditor-auditor-auditor-auditor",
	"privacy": "privacy-privacy-privacy-privacy-privacy", "key-admin": "key-admin-key-admin-key-admin-key-admin",
}

// wrongWays is what the documents do not say of an operation, and bad input
// needs. Every operation has its entry.
type wrongWays struct {
	// id is one that exists, and body one that can be read, so that nothing is
	// wrong but what the test makes wrong. Empty: none is needed.
	id, body string
	// bad has, for each parameter of the query, a value that is refused. Empty:
	// the parameter is a word to search for, and any will do.
	bad map[string]string
	// file: the body is any bytes.
	file bool
}

func params(pairs ...string) map[string]string {
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// wrong is every operation of both documents.
func wrong(conversation, message string) map[string]wrongWays {
	none := wrongWays{}
	page := wrongWays{bad: params("limit", "0", "cursor", "")} // ids are cursors
	of := func(more ...string) wrongWays {
		w := wrongWays{bad: params(more...)}
		maps.Copy(w.bad, page.bad)
		return w
	}
	return map[string]wrongWays{
		"v1 listEvents":        {bad: params("cursor", "none", "limit", "501", "wait", "1h")},
		"v1 acknowledgeEvents": {body: `{"cursor":"none"}`},
		"v1 sendMessage":       {body: `{"account_id":"acme-echo"}`, bad: params("dry_run", "perhaps")},
		"v1 getMessage":        none,
		"v1 resolveMessage":    {id: message, body: `{"as":"sent"}`},
		"v1 uploadAttachment":  {bad: params("name", ""), file: true},
		"v1 getAttachment":     none,
		"v1 listConversations": {bad: params("limit", "x", "cursor", "none")},
		"v1 getConversation":   none,
		"v1 listMessages":      {bad: params("limit", "-1", "cursor", "none")},
		"v1 getSessionContext": none,
		"v1 signalTyping":      {id: conversation},
		"v1 signalRead":        {id: conversation, body: `{"up_to":"` + message + `"}`},
		"v1 endSession":        {id: conversation},
		"v1 listAccounts":      page,
		"v1 getAccount":        none,
		"v1 getOpenAPI":        none,
		"v1 getDocs":           none,

		"admin listPlugins": page, "admin getPlugin": none, "admin enablePlugin": {id: "echo"}, "admin disablePlugin": {id: "echo"},
		"admin restartPlugin": {id: "echo"}, "admin releasePlugin": {id: "echo"},
		"admin listClients": page, "admin getClient": none,
		"admin listAccounts": of("client", ""), "admin getAccount": none, "admin pauseAccount": {id: "acme-echo"},
		"admin resumeAccount": {id: "acme-echo"}, "admin checkAccount": {id: "acme-echo"},
		"admin removeAccount": {bad: params("client", "")}, "admin removeClient": none, "admin listRemovals": page,
		"admin eraseContact": none, "admin listErasures": page, "admin getErasure": none,
		"admin listTokens": page, "admin getToken": none, "admin createToken": none, "admin revokeToken": none,
		"admin getConfig": none, "admin diffConfig": none, "admin reloadConfig": none,
		"admin listJournal":   {bad: params("limit", "0", "cursor", "none", "plugin", "")},
		"admin exportJournal": {bad: params("plugin", "")}, "admin replayJournal": none,
		"admin listDeadLetters":   {bad: params("limit", "501", "cursor", "none", "client", "", "account", "")},
		"admin getDeadLetter":     {bad: params("client", "")},
		"admin replayDeadLetter":  {bad: params("client", "")},
		"admin discardDeadLetter": {bad: params("client", "")},
		"admin listRetention":     of("client", ""), "admin runRetention": none,
		"admin getLedger":    of("client", ""),
		"admin traceMessage": {bad: params("client", "")},
		"admin listAudit":    {bad: params("limit", "x", "cursor", "none", "order", "up", "since", "yesterday", "until", "x", "actor", "", "action", "")},
		"admin verifyAudit":  none, "admin exportAudit": none,
		"admin getHealth": none, "admin getStats": none, "admin getOpenAPI": none, "admin getOpenAPIJSON": none,
	}
}

// operation is one of a document, as its reader sees it.
type operation struct {
	ID           string             `json:"operationId"`
	Description  string             `json:"description"`
	Security     *[]json.RawMessage `json:"security"`
	Parameters   []documentParam    `json:"parameters"`
	Body         *struct{}          `json:"requestBody"`
	method, path string
}

type documentParam struct{ Name, In string }

var roleLine = regexp.MustCompile(`Role: ([a-z -]+)\.$`)

// roles may call the operation; none: every role.
func (o operation) roles(api string) []string {
	if api == "v1" {
		return []string{"client"}
	}
	m := roleLine.FindStringSubmatch(o.Description)
	if m == nil {
		return nil
	}
	return strings.Split(m[1], " or ")
}

func (o operation) at(id string) string { return strings.ReplaceAll(o.path, "{id}", id) }

// TestBadInput walks the OpenAPI documents of a running hub and calls every
// operation in every wrong way. An operation that is new has to be entered
// above.
func TestBadInput(t *testing.T) {
	h := hubtest.New(t, &hubtest.Options{Config: staffTokens})
	h.Say("ada", "1", "hello")
	ev := h.Events(hubtest.Archive, "").Data[0]
	known := wrong(ev.ConversationID, ev.Message.ID)
	for api, base := range map[string]string{"v1": h.Public, "admin": h.Admin} {
		face := *h
		face.Public = base
		document := map[string]string{"v1": "/v1/openapi.json", "admin": "/admin/v1/openapi.json"}[api]
		for path, operations := range operationsOf(t, &face, document) {
			for _, o := range operations {
				name := api + " " + o.ID
				way, there := known[name]
				if !there {
					t.Errorf("%s %s (%q) has no entry in this test", o.method, path, name)
					continue
				}
				delete(known, name)
				t.Run(name, func(t *testing.T) {
					c := &caller{h: face.In(t), t: t, operation: o, way: way, may: o.roles(api)}
					c.everyWrongWay(operations)
				})
			}
		}
	}
	for name := range known {
		t.Errorf("%q is in no document", name)
	}
}

// operationsOf reads a document: its operations by path.
func operationsOf(t *testing.T, face *hubtest.Hub, document string) map[string][]operation {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	face.Get(hubtest.Operator, document, &doc)
	out := map[string][]operation{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			o.method, o.path = strings.ToUpper(method), path
			out[path] = append(out[path], o)
		}
	}
	if len(out) < 10 {
		t.Fatalf("%s describes %d paths", document, len(out))
	}
	return out
}
