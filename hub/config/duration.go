package config

import (
	"time"

	"github.com/channelhub/channelhub/hub/model"
)

// Duration is how times are written in configuration.
type Duration = model.Duration

const day = 24 * time.Hour

// durationPattern is what a file may hold: the units in order, and few enough
// digits that model.ParseDuration takes whatever matches and is not empty.
const durationPattern = `^([0-9]{1,4}d)?([0-9]{1,5}(\.[0-9]{1,9})?h)?([0-9]{1,7}(\.[0-9]{1,9})?m)?([0-9]{1,9}(\.[0-9]{1,9})?s)?([0-9]{1,9}ms)?$`
