package s3blob

import (
	"errors"

	"github.com/channelhub/channelhub/hub/model"
	"github.com/channelhub/channelhub/hub/storage/awsconfig"
)

// wordNoBucket is AWS's word for a bucket that is not there.
const wordNoBucket = "NoSuchBucket"

// coded gives an error of a call its code; nil, and one that has a code, stay
// as they are.
func coded(op string, err error) error {
	if _, ok := errors.AsType[*model.Error](err); ok || err == nil {
		return err
	}
	err = awsconfig.Fault(op, err)
	if awsconfig.Word(err) == wordNoBucket {
		// Noted and not there: that is not a blob which does not exist.
		return model.Wrap(model.Denied, op, err)
	}
	return err
}
