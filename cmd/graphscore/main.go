// Command graphscore scores graphs in bulk.
package main

import (
	"os"

	"graphscore/cmd/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
