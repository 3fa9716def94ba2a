// Package drivertest is the conformance suite of the keys port. A driver
// passes all of it, or it is not a driver.
package drivertest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// Open returns a driver on the root keys of this test: a second call in one
// test finds the root keys of the first, as a restarted hub would.
type Open func(t *testing.T) driver.Driver

// Run runs the suite. newOpen is called once for each test and prepares root
// keys of its own, none of them known to another test.
func Run(t *testing.T, newOpen func(t *testing.T) Open) {
	tests := []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"RoundTrip", testRoundTrip},
		{"Limits", testLimits},
		{"EachWrapDiffers", testEachWrapDiffers},
		{"OpensOnlyInItsContext", testContext},
		{"DamageIsCorrupt", testDamage},
		{"Generate", testGenerate},
		{"Describe", testDescribe},
		{"OutlivesTheProcess", testReopen},
		{"ForeignRootKey", func(t *testing.T, open Open) { testForeign(t, open, newOpen(t)) }},
		{"KeepsNoInput", testKeepsNoInput},
		{"EndedContext", testEndedContext},
		{"Concurrent", testConcurrent},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, newOpen(t)) })
	}
}

var acme = keys.Context{Client: "acme", Purpose: "keyset/seal"}

func port(t *testing.T, open Open) *keys.Keys {
	t.Helper()
	k := keys.New(open(t))
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return k
}

func wrap(t *testing.T, k *keys.Keys, kc keys.Context, plaintext []byte) []byte {
	t.Helper()
	wrapped, err := k.Wrap(t.Context(), kc, plaintext)
	if err != nil {
		t.Fatalf("wrap %d bytes: %v", len(plaintext), err)
	}
	return wrapped
}

