package hub

import (
	"context"

	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// loadAWS returns what the AWS drivers share, made at the first call: a hub
// that uses none of them needs neither credentials nor a region.
func (h *Hub) loadAWS(ctx context.Context) (*awsconfig.AWS, error) {
	if h.aws != nil {
		return h.aws, nil
	}
	settings := h.opts.Config.AWS
	loaded, err := awsconfig.Load(ctx, awsconfig.Settings{
		Region: settings.Region, RoleARN: settings.RoleARN, ClientRoleARN: settings.ClientRoleARN,
		Record: h.opts.RecordAWS,
	})
	h.aws = loaded
	return loaded, err
}
