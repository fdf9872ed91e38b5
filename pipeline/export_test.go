package pipeline

import "context"

// ShardName lets tests see what calls are labelled with.
func ShardName(ctx context.Context) string { return shardName(ctx) }
