package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/table"
)

const accountAddressSchema = 1

// AccountAddress says whose account an address at a provider is: one address
// belongs to one account of the fleet.
type AccountAddress struct {
	Client  model.ClientID  `json:"cl"`
	Account model.AccountID `json:"a"`
}

// ClaimAccountAddress makes the provider address belong to the account, or
// fails with model.Conflicting when another account has it. The claim of an
// account that is gone is taken over.
func (s *Store) ClaimAccountAddress(ctx context.Context, plugin model.PluginID, address string, owner AccountAddress, gone func(AccountAddress) bool) error {
	pk, err := s.accountAddressPK(ctx, plugin, address)
	if err != nil {
		return err
	}
	value, err := encodePlain(accountAddressSchema, owner)
	if err != nil {
		return err
	}
	at, err := hex.DecodeString(strings.TrimPrefix(pk, "addr/"))
	if err != nil {
		return model.Wrap(model.Internal, "claim provider address", err)
	}
	if err := s.noteAccount(ctx, owner.Client, owner.Account, at); err != nil {
		return err
	}
	rows := s.table.Hub()
	row, created, err := putOrFound(ctx, rows, pk, "a", value, time.Time{})
	if err != nil {
		return fmt.Errorf("claim provider address: %w", err)
	}
	if created {
		return nil
	}
	var has AccountAddress
	if _, err := decodeHeader(row.Value, accountAddressSchema, &has); err != nil {
		return fmt.Errorf("claim provider address: %w", err)
	}
	if has == owner {
		return nil
	}
	if gone == nil || !gone(has) {
		return model.Errorf(model.Conflicting, "claim provider address",
			"account %s already holds this account's address at the provider", has.Account)
	}
	_, err = rows.Commit(ctx, table.Put(pk, "a", value).IfVersion(row.Version))
	if _, conflict := conflictOf(err); conflict {
		return model.Errorf(model.Conflicting, "take over provider address", "another account took it at the same time")
	}
	if err != nil {
		return fmt.Errorf("take over provider address: %w", err)
	}
	return nil
}

// AccountOf returns whose account a provider address is, or model.NotFound.
func (s *Store) AccountOf(ctx context.Context, plugin model.PluginID, address string) (AccountAddress, error) {
	pk, err := s.accountAddressPK(ctx, plugin, address)
	if err != nil {
		return AccountAddress{}, err
	}
	row, err := s.table.Hub().Get(ctx, pk, "a")
	if err != nil {
		return AccountAddress{}, fmt.Errorf("find account of provider address: %w", err)
	}
	var a AccountAddress
	if _, err := decodeHeader(row.Value, accountAddressSchema, &a); err != nil {
		return AccountAddress{}, fmt.Errorf("find account of provider address: %w", err)
	}
	return a, nil
}

func (s *Store) accountAddressPK(ctx context.Context, plugin model.PluginID, address string) (string, error) {
	hub, err := s.sealer.Client(ctx, "")
	if err != nil {
		return "", err
	}
	at, err := hub.PRF(ctx, "provider-address", string(plugin), address)
	if err != nil {
		return "", err
	}
	return "addr/" + hexKey(at), nil
}
