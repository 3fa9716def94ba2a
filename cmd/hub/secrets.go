package main

import (
	"context"

	"github.com/channelhub/channelhub/hub/config"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
	"github.com/channelhub/channelhub/hub/storage/awsconfig/awssecrets"
)

// awsReferences makes the resolver of ${aws-sm:…} and ${aws-ssm:…}.
func awsReferences(ctx context.Context, settings config.AWS) (config.Resolver, error) {
	loaded, err := awsconfig.Load(ctx, awsconfig.Settings{Region: settings.Region, RoleARN: settings.RoleARN})
	if err != nil {
		return nil, err
	}
	return references{awssecrets.New(loaded.Config())}, nil
}

// references speaks the configuration's words to the resolver.
type references struct{ r *awssecrets.Resolver }

func (s references) Resolve(ctx context.Context, ref config.Reference) (string, error) {
	return s.r.Resolve(ctx, ref.Scheme, ref.Name)
}
