package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Reference is what stands between ${ and }: a scheme and a name.
type Reference struct {
	Scheme string // such as "env"
	Name   string // such as "ACME_TOKEN"
}

// String writes the reference as it stands in a file. It is never a value.
func (r Reference) String() string { return "${" + r.Scheme + ":" + r.Name + "}" }

// Resolver turns a reference into the value it stands for. Its errors are
// shown to the operator and must not hold a value. It is called from one
// goroutine at a time.
type Resolver interface {
	Resolve(ctx context.Context, ref Reference) (string, error)
}

// maxReferenceFile bounds what ${file:…} reads, in bytes.
const maxReferenceFile = 64 << 10

// LocalResolver resolves ${env:NAME} and ${file:PATH}. A resolver for other
// schemes may hand the rest to it.
type LocalResolver struct {
	// LookupEnv finds an environment variable; nil means os.LookupEnv.
	LookupEnv func(name string) (string, bool)
}

// Resolve implements Resolver. One newline at the end of a file is not part of
// the value, since editors and shells put it there.
func (l *LocalResolver) Resolve(_ context.Context, ref Reference) (string, error) {
	switch ref.Scheme {
	case "env":
		find := l.LookupEnv
		if find == nil {
			find = os.LookupEnv
		}
		value, ok := find(ref.Name)
		if !ok {
			return "", fmt.Errorf("%s: the variable is not set", ref)
		}
		return value, nil
	case "file":
		value, err := readReferenceFile(ref.Name)
		if err != nil {
			return "", fmt.Errorf("%s: %w", ref, err)
		}
		return value, nil
	}
	if slices.Contains(remoteSchemes, ref.Scheme) {
		return "", fmt.Errorf("%s: nothing here asks AWS", ref)
	}
	// Not named: it may be a piece of a secret that happens to look like one.
	return "", errReferenceKind
}

// remoteSchemes are the kinds of reference that AWS resolves.
var remoteSchemes = []string{"aws-sm", "aws-ssm"}

// RemoteResolver makes the Resolver of ${aws-sm:…} and ${aws-ssm:…} from the
// section aws of the configuration that is being loaded.
type RemoteResolver func(ctx context.Context, settings AWS) (Resolver, error)

// withRemote hands references that AWS resolves to a resolver that is made
// when the first of them comes.
type withRemote struct {
	Resolver
	make     RemoteResolver
	settings func() (AWS, error)

	made   bool
	remote Resolver
	err    error
}

// Resolve implements Resolver.
func (w *withRemote) Resolve(ctx context.Context, ref Reference) (string, error) {
	if !slices.Contains(remoteSchemes, ref.Scheme) {
		return w.Resolver.Resolve(ctx, ref)
	}
	if !w.made {
		w.made = true
		var settings AWS
		if settings, w.err = w.settings(); w.err == nil {
			w.remote, w.err = w.make(ctx, settings)
		}
	}
	if w.err != nil {
		return "", fmt.Errorf("%s: %w", ref, w.err)
	}
	value, err := w.remote.Resolve(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	return value, nil
}

// awsOf reads the section aws of a tree whose references stand for what the
// machine itself knows: AWS cannot be asked how it is to be asked.
func awsOf(ctx context.Context, tree map[string]any, local Resolver) (AWS, error) {
	section, _ := tree["aws"].(map[string]any)
	text := func(name string) string {
		written, _ := section[name].(string)
		value, err := expand(ctx, written, local)
		if err != nil {
			return "" // a fault of its own, where it is written
		}
		return value
	}
	settings := AWS{Region: text("region"), RoleARN: text("role_arn"), ClientRoleARN: text("client_role_arn")}
	if settings.Region == "" {
		return settings, errors.New("aws.region is not known")
	}
	return settings, nil
}

// readReferenceFile reads pipes as well, which have no size to ask for.
func readReferenceFile(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %s", reason(err))
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxReferenceFile+1))
	if err != nil {
		return "", fmt.Errorf("the file cannot be read: %s", reason(err))
	}
	if len(text) > maxReferenceFile {
		return "", fmt.Errorf("the file is larger than %d KiB", maxReferenceFile>>10)
	}
	value := strings.TrimSuffix(string(text), "\n")
	return strings.TrimSuffix(value, "\r"), nil
}

var errReferenceKind = errors.New("there are no references of this kind; use ${env:NAME}, ${file:PATH}, ${aws-sm:ARN#key} or ${aws-ssm:/path}, or write $${ for a plain ${")

var errReferenceForm = errors.New("a reference is written ${env:NAME} or ${file:PATH}; write $${ for a plain ${")

// hasReference reports whether expand would change the text, or refuse it.
func hasReference(text string) bool { return strings.Contains(text, "${") }

// parts cuts a text into plain pieces, each with the reference that follows
// it; only the last has none. $${ is a plain ${.
func parts(text string) ([]part, error) {
	var found []part
	var plain strings.Builder
	for {
		before, after, ok := strings.Cut(text, "${")
		if !ok {
			plain.WriteString(text)
			return append(found, part{plain: plain.String()}), nil
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			plain.WriteString(escaped + "${")
			text = after
			continue
		}
		body, rest, closed := strings.Cut(after, "}")
		scheme, name, named := strings.Cut(body, ":")
		if !closed || !named || scheme == "" || name == "" {
			return nil, errReferenceForm
		}
		plain.WriteString(before)
		found = append(found, part{plain: plain.String(), ref: &Reference{Scheme: scheme, Name: name}})
		plain.Reset()
		text = rest
	}
}

type part struct {
	plain string
	ref   *Reference // nil in the last part
}

// references lists the references of a text and leaves out what stands around
// them, which may be part of a secret.
func references(text string) string {
	found, err := parts(text)
	if err != nil {
		return ""
	}
	var names []string
	for _, p := range found {
		if p.ref != nil {
			names = append(names, p.ref.String())
		}
	}
	return strings.Join(names, ", ")
}

// expand replaces every reference in a text.
func expand(ctx context.Context, text string, resolver Resolver) (string, error) {
	found, err := parts(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range found {
		b.WriteString(p.plain)
		if p.ref == nil {
			continue
		}
		value, err := resolver.Resolve(ctx, *p.ref)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
	return b.String(), nil
}
