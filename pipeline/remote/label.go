package remote

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// What calls carry beside their request, so that servers can log whose they are. A server need not
// know of it.
const (
	metadataRun   = "graphscore-run"
	metadataShard = "graphscore-shard-bin" // a path may be no ASCII
)

// Label labels the calls of ctx with the run and the shard that they belong to.
func Label(ctx context.Context, run, shard string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, metadataRun, run, metadataShard, shard)
}
