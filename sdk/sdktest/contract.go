package sdktest

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// checkContract proves what holds for every connector, whatever its stories.
func checkContract(t *testing.T, suite *Suite, stories []*story, start func(*testing.T) *target) {
	fresh := func(t *testing.T) *bench { return newBench(t, suite, start(t)) }
	t.Run("describe", func(t *testing.T) { checkDescribe(t, fresh(t)) })
	t.Run("attach", func(t *testing.T) { checkAttach(t, fresh(t)) })
	t.Run("settings", func(t *testing.T) { checkSettings(t, fresh(t)) })
	t.Run("accounts", func(t *testing.T) { checkAccounts(t, fresh(t)) })
	t.Run("capabilities", func(t *testing.T) { checkCapabilities(t, fresh(t)) })
	if story := sendable(t, stories); story != nil {
		t.Run("replace", func(t *testing.T) { checkReplace(t, fresh(t), story) })
		t.Run("drain", func(t *testing.T) { checkDrain(t, fresh(t), story) })
	}
}

func code(err error) codes.Code { return status.Code(err) }

// checkDescribe: pure, and fit for the hub.
func checkDescribe(t *testing.T, b *bench) {
	again, err := b.Describe(limited(t), &connectorv1.DescribeRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if !equal(b.described, again) {
		t.Error("the second description differs from the first")
	}
	if b.described.GetVersion() == "" || b.described.GetSummary() == "" {
		t.Error("a connector has a version and a summary")
	}
	for name, schema := range map[string][]byte{"config": b.described.GetConfigSchema(), "secrets": b.described.GetSecretsSchema()} {
		var object struct {
			Type       string `json:"type"`
			Properties map[string]struct {
				Description string `json:"description"`
			} `json:"properties"`
		}
		if err := json.Unmarshal(schema, &object); err != nil || object.Type != "object" {
			t.Errorf("the %s schema is no JSON Schema of an object: %s", name, schema)
		}
		for setting, property := range object.Properties {
			if property.Description == "" {
				t.Errorf("%s setting %q has no doc tag", name, setting)
			}
		}
	}
	for _, route := range b.described.GetRoutes() {
		if route.GetMode() == connectorv1.RouteMode_ROUTE_MODE_REPLY && route.HasFallback() {
			t.Error("a route whose reply matters has a fallback")
		}
		if name := route.GetSignature().GetHmacSha256Body().GetSecret(); name != "" && !bytes.Contains(b.described.GetSecretsSchema(), []byte(`"`+name+`"`)) {
			t.Errorf("a route is signed with secret %q, which the settings do not have", name)
		}
	}
	for _, asset := range b.described.GetAssets() {
		if path := asset.GetPath(); path == "" || len(path) > 100 || strings.HasPrefix(path, "/") || strings.Contains(path, "..") {
			t.Errorf("asset path %q is not a plain relative path", path)
		}
	}
}

// checkAttach: nothing before it, and only once.
func checkAttach(t *testing.T, b *bench) {
	settings := b.settings(t, accountID, b.suite.Account, b.provider.url)
	_, err := b.OpenAccount(limited(t), connectorv1.OpenAccountRequest_builder{Settings: settings}.Build())
	if code(err) != codes.FailedPrecondition {
		t.Errorf("an account is opened before Attach: %v", err)
	}
	b.attach(t)
	if _, err := b.Attach(limited(t), b.hub.attach); code(err) != codes.FailedPrecondition {
		t.Errorf("a second Attach is answered %v", err)
	}
}

// checkSettings: the suite's account is right, and anything else in it wrong.
func checkSettings(t *testing.T, b *bench) {
	b.attach(t)
	judge := func(text string) []*connectorv1.SettingFault {
		resp, err := b.ValidateAccount(limited(t), connectorv1.ValidateAccountRequest_builder{
			Settings: b.settings(t, accountID, text, b.provider.url),
		}.Build())
		if err != nil {
			t.Fatalf("validate: %v", err)
		}
		return resp.GetFaults()
	}
	for _, fault := range judge(b.suite.Account) {
		t.Errorf("the suite's account is wrong: %s %s", fault.GetField(), fault.GetDetail())
	}
	for what, text := range map[string]string{
		"an unknown setting": `{"config": {"no_such_setting": 1}}`,
		"an unknown secret":  `{"secrets": {"no_such_secret": "a secret that must not be shown"}}`,
		"no object":          `{"config": []}`,
	} {
		faults := judge(text)
		if len(faults) == 0 {
			t.Errorf("%s is no fault", what)
		}
		for _, fault := range faults {
			if strings.Contains(fault.GetDetail(), "must not be shown") {
				t.Errorf("a fault quotes a secret: %s", fault.GetDetail())
			}
		}
		wrong := b.settings(t, accountID, text, b.provider.url)
		_, err := b.OpenAccount(limited(t), connectorv1.OpenAccountRequest_builder{Settings: wrong}.Build())
		if code(err) != codes.InvalidArgument {
			t.Errorf("an account with %s is opened: %v", what, err)
		}
	}
	b.checkLogs(t, &story{archive: &txtar.Archive{}})
}

// checkAccounts: opening and closing may be repeated.
func checkAccounts(t *testing.T, b *bench) {
	b.attach(t)
	settings := b.open(t, accountID, b.suite.Account, b.provider.url)
	request := connectorv1.OpenAccountRequest_builder{Settings: settings}.Build()
	first, err := b.OpenAccount(limited(t), request)
	if err != nil {
		t.Errorf("the same revision a second time: %v", err)
	}
	second := b.open(t, accountID, b.suite.Account, b.provider.url)
	again, err := b.OpenAccount(limited(t), request)
	if err != nil || !equal(first, again) {
		t.Errorf("an older revision behind a newer one: %v, %v", again, err)
	}
	b.close(t, second)
	b.close(t, second)
	b.close(t, settings)
	b.drain(t)
}

// checkCapabilities: what is not declared is refused, and what is declared
// knows its accounts.
func checkCapabilities(t *testing.T, b *bench) {
	b.attach(t)
	can, nobody := b.described.GetCapabilities(), ref("nobody")
	for name, c := range map[string]struct {
		declared bool
		call     func() error
	}{
		"ReceiveHTTP": {can.GetReceiveHttp(), func() error {
			_, err := b.ReceiveHTTP(limited(t), &connectorv1.ReceiveHTTPRequest{})
			return err
		}},
		"ReceiveSocket": {can.GetReceiveSocket(), func() error {
			_, err := b.ReceiveSocket(limited(t), &connectorv1.ReceiveSocketRequest{})
			return err
		}},
		"Send": {can.GetSend(), func() error {
			_, err := b.Send(limited(t), connectorv1.SendRequest_builder{Account: nobody}.Build())
			return err
		}},
		"SendSignal": {can.GetSendSignal(), func() error {
			_, err := b.SendSignal(limited(t), connectorv1.SendSignalRequest_builder{Account: nobody}.Build())
			return err
		}},
		"RenderSocket": {can.GetRenderSocket(), func() error {
			_, err := b.RenderSocket(limited(t), connectorv1.RenderSocketRequest_builder{Account: nobody}.Build())
			return err
		}},
		"CheckHealth": {can.GetCheckHealth(), func() error {
			_, err := b.CheckHealth(limited(t), connectorv1.CheckHealthRequest_builder{Account: nobody}.Build())
			return err
		}},
		"FetchAttachment": {can.GetFetchAttachment(), func() error {
			stream, err := b.FetchAttachment(limited(t), connectorv1.FetchAttachmentRequest_builder{Account: nobody}.Build())
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		}},
	} {
		want := codes.Unimplemented
		if c.declared {
			want = codes.NotFound
			if strings.HasPrefix(name, "Receive") { // answered item by item
				want = codes.OK
			}
		}
		if err := c.call(); code(err) != want {
			t.Errorf("%s (declared: %t) without an account: %v", name, c.declared, err)
		}
	}
}

// checkReplace: a call under way keeps the revision it began with, and that
// revision is closed behind it.
func checkReplace(t *testing.T, b *bench, s *story) {
	b.attach(t)
	b.open(t, accountID, s.account(b.suite), b.provider.url)
	steps := s.responses(t)
	held, came, release := holding(steps[len(steps)-1])
	defer release()
	b.provider.script(append(steps[:len(steps)-1], held)...)
	outcome := make(chan *connectorv1.Outcome, 1)
	go func() {
		resp, err := b.Send(limited(t), s.delivery(t))
		if err != nil {
			t.Errorf("send: %v", err)
		}
		outcome <- resp.GetOutcome()
	}()
	await(t, came, "the provider is not asked")
	newer := b.open(t, accountID, s.account(b.suite), b.provider.url)
	release()
	if got := <-outcome; !got.HasSent() {
		t.Errorf("a revision replaced during a send made it %s", jsonOf(t, got))
	}
	b.close(t, newer)
	b.drain(t)
}

// checkDrain: what is under way ends well, and nothing new begins.
func checkDrain(t *testing.T, b *bench, s *story) {
	b.attach(t)
	b.open(t, accountID, s.account(b.suite), b.provider.url)
	steps := s.responses(t)
	held, came, release := holding(steps[len(steps)-1])
	defer release()
	b.provider.script(append(steps[:len(steps)-1], held)...)
	outcome, drained := make(chan *connectorv1.Outcome, 1), make(chan error, 1)
	go func() {
		resp, err := b.Send(limited(t), s.delivery(t))
		if err != nil {
			t.Errorf("send: %v", err)
		}
		outcome <- resp.GetOutcome()
	}()
	await(t, came, "the provider is not asked")
	go func() {
		_, err := b.Drain(limited(t), connectorv1.DrainRequest_builder{Deadline: durationpb.New(patience)}.Build())
		drained <- err
	}()
	// Once the gate is closed, a call is refused before it looks for its
	// account.
	for ctx := limited(t); ; {
		_, err := b.Send(ctx, connectorv1.SendRequest_builder{Account: ref("nobody")}.Build())
		if code(err) == codes.Unavailable {
			break
		}
		if code(err) != codes.NotFound {
			t.Fatalf("a call while draining: %v", err)
		}
	}
	select {
	case err := <-drained:
		t.Errorf("drained while a send was under way: %v", err)
	default:
	}
	release()
	if got := <-outcome; !got.HasSent() {
		t.Errorf("draining made a send %s", jsonOf(t, got))
	}
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}

// checkProcess proves what only a process can break.
func checkProcess(t *testing.T, suite *Suite, binary string) {
	t.Run("ends by SIGTERM", func(t *testing.T) {
		b := newBench(t, suite, asProcess(t, binary))
		b.attach(t)
		b.open(t, accountID, suite.Account, b.provider.url)
		if err := b.process.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		b.alive(t)
		if err := b.process.terminate(); err != nil {
			t.Fatal(err)
		}
		b.process.awaitExit(t)
		if b.process.err != nil {
			t.Errorf("the process ended with %v", b.process.err)
		}
		if out := b.process.after.String(); out != "" {
			t.Errorf("the process wrote to standard output: %q", out)
		}
	})
	t.Run("ends with the hub", func(t *testing.T) {
		b := newBench(t, suite, asProcess(t, binary))
		b.attach(t)
		b.hub.server.Stop()
		b.process.awaitExit(t)
	})
}
