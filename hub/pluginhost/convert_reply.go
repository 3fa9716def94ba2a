package pluginhost

import (
	"net/http"
	"net/textproto"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	connectorv1 "github.com/channelhub/channelhub/sdk/proto/channelhub/connector/v1"
)

// replyHeaders lists what a connector may say in a reply's header. Left out
// are names that steer the connection, set cookies on the hub's own domain,
// loosen a browser's rules for it, or make a proxy in front serve its files.
var replyHeaders = map[string]bool{
	"Content-Type": true, "Content-Language": true, "Cache-Control": true,
	"Retry-After": true, "Www-Authenticate": true,
}

// replyIn converts a reply; false means that it cannot be sent.
func replyIn(r *connectorv1.HTTPReply) (HTTPReply, bool) {
	status := int(r.GetStatus())
	if status == 0 {
		status = http.StatusOK
	}
	// A status below 200 is no answer, and the server refuses to send others.
	if status < 200 || status > 599 || len(r.GetBody()) > maxReplyBody {
		return HTTPReply{}, false
	}
	out := HTTPReply{Status: status, Body: r.GetBody()}
	for _, h := range r.GetHeaders() {
		name := textproto.CanonicalMIMEHeaderKey(h.GetName())
		if !replyHeaders[name] || len(out.Headers) == maxReplyHeaders {
			continue
		}
		var values []string
		for _, v := range h.GetValues() {
			if len(values) < maxReplyHeaders && len(v) <= maxHeaderValue && headerValue(v) {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			out.Headers = append(out.Headers, Header{Name: name, Values: values})
		}
	}
	return out, true
}

// headerValue reports whether a value cannot end its line.
func headerValue(v string) bool {
	for _, c := range []byte(v) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// httpResultIn converts the answer to one request. own says which accounts are
// the connector's. On an account-level route nothing but that account counts;
// on an app-level one, the accounts that the connector declared verified.
func httpResultIn(req *HTTPRequest, r *connectorv1.HTTPResult, own func(model.AccountID) bool, refused refusals) HTTPResult {
	var out HTTPResult
	verified := make(map[model.AccountID]bool)
	for _, id := range r.GetVerifiedAccountIds() {
		account := model.AccountID(id)
		if verified[account] || !own(account) || (req.AccountID != "" && account != req.AccountID) {
			continue
		}
		verified[account] = true
		out.Verified = append(out.Verified, account)
	}
	out.Items = itemsIn(r.GetItems(), func(a model.AccountID) bool { return verified[a] }, refused)
	reply, ok := replyIn(r.GetReply())
	if !ok {
		// What the request told is kept. The provider repeats it, which is
		// harmless, until the connector is mended.
		refused["reply"]++
		reply = HTTPReply{Status: http.StatusBadGateway}
	}
	out.Reply = reply
	return out
}

// socketResultIn converts the answer to one frame. Items for other accounts
// than the socket's are refused.
func socketResultIn(frame *SocketFrame, r *connectorv1.SocketResult, refused refusals) SocketResult {
	out := SocketResult{
		Items: itemsIn(r.GetItems(), func(a model.AccountID) bool { return a == frame.AccountID }, refused),
	}
	out.Fault = r.GetFault() != ""
	if r.HasRefusal() && !out.Fault {
		out.Refusal = &FrameRefusal{
			Code:    word(r.GetRefusal().GetCode(), "refused"),
			Detail:  printable(r.GetRefusal().GetDetail(), maxDetail),
			FrameID: cut(r.GetRefusal().GetFrameId(), maxCode),
		}
	}
	return out
}

// maxRetryAfter bounds how long a connector can put a message off in one go.
const maxRetryAfter = 24 * time.Hour

// outcomeIn converts the outcome of an attempt. Whatever is unclear about it
// is Unknown: an attempt that may have reached the provider is never reported
// as certainly not sent (I5).
func outcomeIn(o *connectorv1.Outcome) Outcome {
	switch o.WhichOutcome() {
	case connectorv1.Outcome_Sent_case:
		out := Outcome{Kind: Sent}
		for _, id := range o.GetSent().GetProviderIds() {
			// Sent is sent: an id that breaks a rule is left out.
			if id != "" && len(id) <= maxSentID && len(out.ProviderIDs) < maxSentIDs {
				out.ProviderIDs = append(out.ProviderIDs, id)
			}
		}
		return out
	case connectorv1.Outcome_Rejected_case:
		r := o.GetRejected()
		return Outcome{
			Kind: Rejected, Scope: scopeIn(r.GetScope()), Code: word(r.GetCode(), "rejected"),
			ProviderCode: printable(r.GetProviderCode(), maxCode), Detail: printable(r.GetDetail(), maxDetail),
		}
	case connectorv1.Outcome_Throttled_case:
		r := o.GetThrottled()
		return Outcome{
			Kind: Throttled, Scope: scopeIn(r.GetScope()),
			RetryAfter: retryAfterIn(r.GetRetryAfterMs()), Detail: printable(r.GetDetail(), maxDetail),
		}
	case connectorv1.Outcome_Retry_case:
		r := o.GetRetry()
		return Outcome{
			Kind: Retry, Code: word(r.GetCode(), "retry"),
			RetryAfter: retryAfterIn(r.GetRetryAfterMs()), Detail: printable(r.GetDetail(), maxDetail),
		}
	case connectorv1.Outcome_Unknown_case:
		r := o.GetUnknown()
		return Outcome{Kind: Unknown, Code: word(r.GetCode(), "unknown"), Detail: printable(r.GetDetail(), maxDetail)}
	default:
		return Outcome{Kind: Unknown, Code: "no_outcome", Detail: "the connector named no outcome"}
	}
}

func scopeIn(s connectorv1.Scope) Scope {
	switch s {
	case connectorv1.Scope_SCOPE_RECIPIENT:
		return ScopeRecipient
	case connectorv1.Scope_SCOPE_ACCOUNT:
		return ScopeAccount
	default:
		return ScopeMessage
	}
}

func retryAfterIn(ms int64) time.Duration {
	return time.Duration(min(max(ms, 0), maxRetryAfter.Milliseconds())) * time.Millisecond
}

func healthIn(r *connectorv1.CheckHealthResponse) AccountHealth {
	out := AccountHealth{State: HealthDegraded, Detail: printable(r.GetDetail(), maxDetail)}
	switch r.GetState() {
	case connectorv1.AccountState_ACCOUNT_STATE_OK:
		out.State = HealthOK
	case connectorv1.AccountState_ACCOUNT_STATE_BAD_CREDENTIALS:
		out.State = HealthBadCredentials
	case connectorv1.AccountState_ACCOUNT_STATE_BLOCKED:
		out.State = HealthBlocked
	case connectorv1.AccountState_ACCOUNT_STATE_UNREACHABLE:
		out.State = HealthUnreachable
	default:
		// Degraded, and a state of a newer contract: something is the matter,
		// and it is nothing the hub can name.
	}
	return out
}

// faultsIn converts what a connector says of an account's settings.
func faultsIn(faults []*connectorv1.SettingFault) []model.Fault {
	var out []model.Fault
	for _, f := range faults[:min(len(faults), maxFaults)] {
		out = append(out, model.Fault{
			Field:  strings.TrimSpace(printable(f.GetField(), maxHeaderValue)),
			Detail: printable(f.GetDetail(), maxDetail),
		})
	}
	return out
}
