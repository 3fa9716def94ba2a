package spec

import (
	"reflect"

	"github.com/channelhub/channelhub/hub/model"
)

// vocabulary lists the values of closed sets. Address kinds are none: a third
// party's channel brings its own.
var vocabulary = map[reflect.Type][]string{
	reflect.TypeFor[model.Direction]():       {"inbound", "outbound"},
	reflect.TypeFor[model.Author]():          {"customer", "csr", "bot", "system"},
	reflect.TypeFor[model.Status]():          texts(model.Statuses()),
	reflect.TypeFor[model.AttachmentKind]():  {"image", "video", "audio", "voice", "file", "sticker"},
	reflect.TypeFor[model.AttachmentState](): {"pending", "ready", "refused", "expired"},
}

func texts[T ~string](values []T) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

// typeDocs say what the components are.
var typeDocs = map[string]string{
	"Event":             "Something that happened. Which fields are there follows from `type`; types that you do not know are to be passed over.",
	"Contact":           "A customer, as the hub knows them.",
	"Address":           "One way to reach a contact.",
	"Message":           "What is said, in either direction.",
	"Content":           "What a message says. `type` decides which fields count.",
	"ContactCard":       "Somebody's particulars.",
	"MenuSection":       "A group of choices.",
	"MenuItem":          "One choice.",
	"Card":              "One card of a carousel.",
	"CardButton":        "A button of a card.",
	"TemplateParameter": "What fills a place of a template.",
	"Attachment":        "A file of a message.",
	"Reference":         "An earlier message: by `id` when the hub knows it, by `provider_id` otherwise.",
	"Failure":           "Why a message is failed, held, expired or discarded.",
	"Reaction":          "An emoji set on a message, or taken off it.",
	"AccountState":      "The state an account has come into.",
	"Fault":             "One thing wrong with a request.",
	"Problem":           "Why a call was refused (RFC 9457). Act on `type` or `status`; the texts may change.",
}

