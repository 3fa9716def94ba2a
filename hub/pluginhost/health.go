package pluginhost

import (
	"context"
	"fmt"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// watchHealth asks the process at an interval whether it still answers, until
// it has ended. It reports every change, and kills a process that missed too
// many checks in a row: a call to a hung process would otherwise hold its
// caller for its whole deadline, and the library's own check has none.
//
// It asks through the process's socket, so it notices a lost connection too.
func (p *process) watchHealth(report func(healthy bool)) {
	ticker := time.NewTicker(p.timings.HealthInterval)
	defer ticker.Stop()
	misses := 0
	for {
		select {
		case <-p.run.exited:
			return
		case <-p.gone: // even if the system could not end the process
			return
		case <-ticker.C:
		}
		if p.answers() {
			if misses > 0 {
				report(true)
			}
			misses = 0
			continue
		}
		misses++
		if misses == 1 {
			report(false)
		}
		if misses >= p.timings.HealthMisses {
			p.run.kill(fmt.Sprintf("killed after %d health checks without an answer", misses))
			return
		}
	}
}

func (p *process) answers() bool {
	ctx, cancel := context.WithTimeout(context.Background(), p.timings.HealthDeadline)
	defer cancel()
	resp, err := p.pulse.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	return err == nil && resp.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
}
