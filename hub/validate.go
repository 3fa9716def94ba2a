package hub

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/channelhub/channelhub/hub/accounts"
	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/pluginhost"
)

// Validate judges a configuration as a reload would: every enabled plugin is
// started once, in a process of its own, and asked about its accounts. It
// opens no store and no listener, so that it can run beside a hub.
func Validate(ctx context.Context, cfg *config.Config, version string) (_ []model.Fault, err error) {
	// A run directory belongs to one host: a running hub keeps its own.
	dir, err := os.MkdirTemp("", "hub-validate-")
	if err != nil {
		return nil, fmt.Errorf("make a run directory: %w", err)
	}
	h := &Hub{accounts: accounts.NewRegistry(), plugins: pluginhost.New(&pluginhost.Options{
		RunDir: dir, HubVersion: version,
		ExternalURL: func() string {
			if u := cfg.Listeners.Public.ExternalURL; u != "" {
				return u
			}
			return "http://" + cfg.Listeners.Public.Address
		},
	})}
	defer func() {
		err = errors.Join(err, h.plugins.Close(context.WithoutCancel(ctx)), os.RemoveAll(dir))
	}()
	set, err := h.setOf(cfg)
	if err != nil {
		return nil, err
	}
	return h.judge(ctx, cfg, set, config.Diff(&config.Config{}, cfg)), nil
}