// fieldDocs say what the fields of types from other packages are.
var fieldDocs = map[string]string{
	"Event.count":           "With `events.expired`: how many events ended before any consumer had read them.",
	"Event.id":              "Stable: an event that is read again has the same id.",
	"Event.type":            "Such as `message.received`, `message.status`, `message.edited`, `message.deleted`, `message.reaction`, `postback.received`, `typing.started`, `contact.opted_out`, `contact.opted_in`, `conversation.ended`, `account.status`, `attachment.updated`, `unsupported.received`, `events.expired`.",
	"Event.client_id":       "The client it happened to: yours.",
	"Event.account_id":      "The account it happened on.",
	"Event.channel":         "Such as `webchat`, `sms`, `whatsapp`, `facebook`.",
	"Event.conversation_id": "The conversation: one contact on one account. Events of a conversation come in order.",
	"Event.session_id":      "The session: a stretch of the conversation. Absent in a message.status of before the present one.",
	"Event.occurred_at":     "When it happened, by the provider's clock.",
	"Event.received_at":     "When the hub took it in.",
	"Event.contact":         "The customer.",
	"Event.message":         "The message it is about. With `message.status` it has no content.",
	"Event.reaction":        "With `message.reaction`.",
	"Event.account":         "With `account.status`.",
	"Event.author":          "Who is typing, or who ended the conversation.",
	"Event.reason":          "With `conversation.ended`: `customer`, `csr` or `idle`.",

	"Contact.id":           "Stable for this person at this client.",
	"Contact.address":      "The address to answer to.",
	"Contact.address_kind": "What `address` is an address in: `phone`, `psid`, `wa_id`, `bsuid`, `visitor`, or a word of the channel's own.",
	"Contact.addresses":    "All addresses that are known.",
	"Contact.display_name": "The name that the channel gives.",

	"Address.kind":  "What it is an address in: `phone`, `psid`, `wa_id`, `bsuid`, `visitor`, or a word of the channel's own.",
	"Address.value": "The address itself; a phone number has digits only.",

	"Message.id":          "The hub's id of the message.",
	"Message.provider_id": "The provider's id of the message.",
	"Message.direction":   "Seen from the hub: inbound comes from the customer.",
	"Message.author":      "Who says it.",
	"Message.content":     "What is said.",
	"Message.attachments": "The files with it.",
	"Message.reply_to":    "The message that it answers.",
	"Message.context":     "What your application sent along; the hub does not look into it.",
	"Message.status":      "How far an outbound message has come: `queued`, `sending`, `sent`, `delivered`, `read`; beside them `failed`, `held`, `expired`, `discarded`.",
	"Message.failure":     "Why the message is where it is, when that is not forward.",
	"Message.created_at":  "When the hub made it durable.",
	"Message.expires_at":  "No attempt to send starts at or after this.",

	"Content.type":       "`text`, `media`, `location`, `contacts`, `menu`, `carousel`, `link_button`, `template`, `postback`, `form_reply` or `unsupported`.",
	"Content.text":       "The text; the caption of `media`.",
	"Content.kind":       "With `unsupported`: the provider's own name of the thing.",
	"Content.payload":    "With `postback`: what the button stands for.",
	"Content.title":      "With `postback` and `link_button`: what the button says.",
	"Content.url":        "With `link_button`: what the button opens.",
	"Content.latitude":   "With `location`, in degrees.",
	"Content.longitude":  "With `location`, in degrees.",
	"Content.name":       "Of the place, the template or the form.",
	"Content.address":    "With `location`.",
	"Content.contacts":   "With `contacts`.",
	"Content.button":     "With `menu`: what opens the sections; buttons without it.",
	"Content.sections":   "With `menu`.",
	"Content.cards":      "With `carousel`.",
	"Content.language":   "With `template`.",
	"Content.parameters": "With `template`.",
	"Content.values":     "With `form_reply`: whatever JSON the form gave.",

	"ContactCard.name":         "Whose card it is.",
	"ContactCard.phones":       "Phone numbers.",
	"ContactCard.emails":       "E-mail addresses.",
	"ContactCard.organization": "Where they work.",

	"MenuSection.title": "Above the choices.",
	"MenuSection.items": "The choices.",

	"MenuItem.payload":     "Comes back in `postback.received`.",
	"MenuItem.title":       "What the choice says.",
	"MenuItem.description": "Below the title.",

	"Card.title":         "The card's title.",
	"Card.subtitle":      "Below the title.",
	"Card.attachment_id": "The card's picture.",
	"Card.buttons":       "The card's buttons.",

	"CardButton.title":   "What the button says.",
	"CardButton.payload": "Comes back in `postback.received`. Give this or url.",
	"CardButton.url":     "What the button opens.",

	"TemplateParameter.component": "Such as `header`, `body`, `button`.",
	"TemplateParameter.name":      "The place it fills; by position without.",
	"TemplateParameter.text":      "What it is filled with.",

	"Attachment.id":         "The hub's id of the file.",
	"Attachment.name":       "The file's name.",
	"Attachment.kind":       "How a channel would show it.",
	"Attachment.mime_type":  "As the hub found it, not as it was claimed.",
	"Attachment.size":       "In bytes.",
	"Attachment.sha256":     "Of the bytes, in hex.",
	"Attachment.state":      "Whether the bytes can be had.",
	"Attachment.url":        "With `ready`: a link to the bytes, made for this answer. It lives for 60 minutes at most, or as short as the operator has set, and never longer than the file; ask again for a fresh one.",
	"Attachment.expires_at": "When the file ends.",

	"Reference.id":          "The hub's id of the message.",
	"Reference.provider_id": "The provider's id of the message.",

	"Failure.code":          "The hub's word for it, such as `outcome_unknown`, `retries_exhausted`, `expired`.",
	"Failure.provider_code": "The provider's own code.",
	"Failure.detail":        "For people.",

	"Reaction.emoji":       "The emoji.",
	"Reaction.removed":     "It was taken off.",
	"Reaction.message_id":  "The message, when the hub knows it.",
	"Reaction.provider_id": "The message, when it does not.",

	"AccountState.state":  "Such as `open`, `paused`, `plugin_away`, `bad_credentials`.",
	"AccountState.was":    "The state that was told before.",
	"AccountState.detail": "For people; while the account is in that state.",

	"Fault.field":   "The place in the request, such as `content.text`.",
	"Fault.pointer": "The same place as a JSON pointer into the body; absent when it is elsewhere, or the whole body.",
	"Fault.in":      "`query` or `header` when the place is not in the body.",
	"Fault.detail":  "What is wrong, and what would be right.",

	"Problem.type":       "`urn:channelhub:problem:` and a code; stable.",
	"Problem.title":      "The code in words.",
	"Problem.status":     "The HTTP status.",
	"Problem.detail":     "What happened this time.",
	"Problem.faults":     "Every fault of the request.",
	"Problem.request_id": "Finds the call in the hub's log.",
	"Problem.oldest":     "With a 410 for a cursor: the cursor to read on with, behind which the oldest event lies that is kept.",
}
