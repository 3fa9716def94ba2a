package spec

import (
	"slices"

	"github.com/channelhub/channelhub/hub/api/web"
	"github.com/channelhub/channelhub/hub/model"
)

const v1About = `What a client application uses: it reads events, sends messages, and looks up what is still kept of its conversations.

Every call carries ` + "`Authorization: Bearer`" + ` and a token of role ` + "`client`" + `. A token belongs to one client; what is another's is answered exactly like what does not exist.

Times are RFC 3339 in UTC with milliseconds. Lists take ` + "`limit`" + ` and ` + "`cursor`" + ` and answer ` + "`data`" + ` and ` + "`next_cursor`" + `, which is empty at the end. ` + "`X-Request-Id`" + ` is echoed, or made; it finds a call in the hub's log. Fields may be added at any time: pass over what you do not know.`

// V1 describes the API of client applications.
func V1(version string) API {
	return API{
		Title: "Channelhub client API", Version: version, Base: "/v1", Description: v1About,
		Operations: slices.Concat(v1Events(), v1Messages(), v1Attachments(), v1Conversations(), v1Rest()),
	}
}

func v1Events() []Operation {
	const tag = "Events"
	return []Operation{
		{
			ID: "listEvents", Method: "GET", Path: "/v1/events", Tag: tag, Summary: "Read what happened.",
			Description: "Events come in order within a conversation, each at least once and always with the same id. Reading on with a cursor acknowledges what lies before it for this token's consumer; without a cursor reading starts behind the last acknowledgement, at first at the oldest event that is kept.\n\nWith `Accept: text/event-stream` the events are streamed: `id` is the cursor behind the event, `event` its type, `data` the event. `Last-Event-ID` resumes and acknowledges nothing; use `POST /v1/events/ack` beside a stream. A cursor or `Last-Event-ID` that is refused is answered with a problem, as for a page, and no stream begins; a 410 names the cursor to read on with as `oldest`. A comment line comes at least every 20 seconds.",
			Params: []Param{
				{In: Query, Name: "cursor", Description: "The `next_cursor` of the answer before. What lies before it is acknowledged."},
				Limit("At most this many events: 1 to 500, 100 without it."),
				{In: Query, Name: "wait", Description: "How long to wait when there is none, such as `30s`; at most `60s`."},
				{In: Header, Name: "Last-Event-ID", Description: "For a stream: the `id` of the last event that arrived."},
			},
			Answers: []Answer{
				OK("Events; none when nothing happened. `next_cursor` is never empty.", web.List[model.Event]{}),
				{Status: 200, Media: "text/event-stream", Description: "A stream of events."},
				Problem(410, "What lay behind the cursor is past its retention. `oldest` is the cursor to read on with."),
				Problem(422, "The cursor is not one that this feed gave out, or lies ahead of it, as behind a restored backup. Start without a cursor."),
				Problem(429, "The token already has 16 readers waiting."),
			},
		},
		{
			ID: "acknowledgeEvents", Method: "POST", Path: "/v1/events/ack", Tag: tag, Summary: "Acknowledge events without reading on.",
			Description: "Acknowledgements never move back.",
			Body:        &Body{Type: Acknowledge{}},
			Answers:     []Answer{NoContent("It is durable."), Problem(422, "The cursor is not one that this feed gave out.")},
		},
	}
}

func v1Messages() []Operation {
	const tag = "Messages"
	id := ID("id", "The message's id.")
	return []Operation{
		{
			ID: "sendMessage", Method: "POST", Path: "/v1/messages", Tag: tag, Summary: "Send a message to a customer.",
			Description: "202 means that the message is durable and in its conversation's order. What becomes of it comes as `message.status` events.",
			Params: []Param{
				{In: Header, Name: "Idempotency-Key", Description: "Makes a repeat harmless for 24 hours: the same key and body get the first answer again, with `Idempotent-Replayed: true`. At most 255 bytes."},
				{In: Query, Name: "dry_run", Type: false, Description: "Judge the message and send nothing."},
			},
			Body: &Body{Type: SendMessage{}},
			Answers: []Answer{
				{
					Status: 202, Description: "The message will be sent.", Type: AcceptedMessage{},
					Headers: []HeaderDoc{{"Idempotent-Replayed", "`true` when this is the answer of an earlier call."}},
				},
				OK("The verdict of a dry run.", Verdict{}),
				Problem(404, "There is no such account. With other faults beside it that is a 422."),
				Problem(409, "A call with this idempotency key is still running, or another message has taken an attachment."),
				Problem(422, "The channel cannot send this, there is no such contact, or the key was used with another body."),
			},
		},
		{
			ID: "getMessage", Method: "GET", Path: "/v1/messages/{id}", Tag: tag, Summary: "Look up a message.",
			Params:  []Param{id},
			Answers: []Answer{OK("The message, with its attempts and timeline when it is outbound.", MessageView{}), Problem(404, "There is no such message.")},
		},
		{
			ID: "resolveMessage", Method: "POST", Path: "/v1/messages/{id}/resolve", Tag: tag, Summary: "Settle a held delivery.",
			Description: "A delivery is held when nobody knows whether the provider took it. Settling it again in the same way is harmless.",
			Params:      []Param{id}, Body: &Body{Type: Resolve{}},
			Answers: []Answer{OK("The message.", MessageView{}), Problem(404, "There is no such message."), Problem(409, "The message is not held.")},
		},
	}
}