func wantCode(t *testing.T, what string, err error, code model.Code) {
	t.Helper()
	if !model.Is(err, code) {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func testRoundTrip(t *testing.T, open Open) {
	k := port(t, open)
	for _, kc := range []keys.Context{acme, {Purpose: "keyset/seal"}, {Client: "a", Purpose: "x"}} {
		for _, n := range []int{1, 31, 32, 1000, keys.MaxPlaintext} {
			plaintext := bytes.Repeat([]byte{0xA5}, n)
			wrapped := wrap(t, k, kc, plaintext)
			if len(wrapped) > driver.MaxWrapped {
				t.Errorf("%d bytes became %d, over the limit %d", n, len(wrapped), driver.MaxWrapped)
			}
			if n >= 8 && bytes.Contains(wrapped, plaintext) {
				t.Errorf("the plaintext of %d bytes can be read in the blob", n)
			}
			got, err := k.Unwrap(t.Context(), kc, wrapped)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("unwrap %d bytes: got %d bytes, error %v", n, len(got), err)
			}
		}
	}
}

func testLimits(t *testing.T, open Open) {
	k, ctx := port(t, open), t.Context()
	_, err := k.Wrap(ctx, acme, nil)
	wantCode(t, "wrap nothing", err, model.Invalid)
	_, err = k.Wrap(ctx, acme, make([]byte, keys.MaxPlaintext+1))
	wantCode(t, "wrap too much", err, model.Invalid)
	_, err = k.Unwrap(ctx, acme, nil)
	wantCode(t, "unwrap nothing", err, model.Corrupt)
	_, err = k.Unwrap(ctx, acme, make([]byte, driver.MaxWrapped+1))
	wantCode(t, "unwrap too much", err, model.Corrupt)
	for _, kc := range []keys.Context{
		{Client: "acme"},
		{Client: "Acme", Purpose: "x"},
		{Client: "acme", Purpose: "two words"},
		{Client: "acme", Purpose: string(make([]byte, 65))},
	} {
		_, err = k.Wrap(ctx, kc, []byte("x"))
		wantCode(t, "wrap in a malformed context", err, model.Invalid)
		_, err = k.Generate(ctx, kc)
		wantCode(t, "generate in a malformed context", err, model.Invalid)
		_, err = k.Unwrap(ctx, kc, []byte("x"))
		wantCode(t, "unwrap in a malformed context", err, model.Invalid)
	}
	_, err = k.Describe(ctx, "Acme")
	wantCode(t, "describe a malformed client", err, model.Invalid)
}

func testEachWrapDiffers(t *testing.T, open Open) {
	k := port(t, open)
	if a, b := wrap(t, k, acme, []byte("same")), wrap(t, k, acme, []byte("same")); bytes.Equal(a, b) {
		t.Error("one plaintext was sealed to one blob twice: who sees both learns that they are equal")
	}
}

func testContext(t *testing.T, open Open) {
	k := port(t, open)
	// Pairs whose parts read the same when they are merely joined are here.
	contexts := []keys.Context{
		{Client: "a", Purpose: "bc"},
		{Client: "ab", Purpose: "c"},
		{Client: "a", Purpose: "b"},
		{Client: "b", Purpose: "bc"},
		{Client: "", Purpose: "bc"},
		{Client: "", Purpose: "abc"},
		{Client: "a", Purpose: "bc/"},
	}
	for i, kc := range contexts {
		wrapped := wrap(t, k, kc, []byte("secret"))
		for j, other := range contexts {
			_, err := k.Unwrap(t.Context(), other, wrapped)
			if i == j && err != nil {
				t.Errorf("%+v: own context: %v", kc, err)
			}
			if i != j {
				wantCode(t, "another context", err, model.Corrupt)
			}
		}
	}
}

func testDamage(t *testing.T, open Open) {
	k := port(t, open)
	wrapped := wrap(t, k, acme, []byte("secret"))
	for i := range wrapped {
		bad := slices.Clone(wrapped)
		bad[i] ^= 1
		_, err := k.Unwrap(t.Context(), acme, bad)
		wantCode(t, "one bit changed", err, model.Corrupt)
	}
	for n := range wrapped {
		_, err := k.Unwrap(t.Context(), acme, wrapped[:n])
		wantCode(t, "cut short", err, model.Corrupt)
	}
	_, err := k.Unwrap(t.Context(), acme, append(slices.Clone(wrapped), 0))
	wantCode(t, "one byte more", err, model.Corrupt)
	_, err = k.Unwrap(t.Context(), acme, []byte("never wrapped by anybody"))
	wantCode(t, "foreign bytes", err, model.Corrupt)
}

func testGenerate(t *testing.T, open Open) {
	k, ctx := port(t, open), t.Context()
	a, err := k.Generate(ctx, acme)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	b, err := k.Generate(ctx, acme)
	if err != nil {
		t.Fatalf("generate: %v", err)
	}
	if len(a.Plaintext) != keys.DataKeyBytes || bytes.Equal(a.Plaintext, b.Plaintext) {
		t.Errorf("got keys of %d and %d bytes, equal: %t", len(a.Plaintext), len(b.Plaintext), bytes.Equal(a.Plaintext, b.Plaintext))
	}
	got, err := k.Unwrap(ctx, acme, a.Wrapped)
	if err != nil || !bytes.Equal(got, a.Plaintext) {
		t.Errorf("the wrapped key does not open to the plain one: %v", err)
	}
	_, err = k.Unwrap(ctx, keys.Context{Client: "other", Purpose: acme.Purpose}, a.Wrapped)
	wantCode(t, "another client", err, model.Corrupt)
}

func testDescribe(t *testing.T, open Open) {
	k := port(t, open)
	for _, client := range []model.ClientID{"", "acme"} {
		d, err := k.Describe(t.Context(), client)
		if err != nil || d.KeyID == "" || d.Provider == "" || d.State != driver.Enabled {
			t.Errorf("describe %q: got %+v, %v; want an enabled key with id and provider", client, d, err)
		}
	}
}

func testReopen(t *testing.T, open Open) {
	first := port(t, open)
	wrapped := wrap(t, first, acme, []byte("secret"))
	was, err := first.Describe(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	second := port(t, open)
	got, err := second.Unwrap(t.Context(), acme, wrapped)
	if err != nil || string(got) != "secret" {
		t.Errorf("unwrap after a restart: %v", err)
	}
	if is, err := second.Describe(t.Context(), "acme"); err != nil || is != was {
		t.Errorf("root key after a restart: got %+v, %v; want %+v", is, err, was)
	}
}

func testForeign(t *testing.T, open, other Open) {
	wrapped := wrap(t, port(t, open), acme, []byte("secret"))
	_, err := port(t, other).Unwrap(t.Context(), acme, wrapped)
	wantCode(t, "a blob of other root keys", err, model.Corrupt)
}

func testKeepsNoInput(t *testing.T, open Open) {
	k, ctx := port(t, open), t.Context()
	plaintext := []byte("secret")
	wrapped := wrap(t, k, acme, plaintext)
	if string(plaintext) != "secret" {
		t.Error("wrap changed its input")
	}
	clear(plaintext)
	kept := slices.Clone(wrapped)
	got, err := k.Unwrap(ctx, acme, wrapped)
	if err != nil || string(got) != "secret" {
		t.Errorf("after the caller cleared its copy: got %q, %v", got, err)
	}
	if !bytes.Equal(wrapped, kept) {
		t.Error("unwrap changed its input")
	}
	clear(got)
	if again, err := k.Unwrap(ctx, acme, wrapped); err != nil || string(again) != "secret" {
		t.Errorf("after the caller cleared a result: got %q, %v", again, err)
	}
}

func testEndedContext(t *testing.T, open Open) {
	k := port(t, open)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := k.Wrap(ctx, acme, []byte("secret"))
	wantCode(t, "wrap", err, model.Unavailable)
	_, err = k.Generate(ctx, acme)
	wantCode(t, "generate", err, model.Unavailable)
}

func testConcurrent(t *testing.T, open Open) {
	k := port(t, open)
	shared := wrap(t, k, acme, []byte("shared"))
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			key, err := k.Generate(t.Context(), acme)
			if err != nil {
				t.Errorf("generate: %v", err)
				return
			}
			for blob, want := range map[string]string{string(key.Wrapped): string(key.Plaintext), string(shared): "shared"} {
				if got, err := k.Unwrap(t.Context(), acme, []byte(blob)); err != nil || string(got) != want {
					t.Errorf("unwrap: %v", err)
				}
			}
		})
	}
	wg.Wait()
}
