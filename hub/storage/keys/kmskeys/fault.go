package kmskeys

import (
	"errors"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
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
	code, detail := awsconfig.Code(err), ""
	switch word := awsconfig.Word(err); {
	case refusals[word] != "":
		code, detail = model.Denied, "key "+id+" "+refusals[word]
	case word == "InvalidCiphertextException", word == "IncorrectKeyException":
		code, detail = model.Corrupt, "it does not open under key "+id+" in this context"
	case code == model.Denied:
		detail = "the hub may not use key " + id + ": allow " + action + " in the key's policy and in the policy of the hub's role"
	}
	return &model.Error{Code: code, Op: op, Detail: detail, Err: errors.Unwrap(awsconfig.Fault("", err))}
}