func v1Attachments() []Operation {
	const tag = "Attachments"
	return []Operation{
		{
			ID: "uploadAttachment", Method: "POST", Path: "/v1/attachments", Tag: tag, Summary: "Upload a file.",
			Description: "The body is the file, or a form (`multipart/form-data`) with one. It is yours until a message takes it: name its id in `attachments` of `POST /v1/messages`. What it is, its bytes say; pages, vector images, scripts and programs are refused. JPEG, PNG and GIF images are made anew unless the operator lets them pass. Where files are scanned it may come back `pending`.",
			Params:      []Param{{In: Query, Name: "name", Description: "The file's name. It is made safe, and ends in an extension of its type."}},
			Body:        &Body{Media: "*/*"},
			Answers: []Answer{
				{Status: 201, Description: "The file is durable.", Type: model.Attachment{}},
				Problem(413, "The file is larger than any of your accounts takes."),
				Problem(422, "Files of this type are not taken; the fault's field says why: empty, type, image."),
			},
		},
		{
			ID: "getAttachment", Method: "GET", Path: "/v1/attachments/{id}", Tag: tag, Summary: "Look up a file, and get a fresh link to it.",
			Description: "`url` serves whoever has it for 60 minutes at most and never longer than the file, which ends at `expires_at`.",
			Params:      []Param{ID("id", "The attachment's id.")},
			Answers:     []Answer{OK("The file.", model.Attachment{}), Problem(404, "There is no such file, or it has ended.")},
		},
	}
}

func v1Conversations() []Operation {
	const tag = "Conversations"
	id := ID("id", "The conversation's id.")
	missing := Problem(404, "There is no such conversation.")
	unanswered := Problem(409, "The customer has not written yet.")
	return []Operation{
		{
			ID: "listConversations", Method: "GET", Path: "/v1/conversations", Tag: tag, Summary: "List conversations, the latest activity first.",
			Params:  []Param{Limit("1 to 200, 50 without it."), Cursor()},
			Answers: []Answer{OK("Conversations of which something is still kept.", web.List[Conversation]{})},
		},
		{
			ID: "getConversation", Method: "GET", Path: "/v1/conversations/{id}", Tag: tag, Summary: "Look up a conversation.",
			Params: []Param{id}, Answers: []Answer{OK("The conversation.", Conversation{}), missing},
		},
		{
			ID: "listMessages", Method: "GET", Path: "/v1/conversations/{id}/messages", Tag: tag, Summary: "List the messages of a conversation, the newest first.",
			Params:  []Param{id, Limit("1 to 200, 50 without it."), Cursor()},
			Answers: []Answer{OK("Messages that are within retention.", web.List[model.Message]{}), missing},
		},
		{
			ID: "getSessionContext", Method: "GET", Path: "/v1/conversations/{id}/context", Tag: tag, Summary: "What is known of the customer's browser during a session.",
			Description: "Web chat only. It is in no event, and is gone from the instant at which the session ends.",
			Params:      []Param{id}, Answers: []Answer{OK("The context.", SessionContext{}), Problem(404, "There is no such conversation, its session has ended, or nothing is known.")},
		},
		{
			ID: "signalTyping", Method: "POST", Path: "/v1/conversations/{id}/typing", Tag: tag, Summary: "Tell the customer that somebody is typing.",
			Description: "At most one in 3 seconds is passed on; the others are taken and dropped.",
			Params:      []Param{id}, Answers: []Answer{NoContent("Taken; it may still not arrive."), missing},
		},
		{
			ID: "signalRead", Method: "POST", Path: "/v1/conversations/{id}/read", Tag: tag, Summary: "Note how far your side has read.",
			Params: []Param{id}, Body: &Body{Type: ReadUpTo{}},
			Answers: []Answer{NoContent("Noted."), missing, unanswered, Problem(422, "The message is not one of this conversation.")},
		},
		{
			ID: "endSession", Method: "POST", Path: "/v1/conversations/{id}/end", Tag: tag, Summary: "End the session.",
			Description: "The customer's next message opens another one; a message of yours does not.",
			Params:      []Param{id}, Answers: []Answer{NoContent("The session has ended."), missing, unanswered},
		},
	}
}

func v1Rest() []Operation {
	const accounts, documents = "Accounts", "This document"
	return []Operation{
		{
			ID: "listAccounts", Method: "GET", Path: "/v1/accounts", Tag: accounts, Summary: "List your accounts.",
			Params:  []Param{Limit("1 to 500, 100 without it."), Cursor()},
			Answers: []Answer{OK("Accounts, by id.", web.List[Account]{})},
		},
		{
			ID: "getAccount", Method: "GET", Path: "/v1/accounts/{id}", Tag: accounts, Summary: "Look up an account.",
			Params:  []Param{ID("id", "The account's id.")},
			Answers: []Answer{OK("The account.", Account{}), Problem(404, "There is no such account.")},
		},
		{
			ID: "getOpenAPI", Method: "GET", Path: "/v1/openapi.yaml", Tag: documents, Summary: "The OpenAPI document; also as `/v1/openapi.json`.", Open: true,
			Answers: []Answer{{Status: 200, Media: "application/yaml", Description: "OpenAPI 3.1."}},
		},
		{
			ID: "getDocs", Method: "GET", Path: "/v1/docs", Tag: documents, Summary: "The reference for people.", Open: true,
			Answers: []Answer{{Status: 200, Media: "text/html", Description: "One page, made from the document."}},
		},
	}
}
