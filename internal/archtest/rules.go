package archtest

import "slices"

// A rule forbids imports. It speaks about packages that match from and not
// except, and forbids them every import that matches to and not allow.
//
// Patterns are import paths, "..." at the end takes the path itself and all
// below, "*" stands for the rest of one path element, and as the first element
// for a package from outside. The module's own packages are written without
// its name.
type rule struct {
	name   string
	reason string
	from   []string
	except []string
	to     []string
	allow  []string
	// tests says that the rule binds test files as well.
	tests bool
	// example is an import that the rule must refuse: the self-test feeds it.
	example edge
}

// edge is one import.
type edge struct{ from, to string }

// own is every package of this module.
var own = []string{"cmd/...", "configs/...", "hub/...", "internal/...", "plugins/...", "sdk/..."}

// outside is every package that is neither ours nor the standard library's.
var outside = []string{"*/..."}

var rules = []rule{
	{
		name:    "model stands alone",
		reason:  "every room speaks the model: what it imported, all would",
		from:    []string{"hub/model/..."},
		to:      slices.Concat(own, outside),
		allow:   []string{"hub/model/..."},
		example: edge{"hub/model", "github.com/google/uuid"},
	},
	{
		name:    "config is read at the edge",
		reason:  "a room gets the values it needs as options, so that it can be tested and reloaded without a file",
		from:    own,
		except:  []string{"cmd/...", "hub", "hub/config/...", "hub/hubtest/...", "internal/..."},
		to:      []string{"hub/config/..."},
		example: edge{"hub/flow/inbound", "hub/config"},
	},
	{
		name:    "config knows the model alone",
		reason:  "configuration must load, and its faults print, before anything else of the hub can start",
		from:    []string{"hub/config/..."},
		to:      own,
		allow:   []string{"hub/config/...", "hub/model/...", "configs/..."},
		example: edge{"hub/config", "hub/store"},
	},
	{
		name:    "one reader of configuration formats",
		reason:  "parsers and schema libraries change under us; one room keeps their types and quirks",
		from:    own,
		except:  []string{"hub/config/..."},
		to:      []string{"github.com/knadh/koanf/...", "github.com/goccy/go-yaml/...", "github.com/invopop/jsonschema/...", "github.com/santhosh-tekuri/jsonschema/..."},
		example: edge{"cmd/hub", "github.com/knadh/koanf/v2"},
	},
	{
		name:    "shipped configuration is data",
		reason:  "configs is what operators copy: its package only embeds files",
		from:    []string{"configs/..."},
		to:      slices.Concat(own, outside),
		example: edge{"configs", "hub/model"},
	},
	{
		name:    "Pebble stays in its driver",
		reason:  "the table port is the contract; a second user of Pebble would be a second store",
		from:    own,
		except:  []string{"hub/storage/table/pebbletable/...", "hub/hubtest/...", "internal/..."},
		to:      []string{"github.com/cockroachdb/pebble/..."},
		example: edge{"hub/store", "github.com/cockroachdb/pebble/v2"},
	},
	{
		name:    "AWS stays in drivers",
		reason:  "the hub must build, run and test with no cloud; one loader makes the SDK's configuration, drivers make the calls",
		from:    own,
		except:  []string{"hub/storage/*/*/...", "hub/storage/awsconfig/...", "plugins/..."},
		to:      []string{"github.com/aws/...", "github.com/tink-crypto/tink-go-awskms/..."},
		example: edge{"hub/seal", "github.com/aws/aws-sdk-go-v2/service/kms"},
	},
	{
		name:    "rooms know ports, not drivers",
		reason:  "which driver stands behind a port is configuration, decided where the hub is wired",
		from:    own,
		except:  []string{"cmd/...", "hub", "hub/hubtest/...", "hub/storage/...", "internal/..."},
		to:      []string{"hub/storage/*/*/..."},
		example: edge{"hub/store", "hub/storage/table/pebbletable"},
	},
	{
		name:    "a driver's interface is for drivers",
		reason:  "retries and checks live in the portable type; code that held the driver would lose them",
		from:    own,
		except:  []string{"hub/storage/..."},
		to:      []string{"hub/storage/*/driver/..."},
		example: edge{"cmd/hub", "hub/storage/keys/driver"},
	},
	{
		name:    "conformance suites are for tests",
		reason:  "a suite imports package testing, which must not reach the product",
		from:    own,
		except:  []string{"hub/storage/*/drivertest/...", "hub/hubtest/...", "sdk/sdktest/...", "internal/..."},
		to:      []string{"hub/storage/*/drivertest/...", "hub/hubtest/...", "sdk/sdktest/...", "testing/..."},
		example: edge{"hub/flow/outbound", "hub/hubtest"},
	},
	{
		name:    "sdk knows no hub",
		reason:  "a third party builds against sdk alone; its promise cannot hang on our inside",
		from:    []string{"sdk/..."},
		to:      own,
		allow:   []string{"sdk/..."},
		tests:   true,
		example: edge{"sdk", "hub/model"},
	},
	{
		name:    "sdk stays light",
		reason:  "every module it imports becomes part of each connector, ours and others'",
		from:    []string{"sdk/..."},
		except:  []string{"sdk/sdktest/..."},
		to:      outside,
		allow:   sdkOutside,
		example: edge{"sdk/webhook", "github.com/google/uuid"},
	},
	{
		name:    "sdktest stays light",
		reason:  "authors import it in their tests, with all that it imports",
		from:    []string{"sdk/sdktest/..."},
		to:      outside,
		allow:   slices.Concat(testOutside, sdkOutside),
		tests:   true,
		example: edge{"sdk/sdktest", "github.com/stretchr/testify/require"},
	},
	{
		name:    "the wire stays at the wire",
		reason:  "one message type per layer: protobuf types are converted in sdk/internal/rpc and pluginhost and seen nowhere else",
		from:    own,
		except:  []string{"sdk", "sdk/proto/...", "sdk/internal/rpc/...", "sdk/sdktest/...", "hub/pluginhost/..."},
		to:      []string{"sdk/proto/..."},
		example: edge{"plugins/echo", "sdk/proto/channelhub/connector/v1"},
	},
	{
		name:    "the hub speaks its own types",
		reason:  "sdk types are what authors see; in the hub a message is a model.Message, made in pluginhost",
		from:    []string{"hub/..."},
		except:  []string{"hub/pluginhost/...", "hub/hubtest/..."},
		to:      []string{"sdk", "sdk/internal/..."},
		example: edge{"hub/flow/outbound", "sdk"},
	},
	{
		name:    "a connector knows the sdk alone",
		reason:  "ours are built like anybody's: what they need, a third party can have",
		from:    []string{"plugins/..."},
		to:      own,
		allow:   []string{"plugins/...", "sdk", "sdk/webhook/...", "sdk/providerhttp/...", "sdk/sdktest/..."},
		tests:   true,
		example: edge{"plugins/echo", "hub/model"},
	},
	{
		name:    "a connector is a program of its own",
		reason:  "linked into the hub, its crash would be the hub's",
		from:    own,
		except:  []string{"cmd/hub-plugin-*/...", "plugins/...", "hub/hubtest/..."},
		to:      []string{"plugins/..."},
		example: edge{"cmd/hub", "plugins/echo"},
	},
	{
		name:    "metrics are made in telemetry",
		reason:  "a name is spelled in one file, and its labels are bounded there",
		from:    own,
		except:  []string{"hub/telemetry/...", "internal/..."},
		to:      []string{"github.com/prometheus/..."},
		example: edge{"hub/api/admin", "github.com/prometheus/client_golang/prometheus"},
	},
	{
		name:    "hclog is the logging API",
		reason:  "only that path redacts contact addresses and reaches the log sink",
		from:    []string{"cmd/...", "hub/...", "plugins/...", "sdk/..."},
		to:      []string{"log", "log/..."},
		example: edge{"hub/cluster", "log/slog"},
	},
	{
		name:    "tests read plainly",
		reason:  "the standard library and go-cmp are enough: one idiom for a test",
		from:    own,
		to:      []string{"github.com/stretchr/testify/..."},
		tests:   true,
		example: edge{"hub/seal", "github.com/stretchr/testify/assert"},
	},
	{
		name:    "failpoints weigh nothing",
		reason:  "they sit on the hot path of every room",
		from:    []string{"internal/failpoint/..."},
		to:      slices.Concat(own, outside),
		allow:   []string{"internal/failpoint/..."},
		example: edge{"internal/failpoint", "hub/telemetry"},
	},
}

