package pluginhost

import "github.com/channelhub/channelhub/sdk/proto"

// Limits on what crosses the contract. Sizes are in bytes.
const (
	maxEvent       = 128 << 10
	maxItems       = 4096 // one request; the contract's 4 MiB holds no more of real ones
	maxBatch       = 16
	maxBatchBytes  = 1 << 20 // of requests put together; one alone may be larger
	maxRenderItems = 100

	maxDedupeKey   = 512
	maxProviderID  = 512
	maxAddresses   = 16
	maxAddress     = 256
	maxDisplayName = 256
	maxText        = 64 << 10
	maxPayload     = 4 << 10
	maxTitle       = 256
	maxEmoji       = 64
	maxKind        = 64
	maxReason      = 64
	maxCode        = 64
	maxDetail      = 512
	maxAttachments = 32
	maxFileName    = 255
	maxMimeType    = 127
	maxFetchRef    = 4 << 10
	maxContext     = 16 << 10
	maxFrame       = 64 << 10
	maxChunk       = 256 << 10

	maxReplyBody    = 1 << 20
	maxReplyHeaders = 16
	maxHeaderValue  = 1 << 10

	maxSentIDs           = 10
	maxSentID            = 256
	maxProviderAddresses = 64
	maxFaults            = 100

	maxStateKey    = 128
	maxStateValue  = 64 << 10
	maxStatePage   = 100
	maxSecretName  = 64
	maxSecretValue = 16 << 10

	maxMetrics = 1 << 20
	maxMessage = proto.MaxMessage
)
