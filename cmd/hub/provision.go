package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/channelhub/channelhub/hub"
	"github.com/channelhub/channelhub/hub/model"
)

// provisioning makes a command that acts on what a client has in AWS. It asks
// no running hub: the role that serves may not do what this does.
func provisioning(cmd *cobra.Command, act func(ctx context.Context, p *hub.Provisioner, client model.ClientID) (said string, err error)) *cobra.Command {
	var files []string
	var role string
	configFlag(cmd, &files)
	required(cmd, "config")
	cmd.Flags().StringVar(&role, "role-arn", "", "role to assume; else the credentials at hand")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		cfg, err := loadFiles(cmd.Context(), files, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		p, err := hub.NewProvisioner(cmd.Context(), cfg, &hub.ProvisionOptions{RoleARN: role})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		said, err := working(cmd, func() (string, error) { return act(cmd.Context(), p, model.ClientID(args[0])) })
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.ErrOrStderr(), said)
		return err
	}
	return cmd
}

func newClientAddCommand() *cobra.Command {
	return provisioning(&cobra.Command{
		Use: "add CLIENT --config FILE…", Short: "Give a client of the configuration its bucket", Args: oneOf("client"),
		Long: "Give a client that the configuration names its private bucket in S3, with every setting as it is to be.\nRepeating it goes on where it failed, and puts back what was changed. It acts with credentials of its own,\nthe provisioning role of deploy/aws, and not with those of the hub.",
	}, func(ctx context.Context, p *hub.Provisioner, client model.ClientID) (string, error) {
		bucket, err := p.Add(ctx, client)
		return fmt.Sprintf("client %s has bucket %s", client, bucket), err
	})
}

func newBucketRemoveCommand() *cobra.Command {
	return provisioning(&cobra.Command{
		Use: "remove CLIENT --config FILE…", Short: "Remove the bucket of a client that has left the configuration", Args: oneOf("client"),
		Long: "Remove the bucket of a client, with all that is in it. The client must have left the configuration first.",
	}, func(ctx context.Context, p *hub.Provisioner, client model.ClientID) (string, error) {
		return fmt.Sprintf("the bucket of client %s is gone", client), p.Remove(ctx, client)
	})
}