// sdkOutside is what connectors may get from sdk unasked.
var sdkOutside = []string{
	"github.com/hashicorp/go-plugin/...", "github.com/hashicorp/go-hclog/...",
	"google.golang.org/grpc/...", "google.golang.org/protobuf/...",
}

// testOutside is what their tests may get as well.
var testOutside = []string{
	"github.com/google/go-cmp/...", "github.com/rogpeppe/go-internal/...", "golang.org/x/tools/txtar/...",
}

// layers are the rooms of the hub from left to right. A room may import any
// room further right, and nothing else of the hub: a call to the left goes
// through an interface of the caller's, wired in package hub. Rooms of one
// layer do not know each other.
var layers = [][]string{
	{"cmd/..."},
	{"hub"},
	{"hub/api/admin/...", "hub/api/app/...", "hub/api/chat/...", "hub/api/ingress/...", "hub/api/link/...", "hub/console/..."},
	// What the HTTP faces share, such as the problem document.
	{"hub/api/..."},
	{"hub/flow/..."},
	{"hub/access/...", "hub/accounts/...", "hub/audit/...", "hub/cluster/...", "hub/erasure/...", "hub/pluginhost/...", "hub/removal/...", "hub/retention/..."},
	{"hub/store/..."},
	{"hub/seal/..."},
	// Each port stands alone; what drivers share is to their right.
	{"hub/storage/blob/...", "hub/storage/dispatch/...", "hub/storage/keys/...", "hub/storage/logsink/...", "hub/storage/table/..."},
	{"hub/storage/..."},
	{"hub/model/...", "hub/telemetry/..."},
}

// apart are packages the layers say nothing about, each with a rule above or
// a reason here.
var apart = []struct{ pattern, reason string }{
	{"hub/config/...", "has rules of its own"},
	{"hub/hubtest/...", "wires a whole hub for tests, from any room"},
	{"internal/...", "serves tests, benches and generators; what the product imports of it has a rule"},
	{"configs/...", "has a rule of its own"},
	{"plugins/...", "has rules of its own"},
	{"sdk/...", "has rules of its own"},
}
