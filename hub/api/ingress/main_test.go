package ingress_test

import (
	"os"
	"testing"

	"github.com/channelhub/channelhub/hub/hubtest"
)

func TestMain(m *testing.M) { os.Exit(hubtest.Main(m)) }
