package kmskeys

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

const testARN = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"

type counted struct{ calls *atomic.Int64 }

func (c counted) Do(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return http.DefaultClient.Do(r)
}

// answering is a server that answers every call as KMS would, in its JSON 1.1
// protocol. It stands for states that moto does not keep: there a disabled key
// goes on encrypting.
func answering(t *testing.T, status int, body string) (endpoint string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if !strings.HasPrefix(r.Header.Get("X-Amz-Target"), "TrentService.") || r.Header.Get("Authorization") == "" {
			t.Errorf("not a signed call of KMS: %v", r.Header)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL, calls
}

func TestWhatKMSAnswers(t *testing.T) {
	blob, err := open("http://127.0.0.1:0", testARN).blob("x", new(testARN), []byte("ciphertext"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		status int
		name   string
		code   model.Code
		mend   string
	}{
		{400, "DisabledException", model.Denied, "enable it"},
		{400, "KMSInvalidStateException", model.Denied, "cancel its deletion"},
		{400, "NotFoundException", model.Denied, "does not exist"},
		{400, "InvalidKeyUsageException", model.Denied, "symmetric"},
		{400, "AccessDeniedException", model.Denied, "allow kms:"},
		{400, "UnrecognizedClientException", model.Denied, "allow kms:"},
		{400, "InvalidCiphertextException", model.Corrupt, "does not open"},
		{400, "IncorrectKeyException", model.Corrupt, "does not open"},
		{400, "ThrottlingException", model.Throttled, ""},
		{400, "LimitExceededException", model.Throttled, ""},
		{500, "KMSInternalException", model.Unavailable, ""},
		{500, "KeyUnavailableException", model.Unavailable, ""},
		{503, "DependencyTimeoutException", model.Unavailable, ""},
		{400, "ExpiredTokenException", model.Unavailable, ""},
		{400, "ValidationException", model.Invalid, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			endpoint, calls := answering(t, tc.status, fmt.Sprintf(`{"__type":%q,"message":"no"}`, tc.name))
			k := open(endpoint, testARN)
			_, wrapErr := k.Wrap(t.Context(), acme, []byte("secret"))
			_, unwrapErr := k.Unwrap(t.Context(), acme, blob)
			_, _, generateErr := k.Generate(t.Context(), acme)
			_, describeErr := k.Describe(t.Context(), "acme")
			for what, err := range map[string]error{"wrap": wrapErr, "unwrap": unwrapErr, "generate": generateErr, "describe": describeErr} {
				if !model.Is(err, tc.code) {
					t.Errorf("%s: %v, want %s", what, err, tc.code)
					continue
				}
				if tc.mend != "" && (!strings.Contains(err.Error(), tc.mend) || !strings.Contains(err.Error(), testARN)) {
					t.Errorf("%s: %q names neither the key nor the mend %q", what, err, tc.mend)
				}
			}
			if n := calls.Load(); n != 4 {
				t.Errorf("%d calls for 4: a driver does not retry", n)
			}
		})
	}
}

func TestAnAbsentKMSIsUnavailable(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	if _, err := open(s.URL, testARN).Wrap(t.Context(), acme, []byte("secret")); !model.Is(err, model.Unavailable) {
		t.Errorf("nobody listens: %v, want unavailable", err)
	}
	endpoint, _ := answering(t, 502, "<html>bad gateway</html>")
	if _, err := open(endpoint, testARN).Wrap(t.Context(), acme, []byte("secret")); !model.Is(err, model.Unavailable) {
		t.Errorf("a proxy answers: %v, want unavailable", err)
	}
	endpoint, _ = answering(t, 200, `{"CiphertextBlob":"AAAA"}`)
	if _, err := open(endpoint, testARN).Wrap(t.Context(), acme, []byte("secret")); !model.Is(err, model.Internal) {
		t.Errorf("an answer without the key: %v, want internal", err)
	}
}

func TestDescribeTellsTheState(t *testing.T) {
	for state, want := range map[string]driver.State{
		"Enabled": driver.Enabled, "Disabled": driver.Disabled, "PendingDeletion": driver.Deleting,
		"PendingReplicaDeletion": driver.Deleting, "PendingImport": driver.Disabled, "Unavailable": driver.Disabled,
	} {
		endpoint, _ := answering(t, 200, fmt.Sprintf(`{"KeyMetadata":{"Arn":%q,"KeyId":"1","KeyState":%q}}`, testARN, state))
		d, err := open(endpoint, "alias/x").Describe(t.Context(), "acme")
		if err != nil || d.State != want || d.KeyID != testARN || d.Provider != "kms" {
			t.Errorf("%s: %+v, %v; want %s", state, d, err, want)
		}
	}
}
