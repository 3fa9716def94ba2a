package kmskeys

import (
	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/internal/awsfault"
)

// refusals are what KMS says of a key that it will not use, and how to mend
// it. All are model.Denied: the hub must not go on with what it has cached.
var refusals = map[string]string{
	"DisabledException":        "is disabled: enable it (aws kms enable-key)",
	"KMSInvalidStateException": "is pending deletion, or has no key material: cancel its deletion (aws kms cancel-key-deletion) and enable it",
	"NotFoundException":        "does not exist in this region and account: name another in storage.keys.kms.key_id or the client's kms_key_id",
	"InvalidKeyUsageException": "does not encrypt: name a symmetric key for encryption",
	"InvalidArnException":      "is not named rightly: write a key id, an ARN or alias/NAME",
}

// fault turns the SDK's error for a call with the key id into one with a code.
// A key's id is not a secret.
func fault(err error, action, id string) error {
	const op = "ask KMS"
	name := awsfault.Name(err)
	if why, ok := refusals[name]; ok {
		return withCause(model.Denied, op, "key "+id+" "+why, err)
	}
	switch name {
	case "InvalidCiphertextException", "IncorrectKeyException":
		return withCause(model.Corrupt, op, "it does not open under key "+id+" in this context", err)
	case "DependencyTimeoutException", "KeyUnavailableException", "KMSInternalException":
		return withCause(model.Unavailable, op, "", err)
	}
	code := awsfault.Code(err)
	if code == model.Denied {
		return withCause(code, op, "the hub may not use key "+id+": allow "+action+" in the key's policy and in the policy of the hub's role", err)
	}
	return withCause(code, op, "", err)
}

func withCause(code model.Code, op, detail string, err error) error {
	return &model.Error{Code: code, Op: op, Detail: detail, Err: err}
}
