package sdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type allKinds struct {
	URL     string            `json:"url" doc:"Where." required:"true" format:"url"`
	Mode    string            `json:"mode" doc:"How." enum:"fast,safe" default:"safe"`
	Wait    time.Duration     `json:"wait" doc:"How long." default:"5s"`
	Count   int8              `json:"count" doc:"How often." default:"3"`
	Size    uint              `json:"size" doc:"How big."`
	Ratio   float64           `json:"ratio" doc:"How much."`
	On      bool              `json:"on" doc:"Whether." default:"true"`
	Origins []string          `json:"origins" doc:"From where."`
	Names   map[string]string `json:"names" doc:"What is called how."`
	Token   Secret            `json:"token" doc:"To get in." required:"true"`
	Keys    Secrets           `json:"keys" doc:"To sign."`
	Ignored string
}

func decode(t *testing.T, config string, secrets map[string][]string) (allKinds, []string, []string) {
	t.Helper()
	list, err := settingsOf(reflect.TypeFor[allKinds]())
	if err != nil {
		t.Fatal(err)
	}
	var out allKinds
	faults, egress := decodeSettings(reflect.ValueOf(&out).Elem(), list, []byte(config), secrets)
	var texts []string
	for _, fault := range faults {
		texts = append(texts, fault.Field+" "+fault.Detail)
	}
	return out, texts, egress
}

func TestSettingsAreFilled(t *testing.T) {
	got, faults, egress := decode(t,
		`{"url":"https://a.example:8443/x","count":7,"size":9,"ratio":0.5,"on":false,"origins":["a","b"],"names":{"k":"v"},"wait":"1m30s"}`,
		map[string][]string{"token": {"t"}, "keys": {"new", "old"}})
	if len(faults) > 0 {
		t.Fatalf("faults: %q", faults)
	}
	if got.Token.Reveal() != "t" || got.Keys.Current().Reveal() != "new" || len(got.Keys.All()) != 2 {
		t.Error("the secrets are not what was given")
	}
	got.Token, got.Keys = Secret{}, Secrets{}
	want := allKinds{
		URL: "https://a.example:8443/x", Mode: "safe", Wait: 90 * time.Second, Count: 7, Size: 9, Ratio: 0.5,
		Origins: []string{"a", "b"}, Names: map[string]string{"k": "v"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings are %+v", got)
	}
	if fmt.Sprint(egress) != "[a.example:8443]" {
		t.Errorf("egress is %v", egress)
	}
	if got, _, _ := decode(t, `{"url":"http://b.example"}`, map[string][]string{"token": {"t"}}); got.Count != 3 || !got.On || got.Wait != 5*time.Second {
		t.Errorf("defaults are %+v", got)
	}
}

func TestSettingsFaultsComeAllAtOnce(t *testing.T) {
	_, faults, _ := decode(t,
		`{"url":"ftp://x","mode":"slow","wait":"-1s","count":300,"size":-1,"ratio":"1","on":"yes","origins":"a","names":[],"typo":1}`,
		map[string][]string{"keys": {""}, "typo": {"never shown"}})
	want := []string{
		"config.count must be a whole number that fits int8",
		"config.mode must be one of fast, safe",
		"config.names must be an object, each value a string",
		"config.on must be true or false",
		"config.origins must be a list, each item a string",
		"config.ratio must be a number",
		"config.size must be a whole number that fits uint",
		"config.typo is no setting of this connector; it has count, mode, names, on, origins, ratio, size, url, wait",
		"config.url must be an absolute http or https URL without a user",
		`config.wait must be a duration such as "5s"`,
		"secrets.keys must not be empty",
		"secrets.token is required",
		"secrets.typo is no setting of this connector; it has keys, token",
	}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

func TestSettingsRefuseWhatIsNotThere(t *testing.T) {
	secrets := map[string][]string{"token": {"t"}}
	for config, want := range map[string]string{
		``:                            "config.url is required",
		`{}`:                          "config.url is required",
		`[]`:                          "config must be a JSON object",
		`{"url":null}`:                "config.url must be a string",
		`{"url":""}`:                  "config.url must not be empty",
		`{"url":"https://u:p@h"}`:     "config.url must be an absolute http or https URL without a user",
		`{"url":"/relative"}`:         "config.url must be an absolute http or https URL without a user",
		`{"url":"https://a/#secret"}`: "config.url must be an absolute http or https URL without a user",
	} {
		if _, faults, _ := decode(t, config, secrets); len(faults) != 1 || faults[0] != want {
			t.Errorf("%s gives %q", config, faults)
		}
	}
}

func TestSchemaDescribesSettings(t *testing.T) {
	list, err := settingsOf(reflect.TypeFor[allKinds]())
	if err != nil {
		t.Fatal(err)
	}
	config, secrets, err := schemas(list)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "additionalProperties": false,
  "properties": {
    "count": {"default": 3, "description": "How often.", "type": "integer"},
    "mode": {"default": "safe", "description": "How.", "enum": ["fast", "safe"], "type": "string"},
    "names": {"additionalProperties": {"type": "string"}, "description": "What is called how.", "type": "object"},
    "on": {"default": true, "description": "Whether.", "type": "boolean"},
    "origins": {"description": "From where.", "items": {"type": "string"}, "type": "array"},
    "ratio": {"description": "How much.", "type": "number"},
    "size": {"description": "How big.", "minimum": 0, "type": "integer"},
    "url": {"description": "Where.", "format": "uri", "type": "string"},
    "wait": {"default": "5s", "description": "How long.", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$", "type": "string"}
  },
  "required": ["url"],
  "type": "object"
}`
	sameJSON(t, want, config)
	sameJSON(t, `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "additionalProperties": false,
  "properties": {
    "keys": {"description": "To sign.", "items": {"type": "string"}, "type": ["string", "array"]},
    "token": {"description": "To get in.", "items": {"type": "string"}, "type": ["string", "array"]}
  },
  "required": ["token"],
  "type": "object"
}`, secrets)
}

func sameJSON(t *testing.T, want string, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A tag that says nothing must not pass unnoticed.
func TestMistakenTagsAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ typ, complaint any }{
		"no struct": {"", "must be a struct"},
		"a channel": {struct {
			C chan int `json:"c"`
		}{}, "cannot be of type chan int"},
		"a hidden secret": {struct {
			S []Secret `json:"s"`
		}{}, "a secret stands at the top"},
		"a wrong default": {struct {
			N int `json:"n" default:"x"`
		}{}, "default: must be"},
		"a useless default": {struct {
			N int `json:"n" default:"1" required:"true"`
		}{}, "has no default"},
		"a strange format": {struct {
			S string `json:"s" format:"ip"`
		}{}, "there is no other format"},
		"a numeric enum": {struct {
			N int `json:"n" enum:"1,2"`
		}{}, "are for strings"},
		"keys of numbers": {struct {
			M map[int]string `json:"m"`
		}{}, "a map needs keys of type string"},
	} {
		_, err := settingsOf(reflect.TypeOf(c.typ))
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(c.complaint)) {
			t.Errorf("%s gives %v", name, err)
		}
	}
}
