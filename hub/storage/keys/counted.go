package keys

import (
	"context"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/keys/driver"
)

// Counted returns a driver that tells note of each request before it asks d,
// repeats included, since each is billed: "wrap", "unwrap", "generate" or
// "describe". It owns d.
func Counted(d driver.Driver, note func(call string)) driver.Driver { return counted{d, note} }

type counted struct {
	driver.Driver
	note func(call string)
}

func (c counted) Wrap(ctx context.Context, kc driver.Context, plaintext []byte) ([]byte, error) {
	c.note("wrap")
	return c.Driver.Wrap(ctx, kc, plaintext)
}

func (c counted) Unwrap(ctx context.Context, kc driver.Context, wrapped []byte) ([]byte, error) {
	c.note("unwrap")
	return c.Driver.Unwrap(ctx, kc, wrapped)
}

func (c counted) Generate(ctx context.Context, kc driver.Context) (plaintext, wrapped []byte, err error) {
	c.note("generate")
	return c.Driver.Generate(ctx, kc)
}

func (c counted) Describe(ctx context.Context, client model.ClientID) (driver.Description, error) {
	c.note("describe")
	return c.Driver.Describe(ctx, client)
}
